"""Which split each picture of a release belongs to. No picture that a test list names is trained on.

Two rules keep that. A picture that one place names for the test and another puts into train is an error. And as long as
a test list has names that are not found among the pictures, a picture that no list names may be one of them under
another name, so it is left out of every split.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dataset_builder.errors import TestInTrainError
from dataset_builder.files.records import Place
from dataset_builder.schema import Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.lists import Stated
from dataset_builder.sources.names import check_matched
from dataset_builder.sources.rows import TEST_SHARE, Row, Split, split_by_hash

__all__ = ["Lists", "with_splits"]

SPLIT_LIST, DEEPFAKE_LIST = "dataset_split_list.json", "AnomReason_Deepfake_Test_list.json"


@dataclass(frozen=True)
class Lists:
    """What the files of a release say about splits, under the pictures' names.

    Attributes:
        splits (`dict`): the split list.
        deepfake (`dict`): the deepfake test list, with the labels it states.
        manifest (`dict`): the manifest.
        tested (`frozenset`): pictures that an annotation file of the test split has.
        fakes (`frozenset`): names known to be generated pictures, found or not.
    """

    splits: dict[str, Split] = field(default_factory=dict)
    deepfake: dict[str, Label | None] = field(default_factory=dict)
    manifest: dict[str, Stated] = field(default_factory=dict)
    tested: frozenset[str] = frozenset()
    fakes: frozenset[str] = frozenset()

    def stated(self, name: str) -> Split | None:
        """The split that the files give a picture, the manifest before the others."""
        says = self.manifest.get(name)
        if says and says.split:
            return says.split
        return self.splits.get(name) or ("test" if name in self.tested else None)

    def tests(self, name: str) -> list[str]:
        """The files that name a picture for the test."""
        says = self.manifest.get(name)
        return [
            source
            for source, named in (
                ("the manifest", says is not None and says.split == "test"),
                (SPLIT_LIST, self.splits.get(name) == "test"),
                (DEEPFAKE_LIST, name in self.deepfake),
                ("the annotation file of the test split", name in self.tested),
            )
            if named
        ]

    def lost(self, label: Label, there: set[str]) -> int:
        """How many names of test lists are not pictures, though they may be pictures of this label."""
        named = {name for name, split in self.splits.items() if split == "test"} | self.deepfake.keys() | self.tested
        named |= {name for name, says in self.manifest.items() if says.split == "test"}
        return sum(self._label(name) in (None, label) for name in named - there)

    def _label(self, name: str) -> Label | None:
        says = self.manifest.get(name)
        known: Label | None = "fake" if name in self.fakes else None
        return (says.label if says else None) or self.deepfake.get(name) or known


def with_splits(rows: list[Row], lists: Lists, there: set[str], findings: list[Finding]) -> list[Row]:
    """The rows that have a split, with it.

    Args:
        rows (`list[Row]`): the pictures.
        lists (`Lists`): what the files say.
        there (`set[str]`): the names of all picture files, those with an error included.
        findings (`list[Finding]`): problems are added here.
    """
    _check(rows, lists, there, findings)
    known = [row.image_id for row in rows if row.label == "fake" and row.image_id in lists.splits]
    share = sum(lists.splits[name] == "test" for name in known) / len(known) if known else TEST_SHARE
    names_reals = any(row.label == "real" and row.image_id in lists.deepfake for row in rows)
    lost: dict[Label, int] = {label: lists.lost(label, there) for label in ("fake", "real")}
    placed = []
    for row in rows:
        name = row.image_id
        split = lists.stated(name)
        if split is None and name not in lists.deepfake and lost[row.label]:
            message = (
                f"{name}: no list names it, while {lost[row.label]:,} names of the test are not found; it may be one "
                "of them, so it is left out; a row of manifest.csv can say where it belongs"
            )
            findings.append(Finding("picture in no split", name, message, name))
            continue
        if split is None and row.label == "fake" and known:
            findings.append(
                Finding("picture in no split", name, f"{SPLIT_LIST} does not name it; it goes into train", name)
            )
            split = "train"
        if split is None and row.label == "real" and names_reals:
            split = "test" if name in lists.deepfake else "train"
        split = split or split_by_hash(name, share)
        # The official test list is the whole test split of `deepfake`; other test pictures must not train it either.
        deepfake: Split | None = split
        if name in lists.deepfake:
            deepfake = "test"
        elif lists.deepfake and split == "test" and (row.label == "fake" or names_reals):
            deepfake = None
        sources = lists.tests(name)
        if sources and "train" in (split, deepfake):
            problem = f"is a test picture by {' and '.join(sources)}, but would be in train; correct one of the lists"
            findings.append(Finding.of(Place(key=name).error(problem, kind=TestInTrainError), name))
        placed.append(replace(row, split=split, deepfake=deepfake))
    return placed


def _check(rows: list[Row], lists: Lists, there: set[str], findings: list[Finding]) -> None:
    """Whether the lists are about these pictures, and which of their names are not found."""

    def of(label: Label | None) -> list[str]:
        return [row.image_id for row in rows if label in (None, row.label)]

    check_matched(SPLIT_LIST, lists.splits, {*of("fake"), *(lists.splits.keys() & there)}, "pictures", findings)
    check_matched("manifest.csv", lists.manifest, of(None), "pictures", findings)
    for label in (None, "fake", "real"):
        named = [name for name, stated in lists.deepfake.items() if stated == label]
        open_to_it = [name for name in of(label) if lists.stated(name) != "train"]  # type: ignore[arg-type]
        check_matched(DEEPFAKE_LIST, named, open_to_it, f"{label or ''} pictures".strip(), findings)
    for source, names in (
        (SPLIT_LIST, lists.splits),
        (DEEPFAKE_LIST, lists.deepfake),
        ("manifest.csv", lists.manifest),
    ):
        findings += _missing(source, names, there)


def _missing(source: str, names: Iterable[str], there: set[str]) -> list[Finding]:
    return [
        Finding("split name without picture", name, f"{source} names it, but there is no such picture", name)
        for name in names
        if name not in there
    ]
