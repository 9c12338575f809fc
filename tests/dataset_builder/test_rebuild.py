"""A dataset that is built again: what is the same keeps its bytes, what is new comes behind it."""

import hashlib
import json
import shutil
from pathlib import Path

import datasets
import pytest

from dataset_builder.building import build as building
from dataset_builder.building import shards
from dataset_builder.building.build import build
from dataset_builder.building.read_back import read_built
from tests.synthetic_release import write_release

ANNOTATIONS = "AnomReason_After_HITL.json"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of 600 pictures; shards are so small that there are several."""
    monkeypatch.setattr(shards, "ROW_GROUP_ROWS", 20)
    monkeypatch.setattr(shards, "SHARD_BYTES", 20 * 2**10)
    return write_release(tmp_path / "release", 600, side=8)


def _without(release: Path, names: list[str], place: Path) -> Path:
    shutil.copytree(release, place)
    for name in names:
        (place / "1_fake" / name).unlink()
    return place


def _files(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*.parquet"))
    }


def _content(out: Path, cache: Path) -> dict[tuple[str, str], list[str]]:
    """Each configuration's rows, as texts in an order of their own."""
    rows = {}
    for config in ("default", "candidates", "deepfake", "sft"):
        for split, table in datasets.load_dataset(str(out), config, cache_dir=str(cache)).items():
            name = "images" if config == "sft" else "image"
            picture = datasets.List(datasets.Image(decode=False)) if config == "sft" else datasets.Image(decode=False)
            rows[config, split] = sorted(map(repr, table.cast_column(name, picture)))
    return rows


def test_590_pictures_built_again_as_600_leave_the_old_shards_as_they_are(release: Path, tmp_path: Path) -> None:
    """Bytes and names; the ten are in shards of their own; all configurations hold what a new build holds."""
    out = tmp_path / "out"
    fakes = sorted(path.name for path in (release / "1_fake").iterdir())
    build(_without(release, fakes[3::30], tmp_path / "part"), out)
    before, order = _files(out), [row.image_id for row in read_built(out)[0]]
    assert len([name for name in before if name.startswith("data/")]) > 6
    inodes = {name: (out / name).stat().st_ino for name in before}
    build(release, out)
    after = _files(out)
    assert before.items() <= after.items()
    assert {name: (out / name).stat().st_ino for name in before} == inodes
    new = [row.image_id for row in read_built(out)[0] if row.image_id not in order]
    assert sorted(new) == fakes[3::30]
    added = sum((out / name).stat().st_size for name in after.keys() - before.keys())
    whole = sum((out / name).stat().st_size for name in after)
    print(f"new bytes: {added:,} of {whole:,}")
    assert added < 0.25 * whole
    build(release, tmp_path / "fresh")
    assert _content(out, tmp_path / "a") == _content(tmp_path / "fresh", tmp_path / "b")
    for split in ("train", "test"):
        rows = datasets.load_dataset(str(out), split=split, columns=["image_id"], cache_dir=str(tmp_path / "a"))
        there = [name for name in rows["image_id"] if name not in new]
        assert rows["image_id"][: len(there)] == there


def test_the_same_source_built_again_writes_nothing_and_checks_nothing(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that are in the target already are not looked into again; one that changed is."""
    out = tmp_path / "out"
    build(release, out)
    before = _files(out)
    checked = []
    monkeypatch.setattr(building, "check_structure", lambda file, data=None: checked.append(file.name))
    build(release, out)
    assert (_files(out), checked) == (before, [])
    fakes = sorted((release / "1_fake").iterdir())
    fakes[5].write_bytes(fakes[6].read_bytes() + b"trailer")
    build(release, out)
    assert checked == [fakes[5].name]
    stored = {row["image_id"]: row["image"]["bytes"] for row in _pictures(out, tmp_path)}
    assert stored[fakes[5].name] == fakes[5].read_bytes()


def _pictures(out: Path, cache: Path) -> list[dict[str, dict[str, bytes]]]:
    rows = datasets.load_dataset(str(out), "deepfake", cache_dir=str(cache))
    return [row for table in rows.values() for row in table.cast_column("image", datasets.Image(decode=False))]


def test_a_changed_or_removed_row_changes_its_own_shard_alone(release: Path, tmp_path: Path) -> None:
    """Another shard of the same split stays, whatever its number."""
    out = tmp_path / "out"
    build(release, out, recipe=None)
    before = _files(out)
    path = release / ANNOTATIONS
    truth = json.loads(path.read_text())
    (release / "AnomReason_After_HITL_test.json").unlink()
    name = sorted(truth)[40]
    truth[name][0]["Reasoning"] = "Another reasoning."
    path.write_text(json.dumps(truth))
    (release / "1_fake" / sorted(truth)[41]).unlink()
    build(release, out, recipe=None)
    after = _files(out)
    data = [one for one in before if one.startswith("data/")]
    assert 1 <= len([one for one in data if before[one] != after.get(one)]) <= 2
    built = {row.image_id: row for row in read_built(out)[0]}
    assert built[name].anomalies[0].reasoning == "Another reasoning."  # type: ignore[index]
    assert sorted(truth)[41] not in built
    assert len(built) == 599


def test_with_overwrite_everything_is_written_again(release: Path, tmp_path: Path) -> None:
    """A shard that somebody changed is refused, and not trusted when it may be replaced."""
    out = tmp_path / "out"
    build(release, out, recipe=None)
    before = _files(out)
    victim = out / "data" / "train-00000.parquet"
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:100] + b"XXXX" + content[104:])
    with pytest.raises(OSError, match="was changed since"):
        build(release, out, recipe=None)
    build(release, out, recipe=None, overwrite=True)
    assert _files(out) == before
