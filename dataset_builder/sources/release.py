"""The release as its authors ship it: annotation files, lists and folders of pictures, unpacked or in zip archives.

| file | read as |
|---|---|
| `AnomReason_After_HITL*.json` | accepted anomalies; several files are merged, and have to agree |
| `AnomReason_After_HITL*test*.json` | the same, and that its pictures are test pictures |
| `*candidate*.json` | anomalies before review |
| `dataset_split_list.json` | the splits of the generated pictures |
| `AnomReason_Deepfake_Test_list.json` | the test split of `deepfake` |
| `Real_image_caption_*.json` | why each photograph is credible |
| `manifest.csv` (`image,label,generator,split`) | what the other files do not say; it wins over them |
| pictures below `1_fake/` and `0_real/` | generated pictures and photographs |

Every record is read on its own, and every file, so that all that is wrong is told at once.
"""

import fnmatch
from collections import defaultdict
from collections.abc import Iterable

from dataset_builder.errors import AnnotatedRealError, InputError, PictureError, SameNameError
from dataset_builder.files.records import Place, as_image_id
from dataset_builder.files.tree import File, Tree
from dataset_builder.pictures import is_picture
from dataset_builder.schema import Anomaly, Candidate, Label
from dataset_builder.sources.annotations import merged, read_accepted, read_annotation_file, read_candidate
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.lists import (
    Stated,
    read_caption_files,
    read_deepfake_list,
    read_manifests,
    read_split_list,
    the_only,
)
from dataset_builder.sources.names import Names, check_matched
from dataset_builder.sources.rows import Row, generator_of
from dataset_builder.sources.splits import DEEPFAKE_LIST, SPLIT_LIST, Lists, with_splits

__all__ = ["has_annotations", "is_release", "picture_files", "read_release"]

_ACCEPTED, _CANDIDATES = "anomreason_after_hitl*.json", "*candidate*.json"
_TESTED = "anomreason_after_hitl*test*.json"
_CAPTIONS, _MANIFEST = "real_image_caption*.json", "manifest.csv"
_FOLDERS: dict[str, Label] = {"1_fake": "fake", "0_real": "real"}


def _matching(files: Iterable[File], pattern: str) -> list[File]:
    return [file for file in files if fnmatch.fnmatchcase(file.name.lower(), pattern.lower())]


def _folder(file: File) -> Label | None:
    """The label that a file's folder stands for."""
    return next((_FOLDERS[part] for part in file.path.split("/")[:-1] if part in _FOLDERS), None)


def _once(files: Iterable[File]) -> list[File]:
    """Each file once that links reach under several paths with one name: by the path whose folder tells a label."""
    found: dict[tuple[str, str | None, str], File] = {}
    for file in files:
        key = (file.place, file.member, file.name)
        if key not in found or (_folder(file) and not _folder(found[key])):
            found[key] = file
    return sorted(found.values(), key=lambda file: file.path)


def has_annotations(tree: Tree) -> bool:
    """Whether a source has the authors' annotation files."""
    return bool(_matching(tree.files, _ACCEPTED))


def is_release(tree: Tree) -> bool:
    """Whether a source is laid out as the authors' release."""
    return any(_folder(file) for file in tree.files) or any(
        _matching(tree.files, pattern) for pattern in (_ACCEPTED, _MANIFEST)
    )


def read_release(tree: Tree) -> tuple[list[Row], list[Finding]]:
    """The rows of a release, generated pictures first, by path; and the problems of its files."""
    findings: list[Finding] = []
    pictures = picture_files(tree, findings)
    # Two pictures with one name are an error, but a list that names them is right.
    there = pictures.keys() | {finding.image_id for finding in findings if finding.image_id}
    names = Names(there)
    files = [file for file in _once(tree.files) if not is_picture(file.path)]
    by_file = {
        file.path: names.match(read_annotation_file(file, findings, read_accepted), file.path, findings)
        for file in _matching(files, _ACCEPTED)
    }
    of_test = {file.path for file in _matching(files, _TESTED)}
    accepted = merged(by_file, findings)
    candidates = merged(
        {
            file.path: names.match(read_annotation_file(file, findings, read_candidate), file.path, findings)
            for file in _matching(files, _CANDIDATES)
        },
        findings,
    )
    captions = names.match(read_caption_files(_matching(files, _CAPTIONS), findings), "captions", findings)
    split_list = the_only(_matching(files, SPLIT_LIST), "a split list", findings)
    deepfake_list = the_only(_matching(files, DEEPFAKE_LIST), "a deepfake test list", findings)
    manifest = names.match(read_manifests(_matching(files, _MANIFEST), findings), "manifest.csv", findings)
    lists = Lists(
        splits=names.match(read_split_list(split_list, findings), SPLIT_LIST, findings),
        deepfake=names.match(read_deepfake_list(deepfake_list, findings), DEEPFAKE_LIST, findings),
        manifest=manifest,
        tested=frozenset(name for path in of_test for name in by_file[path]),
        fakes=frozenset(accepted.keys() | candidates.keys()),
    )
    rows = []
    for name, file in pictures.items():
        label = _label(name, file, lists, captions, findings)
        if label is not None:
            rows.append(_row(name, file, label, accepted, candidates, captions, manifest, findings))
    rows.sort(key=lambda row: row.label == "real")
    named = (
        ("annotations", accepted, "fake"),
        ("candidates", candidates, "fake"),
        ("a caption", captions, "real"),
    )
    for what, keys, kind in named:
        check_matched(what, keys, [row.image_id for row in rows if row.label == kind], f"{kind} pictures", findings)
        findings += [
            Finding("annotations without picture", name, f"{what} but no picture of this name", name)
            for name in keys
            if name not in pictures
        ]
    return with_splits(rows, lists, there, findings), findings


def _label(name: str, file: File, lists: Lists, captions: dict[str, str], findings: list[Finding]) -> Label | None:
    """What a picture is, by the manifest, its folder, the lists and the annotations, in this order."""
    says = lists.manifest.get(name, Stated())
    told = [label for label in (says.label, _folder(file), lists.deepfake.get(name)) if label]
    if len(set(told)) > 1:
        message = f"folder, manifest and lists say {', '.join(told)}; {told[0]} is taken"
        findings.append(Finding("label contradiction", file.path, message, name))
    if told:
        return told[0]
    if name in lists.fakes:
        return "fake"
    if name in captions:
        return "real"
    message = "lies in neither 1_fake/ nor 0_real/ and no file names it; left out"
    findings.append(Finding("label unknown", file.path, message))
    return None


def _row(
    name: str,
    file: File,
    label: Label,
    accepted: dict[str, list[Anomaly]],
    candidates: dict[str, list[Candidate]],
    captions: dict[str, str],
    manifest: dict[str, Stated],
    findings: list[Finding],
) -> Row:
    fake = label == "fake"
    if fake and name not in accepted:
        message = "no annotation file names it; only in deepfake"
        findings.append(Finding("picture without annotations", file.path, message, name))
    if not fake and (accepted.get(name) or candidates.get(name)):
        problem = "is labelled real but has anomalies, which would be lost; correct its label, or remove the records"
        findings.append(Finding.of(Place(file.path).error(problem, kind=AnnotatedRealError), name))
    return Row(
        image_id=name,
        picture=file,
        label=label,
        anomalies=accepted.get(name) if fake else None,
        candidates=candidates.get(name) if fake else None,
        generator=manifest.get(name, Stated()).generator or (generator_of(name) if fake else None),
        caption=None if fake else captions.get(name),
    )


def picture_files(tree: Tree, findings: list[Finding]) -> dict[str, File]:
    """The pictures of a source by file name; those that share one are findings and are left out."""
    by_name: dict[str, list[File]] = defaultdict(list)
    for file in _once(tree.files):
        if is_picture(file.path):
            try:
                by_name[as_image_id(file.path, Place(file.path.encode(errors="replace").decode()))].append(file)
            except InputError as error:  # a name that is not UTF-8
                findings.append(Finding.of(PictureError(str(error))))
    for name, files in by_name.items():
        if len(files) > 1:
            paths = " and ".join(file.path for file in files)
            clash = SameNameError("have the same file name; rename one of them", file=paths)
            findings.append(Finding.of(clash, name))
    message = "it leads out of the source, in a circle or nowhere; put the file itself in its place"
    findings += [Finding("link not followed", link, message) for link in tree.links]
    return {name: files[0] for name, files in by_name.items() if len(files) == 1}
