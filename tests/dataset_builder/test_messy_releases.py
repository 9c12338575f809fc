"""Releases as they really come: names written otherwise, lists for other pictures, files twice, pictures in the wrong folder."""

import json
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataset_builder.building.build import BuildError, build
from dataset_builder.building.read_back import read_built
from dataset_builder.sources.findings import by_kind
from dataset_builder.sources.opening import Source, open_source
from tests.synthetic_release import write_release

SPLITS, DEEPFAKE = "dataset_split_list.json", "AnomReason_Deepfake_Test_list.json"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of 20 pictures, ten of them photographs in plain files."""
    release = write_release(tmp_path / "release", 20)
    (release / "AnomReason_After_HITL_test.json").unlink()
    return release


def _change(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def _splits(source: Source) -> dict[str, set[str]]:
    """The pictures of each split, of all configurations together."""
    return {
        split: {row.image_id for row in source.rows if split in (row.split, row.deepfake)}
        for split in ("train", "test")
    }


def _rename(release: Path, rename: Callable[[str], str]) -> dict[str, str]:
    """Rename the generated pictures; returns old name → new name."""
    renamed = {}
    for path in sorted((release / "1_fake").iterdir()):
        renamed[path.name] = rename(path.name)
        path.rename(path.with_name(renamed[path.name]))
    return renamed


def _kinds(source: Path) -> dict[str, int]:
    return by_kind([finding for finding in open_source(source).findings if finding.is_error])


@pytest.mark.parametrize(
    "written",
    [
        lambda name: name.upper(),
        lambda name: name.replace(".jpg", ".JPG"),
        lambda name: name.removesuffix(".jpg"),
        lambda name: name.replace(".jpg", ".jpeg"),
        lambda name: f"pictures/1_fake/{name}",
        lambda name: f"D:\\release\\1_fake\\{name}",
        lambda name: f" {name}",
    ],
)
def test_a_list_that_writes_names_in_another_way_means_the_same_pictures(
    written: Callable[[str], str], release: Path
) -> None:
    """Case, extension and folders do not count: each picture is where the list says, and its anomalies stay with it."""
    before = open_source(release)
    for name in (SPLITS, "AnomReason_After_HITL.json"):
        _change(
            release / name,
            lambda content: {
                key if key in ("train", "test") else written(key): (
                    [written(one) for one in value] if key in ("train", "test") else value
                )
                for key, value in content.items()
            },
        )
    after = open_source(release)
    assert [(row.image_id, row.split, row.anomalies) for row in after.rows] == [
        (row.image_id, row.split, row.anomalies) for row in before.rows
    ]
    loosely = [finding.message for finding in after.findings if finding.kind == "name matched loosely"]
    assert not loosely if "\\" in written("a") or "/" in written("a") else "10 of 10" in loosely[0]


def test_a_name_of_two_code_points_means_the_picture_whose_name_has_one(release: Path) -> None:
    """macOS writes é as two code points; the list may have either."""
    renamed = _rename(release, lambda name: unicodedata.normalize("NFD", f"Café {name}"))
    composed = {old: unicodedata.normalize("NFC", new) for old, new in renamed.items()}
    assert set(composed.values()).isdisjoint(renamed.values())
    for name in (SPLITS, "AnomReason_After_HITL.json", "AnomReason_candidates.json", DEEPFAKE):
        text = (release / name).read_text()
        for old, new in composed.items():
            text = text.replace(old, new)
        (release / name).write_text(text)
    source = open_source(release)
    listed = json.loads((release / SPLITS).read_text())
    found = {unicodedata.normalize("NFC", name) for name in _splits(source)["test"]}
    assert set(listed["test"]) <= found
    assert not {finding.kind for finding in source.findings} - {"name matched loosely"}


def test_a_name_that_could_mean_two_pictures_means_neither(release: Path) -> None:
    """The stem `cup` of cup.jpg and cup.png; the exact name still means its own picture."""
    first = next(iter((release / "1_fake").iterdir()))
    (release / "1_fake" / "cup.jpg").write_bytes(first.read_bytes())
    (release / "1_fake" / "cup.png").write_bytes(first.read_bytes())
    _change(
        release / SPLITS, lambda lists: lists | {"train": [*lists["train"], "cup.jpg"], "test": [*lists["test"], "cup"]}
    )
    source = open_source(release)
    assert "cup.png" not in _splits(source)["train"]
    assert {row.image_id: row.split for row in source.rows}["cup.jpg"] == "train"
    assert "cup" in {finding.image_id for finding in source.findings if finding.kind == "split name without picture"}


@pytest.mark.parametrize("listed", [SPLITS, DEEPFAKE])
def test_a_list_of_other_pictures_is_an_error_whatever_is_skipped(listed: str, release: Path, tmp_path: Path) -> None:
    """Nothing is hashed into a split because the list does not match; --skip-invalid does not change that."""
    text = (release / listed).read_text()
    (release / listed).write_text(text.replace("2025_", "picture_2025_").replace("real_", "photograph_"))
    assert "unmatched list" in _kinds(release)
    for skip in (False, True):
        with pytest.raises(BuildError, match=f"{listed}: only 0 of its"):
            build(release, tmp_path / "out", skip_invalid=skip)
    assert not (tmp_path / "out").exists()


def test_a_part_of_the_pictures_with_the_whole_lists_is_fine(release: Path) -> None:
    """Whoever has downloaded some of the pictures can use the lists of all."""
    for path in sorted((release / "1_fake").iterdir())[:8]:
        path.unlink()
    (release / "0_real.zip").unlink()
    source = open_source(release)
    assert not [finding for finding in source.findings if finding.is_error]
    assert sum(row.anomalies is not None for row in source.rows) == 2


@pytest.mark.parametrize("seed", range(12))
def test_no_test_picture_is_in_train_however_the_names_are_garbled(seed: int, tmp_path: Path) -> None:
    """Some names of both lists are changed beyond recognition: an error, or the pictures concerned are in no split."""
    release = write_release(tmp_path / "release", 40, seed=seed)
    (release / "AnomReason_After_HITL_test.json").unlink()
    rng = random.Random(seed)
    content = {name: json.loads((release / name).read_text()) for name in (SPLITS, DEEPFAKE)}
    tested = {*content[SPLITS]["test"], *content[DEEPFAKE]["fake"], *content[DEEPFAKE]["real"]}
    garble = [lambda name: f"copy of {name}", lambda name: name[3:], lambda name: name.replace("_", "-"), str.upper]
    for name, lists in content.items():
        for key, names in lists.items():
            changed = [rng.choice(garble)(one) if rng.random() < rng.choice([0.1, 0.5]) else one for one in names]
            lists[key] = changed
        if rng.random() < 0.3:
            del lists[rng.choice(list(lists))][:5]
            tested = {*content[SPLITS]["test"], *content[DEEPFAKE]["fake"], *content[DEEPFAKE]["real"]} & tested
        (release / name).write_text(json.dumps(lists))
    source = open_source(release)
    if not any(finding.is_error for finding in source.findings):
        assert tested.isdisjoint(_splits(source)["train"])


def test_a_picture_that_no_list_names_is_not_trained_on_while_a_test_name_is_not_found(release: Path) -> None:
    """It may be that very picture under another name; with all test names found, it goes to train and is told."""
    victim = json.loads((release / SPLITS).read_text())["test"][0]
    path = release / "1_fake" / victim
    path.rename(path.with_name("something_else.jpg"))
    _change(release / DEEPFAKE, lambda lists: lists | {"fake": [name for name in lists["fake"] if name != victim]})
    source = open_source(release)
    assert "something_else.jpg" not in {row.image_id for row in source.rows}
    assert "picture in no split" in {finding.kind for finding in source.findings}
    _change(release / SPLITS, lambda lists: lists | {"test": [name for name in lists["test"] if name != victim]})
    source = open_source(release)
    assert {row.image_id: row.split for row in source.rows}["something_else.jpg"] == "train"
    assert [f.kind for f in source.findings if f.image_id == "something_else.jpg"] == [
        "picture without annotations",
        "picture in no split",
    ]


@pytest.mark.parametrize("source_of_truth", ["deepfake", "annotations", "manifest"])
def test_a_test_picture_that_another_file_puts_into_train_is_an_error(
    source_of_truth: str, release: Path, tmp_path: Path
) -> None:
    """Whichever file names it for the test; with --skip-invalid it is in no split at all."""
    train = json.loads((release / SPLITS).read_text())["train"][0]
    test = json.loads((release / SPLITS).read_text())["test"][0]
    victim = train
    if source_of_truth == "deepfake":
        _change(release / DEEPFAKE, lambda lists: lists | {"fake": [*lists["fake"], train]})
    elif source_of_truth == "annotations":
        truth = json.loads((release / "AnomReason_After_HITL.json").read_text())
        (release / "AnomReason_After_HITL_test.json").write_text(json.dumps({train: truth[train], test: truth[test]}))
    else:
        victim = test
        (release / "manifest.csv").write_text(f"image,label,generator,split\n{test},fake,,train\n")
    with pytest.raises(BuildError, match="test picture in train") as raised:
        build(release, tmp_path / "out")
    assert [finding.image_id for finding in raised.value.findings] == [victim]
    build(release, tmp_path / "out", skip_invalid=True, recipe=None)
    assert victim not in {row.image_id for row in read_built(tmp_path / "out")[0]}


def test_pictures_of_the_test_split_s_annotation_file_are_test_pictures(release: Path) -> None:
    """Without any list, the name of the file says so."""
    truth = json.loads((release / "AnomReason_After_HITL.json").read_text())
    names = sorted(truth)[:4]
    for name in (SPLITS, DEEPFAKE):
        (release / name).unlink()
    (release / "AnomReason_After_HITL_test.json").write_text(json.dumps({name: truth[name] for name in names}))
    assert set(names).isdisjoint(_splits(open_source(release))["train"])


def test_an_annotated_picture_among_the_real_ones_is_an_error(release: Path) -> None:
    """Its anomalies would be lost without a word."""
    name = sorted(path.name for path in (release / "1_fake").iterdir())[0]
    (release / "0_real").mkdir()
    (release / "1_fake" / name).rename(release / "0_real" / name)
    assert _kinds(release)["annotated real picture"] == 1


def test_a_picture_whose_label_two_files_dispute_is_told_and_the_manifest_wins(release: Path) -> None:
    """Folder against manifest: a warning that says which label is taken."""
    name = sorted(path.name for path in (release / "1_fake").iterdir())[0]
    truth = {name: []}
    _change(release / "AnomReason_After_HITL.json", lambda content: content | truth)
    _change(release / "AnomReason_candidates.json", lambda content: content | truth)
    _change(release / DEEPFAKE, lambda lists: lists | {"fake": [one for one in lists["fake"] if one != name]})
    (release / "manifest.csv").write_text(f"image,label,generator,split\n{name},real,,test\n")
    source = open_source(release)
    contradictions = [finding for finding in source.findings if finding.kind == "label contradiction"]
    assert [(one.image_id, "real, fake; real is taken" in one.message) for one in contradictions] == [(name, True)]
    assert {row.image_id: row.label for row in source.rows}[name] == "real"


def test_two_files_of_one_kind_are_an_error_that_names_both(release: Path, tmp_path: Path) -> None:
    """Two split lists: which one is right nobody can guess, so --skip-invalid does not help."""
    (release / "old").mkdir()
    (release / "old" / SPLITS).write_text((release / SPLITS).read_text())
    for skip in (False, True):
        with pytest.raises(BuildError, match=f"{SPLITS} and old/{SPLITS}: each is a split list") as raised:
            build(release, tmp_path / "out", skip_invalid=skip)
        assert [finding.kind for finding in raised.value.findings] == ["second list"]


def test_two_captions_or_manifest_rows_of_one_picture_are_an_error_that_names_both(release: Path) -> None:
    """The last one does not win; the same caption twice is fine."""
    captions = next(release.glob("Real_image_caption*"))
    name = sorted(json.loads(captions.read_text()))[0]
    other = release / "Real_image_caption_more.json"
    other.write_text(json.dumps({f"pictures/{name}": json.loads(captions.read_text())[name]}))
    assert not _kinds(release)
    other.write_text(json.dumps({name: "Another text."}))
    (release / "manifest.csv").write_text(f"image,label,generator,split\n{name},real,,\n{name},real,,test\n")
    findings = [finding for finding in open_source(release).findings if finding.is_error]
    assert [finding.kind for finding in findings] == ["conflicting statements"] * 2
    assert captions.name in findings[0].message
    assert other.name in findings[0].message
    assert "manifest.csv:2" in findings[1].message
    assert "manifest.csv:3" in findings[1].message
    other.write_text(json.dumps({f"a/{name}": "One.", f"b/{name}": "Two."}))
    assert _kinds(release)["basename collision"] == 1


def test_all_repeated_keys_are_told_and_all_are_left_out(release: Path, tmp_path: Path) -> None:
    """Two of them: two findings; --skip-invalid keeps neither's last value."""
    path = release / "AnomReason_After_HITL.json"
    names = sorted(json.loads(path.read_text()))[:2]
    extra = "".join(f', "{name}": []' for name in names)
    path.write_text(path.read_text().rstrip("}\n") + extra + "}")
    assert _kinds(release) == {"duplicate id": 2}
    build(release, tmp_path / "out", skip_invalid=True, recipe=None)
    kept = {row.image_id for row in read_built(tmp_path / "out")[0]}
    assert kept.isdisjoint(names)
    assert len([name for name in kept if name.startswith("2025")]) == 8


def test_all_files_that_cannot_be_read_are_told_together_with_everything_else(release: Path, tmp_path: Path) -> None:
    """One list of all problems, counted by kind; nothing is built without a list that cannot be read."""
    (release / SPLITS).write_text("[1, 2")
    (release / DEEPFAKE).write_text('{"fake": ["a.jpg", 7], "real": "all"}')
    (release / "AnomReason_candidates.json").write_text("[]")
    next(release.glob("Real_image_caption*")).write_bytes(b"\xff\xfe")
    (release / "manifest.csv").write_text("name,label\na.jpg,fake\n")
    victim = sorted((release / "1_fake").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:-100])
    for skip in (False, True):
        with pytest.raises(BuildError) as raised:
            build(release, tmp_path / "out", skip_invalid=skip)
        counts = by_kind(raised.value.findings)
        assert counts["unreadable file"] == 5
        assert counts["truncated picture"] == 1
        assert "5 unreadable file" in str(raised.value)
        assert "--skip-invalid does not help" in str(raised.value)


def test_the_share_of_the_real_test_pictures_is_that_of_the_generated_ones(tmp_path: Path) -> None:
    """Where no list names real pictures, they are drawn in the proportion of the split list, here three of four."""
    release = write_release(tmp_path / "release", 400, side=8)
    (release / DEEPFAKE).unlink()
    (release / "AnomReason_After_HITL_test.json").unlink()
    names = sorted(json.loads((release / "AnomReason_After_HITL.json").read_text()))
    (release / SPLITS).write_text(json.dumps({"train": names[::4], "test": [n for n in names if n not in names[::4]]}))
    reals = [row for row in open_source(release).rows if row.label == "real"]
    share = sum(row.split == "test" for row in reals) / len(reals)
    assert 0.65 < share < 0.85
    assert all(row.split == row.deepfake for row in reals)


def test_a_test_picture_that_the_deepfake_list_leaves_out_trains_nothing(release: Path) -> None:
    """It is in no split of `deepfake`, not in its train."""
    victim = json.loads((release / SPLITS).read_text())["test"][0]
    _change(release / DEEPFAKE, lambda lists: lists | {"fake": [name for name in lists["fake"] if name != victim]})
    row = next(row for row in open_source(release).rows if row.image_id == victim)
    assert (row.split, row.deepfake) == ("test", None)


@pytest.mark.parametrize("verdict", ["Accept", "yes", 1, [], {"accept": 1}])
def test_a_verdict_that_is_none_is_an_error(verdict: object, release: Path) -> None:
    """It is not read as undecided."""
    path = release / "AnomReason_candidates.json"
    _change(
        path,
        lambda content: {key: [records[0] | {"verdict": verdict}, *records[1:]] for key, records in content.items()},
    )
    findings = [finding for finding in open_source(release).findings if finding.is_error]
    assert len(findings) == 10
    assert all("verdict" in finding.message for finding in findings)


def test_records_none_of_which_can_be_read_are_not_an_empty_list(release: Path) -> None:
    """A picture whose records are all unreadable is unannotated, not clean."""
    name = sorted(json.loads((release / "AnomReason_After_HITL.json").read_text()))[0]
    _change(release / "AnomReason_After_HITL.json", lambda content: content | {name: [1, 2]})
    row = next(row for row in open_source(release).rows if row.image_id == name)
    assert row.anomalies is None


@pytest.mark.parametrize("label", ["fake", "real"])
def test_a_lost_name_of_one_label_leaves_pictures_of_the_other_alone(label: str, release: Path) -> None:
    """A generated picture that is missing says nothing about photographs that no list names, and the other way round."""
    unlisted = json.loads((release / SPLITS).read_text())["train"][0]
    _change(release / SPLITS, lambda lists: lists | {"train": [name for name in lists["train"] if name != unlisted]})
    _change(release / DEEPFAKE, lambda lists: lists | {label: [*lists[label], "gone.jpg"]})
    train = _splits(open_source(release))["train"]
    assert (unlisted in train) == (label == "real")
    assert any(name.startswith("real_") for name in train) == (label == "fake")
