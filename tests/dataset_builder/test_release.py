"""Building from the authors' files, from a run, and what is left out."""

import json
import shutil
import zipfile
from pathlib import Path

import datasets
import pytest

from dataset_builder import AnomReason
from dataset_builder.building.build import BuildError, build
from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, read_record
from dataset_builder.official import read_annotations
from dataset_builder.scenes import write_scenes
from dataset_builder.sources.annotations import _as_released
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import generator_of
from tests.synthetic_release import ERROR_KINDS


def _load(path: Path, config: str | None, split: str, cache: Path) -> datasets.Dataset:
    return datasets.load_dataset(str(path), config, split=split, cache_dir=str(cache))


def test_the_default_configuration_is_the_annotated_pictures_with_their_own_bytes(
    release: Path, official: Path, tmp_path: Path
) -> None:
    """Every annotated picture, in its official split, with its records, its generator and its untouched file."""
    truth = read_annotations(release / "AnomReason_After_HITL.json")
    listed = json.loads((release / "dataset_split_list.json").read_text())
    for split in ("train", "test"):
        rows = _load(official, None, split, tmp_path).cast_column("image", datasets.Image(decode=False))
        assert sorted(rows["image_id"]) == sorted(listed[split])
        for row in rows:
            assert row["image"]["bytes"] == (release / "1_fake" / row["image_id"]).read_bytes()
            assert row["generator"] == generator_of(row["image_id"])
            expected = [(a.name, a.severity, a.remark) for a in truth[row["image_id"]]]
            assert [(a["name"], a["severity"], a["remark"]) for a in row["anomalies"]] == expected


def test_deepfake_has_real_pictures_with_captions_and_no_test_picture_in_train(official: Path, tmp_path: Path) -> None:
    """Both labels, captions on the real ones, null and not [] where nobody looked, and disjoint splits."""
    train, test = (_load(official, "deepfake", split, tmp_path).remove_columns("image") for split in ("train", "test"))
    assert set(train["label"]) == set(test["label"]) == {0, 1}
    assert set(train["image_id"]).isdisjoint(test["image_id"])
    for row in test:
        assert (row["caption"] is not None) == (row["label"] == 0)
        assert (row["anomalies"] is None) == (row["label"] == 0)


def test_candidates_hold_what_review_took_away(official: Path, tmp_path: Path) -> None:
    """One more quadruplet a picture than accepted, with a verdict and votes to fill."""
    rows = _load(official, "candidates", "test", tmp_path)
    accepted = {row["image_id"]: row for row in _load(official, None, "test", tmp_path)}
    assert all(len(row["anomalies"]) == len(accepted[row["image_id"]]["anomalies"]) + 1 for row in rows)
    anomaly = rows[0]["anomalies"][0]
    assert (anomaly["verdict"], anomaly["votes"]) == (None, {"accept": 0, "reject": 0, "unsure": 0})


def test_features_are_equal_loaded_streamed_and_built_in_two_processes(
    release: Path, official: Path, tmp_path: Path
) -> None:
    """The files, the stream, a choice of columns and the builder with `num_proc` agree, for each configuration."""
    for config in ("default", "candidates", "deepfake", "sft"):
        loaded = _load(official, config, "test", tmp_path)
        streamed = datasets.load_dataset(str(official), config, split="test", streaming=True)
        builder = AnomReason(cache_dir=str(tmp_path / "b"), config_name=config, data_dir=str(release))
        builder.download_and_prepare(num_proc=2 if config == "default" else None)
        built = builder.as_dataset(split="test")
        assert loaded.features == streamed.features == built.features
        assert len(loaded) == len(built)
        key = "completion" if config == "sft" else "image_id"
        assert loaded[key] == built[key]
    few = datasets.load_dataset(str(official), split="test", columns=["image_id"], cache_dir=str(tmp_path))
    assert few.column_names == ["image_id"]


def test_an_edited_source_never_gives_stale_rows(tmp_path: Path) -> None:
    """A changed record is in the rows of the next builder over the same cache."""
    source = write_scenes(tmp_path / "scenes", 8, seed=5)

    def names() -> list[str]:
        builder = AnomReason(cache_dir=str(tmp_path / "cache"), data_dir=str(source))
        builder.download_and_prepare()
        rows = datasets.concatenate_datasets(list(builder.as_dataset().values()))
        return [anomaly["name"] for row in rows.remove_columns("image") for anomaly in row["anomalies"]]

    before = names()
    path = source / "scenes.jsonl"
    path.write_text(path.read_text().replace(before[0], "A name nobody gave", 1))
    assert "A name nobody gave" not in before
    assert "A name nobody gave" in names()


def test_a_zip_archive_is_built_like_the_directory(release: Path, official: Path, tmp_path: Path) -> None:
    """One archive of the whole release gives the same Parquet, byte for byte, and writes nothing beside it."""
    with zipfile.ZipFile(tmp_path / "release.zip", "w") as archive:
        for path in sorted(release.rglob("*")):
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as inner:
                    for name in inner.namelist():
                        archive.writestr(f"deep/{name}", inner.read(name))
            elif path.is_file():
                archive.write(path, f"deep/{path.relative_to(release)}")
    build(tmp_path / "release.zip", tmp_path / "out")
    for shard in official.rglob("*.parquet"):
        assert (tmp_path / "out" / shard.relative_to(official)).read_bytes() == shard.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "release.zip"]


def test_hostile_archives_leave_no_trace(tmp_path: Path) -> None:
    """Names that climb out, links and a member that claims little and unpacks to much are not followed or written."""
    source = tmp_path / "source"
    source.mkdir()
    with zipfile.ZipFile(source / "evil.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../1_fake/escaped.jpg", b"\xff\xd8\xff")
        link = zipfile.ZipInfo("1_fake/link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("1_fake/bomb.jpg", bytes(70 * 2**20))
    with pytest.raises(BuildError) as raised:
        build(source, tmp_path / "out")
    assert {finding.kind for finding in raised.value.findings} >= {"oversized picture"}
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    assert [path.name for path in source.iterdir()] == ["evil.zip"]


def test_all_errors_are_listed_and_nothing_is_written(damaged: Path, tmp_path: Path) -> None:
    """Every kind of error at once, each with its file; no directory, not even a hidden one."""
    with pytest.raises(BuildError) as raised:
        build(damaged, tmp_path / "anomreason")
    assert {finding.kind for finding in raised.value.findings} == ERROR_KINDS
    assert all(finding.message in str(raised.value) for finding in raised.value.findings)
    assert list(tmp_path.iterdir()) == []


def test_skip_invalid_leaves_them_out_and_says_so(damaged: Path, tmp_path: Path) -> None:
    """Bad rows go to skipped.jsonl and onto the card; a bad record goes alone; the rest is a dataset."""
    out = tmp_path / "anomreason"
    result = build(damaged, out, skip_invalid=True)
    skipped = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in skipped} == ERROR_KINDS
    assert len(skipped) == len(result.skipped)
    assert all(kind in (out / "README.md").read_text() for kind in ERROR_KINDS)
    rows = [row for split in ("train", "test") for row in _load(out, None, split, tmp_path).remove_columns("image")]
    names = {row["image_id"] for row in rows}
    fakes = sorted(path.name for path in (damaged / "1_fake").glob("2025*"))
    assert names.isdisjoint({fakes[0], fakes[1], fakes[2], fakes[5], fakes[6]})
    assert {fakes[3], fakes[4]} <= names


def test_one_split_and_a_limit(release: Path, tmp_path: Path) -> None:
    """`split` builds one split alone; `limit` takes the first pictures of each split and label."""
    assert set(build(release, tmp_path / "a", split="test").rows["default"]) == {"test"}
    limited = build(release, tmp_path / "b", limit=3)
    assert limited.rows["default"] == {"train": 3, "test": 3}
    assert limited.rows["deepfake"] == {"train": 6, "test": 6}


def test_a_run_is_built_with_the_verdicts_it_has(tmp_path: Path) -> None:
    """Before review all candidates are taken; after it the accepted ones; a picture whose calls failed is left out."""
    scenes = write_scenes(tmp_path / "scenes", 6, seed=9)
    run = tmp_path / "run"
    shutil.copytree(scenes / "images", run / "images")
    names = sorted(path.name for path in (run / "images").iterdir())
    record = {"name": "N", "phenomenon": "P", "reasoning": "R", "severity": 10, "object": "red cup", "support": 2}
    accepted = record | {"verdict": "accept", "votes": {"accept": 2}}
    rejected = record | {"name": "M", "verdict": "reject", "votes": {"reject": 2}}

    def write(records: list[dict[str, object]]) -> None:
        rows = [{"image_id": name, "status": "anomalies", "anomalies": records} for name in names[1:]]
        rows.append({"image_id": names[0], "status": "failed", "anomalies": []})
        (run / "annotations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    write([record, record | {"name": "M"}])
    source = open_source(run)
    assert [len(row.anomalies or []) for row in source.rows] == [2] * 5
    assert {row.label for row in source.rows} == {"fake"}
    assert [finding.kind for finding in source.findings] == ["picture without annotations"]
    write([accepted, rejected])
    assert [[a.name for a in row.anomalies or []] for row in open_source(run, label="real").rows] == [["N"]] * 5
    out = tmp_path / "out"
    build(run, out)
    rows = [row for split in ("train", "test") for row in _load(out, "candidates", split, tmp_path / "cache")]
    assert [[a["verdict"] for a in row["anomalies"]] for row in rows] == [[0, 1]] * 5
    assert rows[0]["anomalies"][0]["votes"] == {"accept": 2, "reject": 0, "unsure": 0}
    shutil.rmtree(run / "images")
    with pytest.raises(InputError, match="--images"):
        open_source(run)
    assert len(open_source(run, images=scenes / "images").rows) == 5


@pytest.mark.parametrize(
    "record",
    [
        {"Name": "@1. Name: Cup", "Observed Phenomenon": "P\n-", "Reasoning": "R", "Severity Score": "25/100 (mild)."},
        {"Name": "Cup", "Observed Phenomenon": "", "Reasoning": "R", "Severity Score": "25"},
        {"Name": "Cup", "Observed Phenomenon": "P", "Reasoning": "R", "Severity Score": "110/100"},
        {"Name": "Cup", "Observed Phenomenon": None, "Reasoning": "R", "Severity Score": "5/100"},
        {"Name": "Cup", "Observed Phenomenon": "\ud800", "Reasoning": "R", "Severity Score": "5/100"},
        {"Name": 3, "Observed Phenomenon": "P", "Reasoning": "R", "Severity Score": "5/100"},
        {"Name": "Cup", "Observed Phenomenon": "P", "Reasoning": "R", "Severity Score": ["5"]},
    ],
)
def test_the_fast_reader_of_released_records_agrees_with_the_tolerant_one(record: dict[str, object]) -> None:
    """The same anomaly or none at all, in which case the tolerant reader decides and says why."""
    fast = _as_released(record)
    try:
        slow = read_record(record, Place("f"), prediction=True)
    except InputError:
        assert fast is None
    else:
        assert fast in (None, slow)
