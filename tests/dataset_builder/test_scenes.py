"""Procedural scenes: known truth, clean twins, the same bytes from the same seed."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_builder.errors import InputError, OutputError
from dataset_builder.scenes import FAMILIES, HELD_OUT, TRAINED, family_of, pair, read_scenes, write_scenes


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path, scenes: Path) -> None:
    """Names, rows and every pixel are settled by the seed alone."""
    again = tmp_path / "again"
    code = f"from dataset_builder.scenes import write_scenes; write_scenes({str(again)!r}, 40, seed=11)"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONHASHSEED": "5", "PYTHONPATH": ":".join(sys.path)}
    )

    def digests(directory: Path) -> dict[str, str]:
        files = (path for path in directory.rglob("*") if path.is_file())
        return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert digests(again) == digests(scenes)


def test_another_seed_gives_other_pictures() -> None:
    """Two seeds share no picture."""
    assert pair(1, 0)[0].png() != pair(2, 0)[0].png()


def test_every_anomalous_picture_has_a_clean_twin(scenes: Path) -> None:
    """Twins point at each other, one with anomalies and labelled fake, one without and labelled real."""
    rows = {row.image_id: row for row in read_scenes(scenes)}
    assert len(rows) == 40
    for row in rows.values():
        assert row.twin_id is not None
        twin = rows[row.twin_id]
        assert twin.twin_id == row.image_id
        assert bool(row.anomalies) != bool(twin.anomalies)
        assert row.label == ("fake" if row.anomalies else "real")
        with Image.open(scenes / "images" / row.image_id) as picture:
            assert picture.size == (168, 168)


def test_an_odd_number_ends_with_a_clean_picture_of_its_own(tmp_path: Path) -> None:
    """`--n` counts pictures: the last of five has no twin and nothing wrong."""
    rows = read_scenes(write_scenes(tmp_path / "scenes", 5, seed=1))
    assert len(rows) == 5
    assert rows[-1].twin_id is None
    assert rows[-1].anomalies == []


def test_a_name_tells_its_family() -> None:
    """No two families share a name."""
    names = [(name, key) for key, family in FAMILIES.items() for name in family.names]
    assert len({name for name, _ in names}) == len(names)
    assert all(family_of(name) == key for name, key in names)
    assert family_of("Something else") is None


def test_families_kept_out_of_training_are_drawn_only_when_named() -> None:
    """By default only trained families appear, all of them; a held-out one appears when asked for."""
    drawn = {anomaly.family for index in range(200) for anomaly in pair(3, index)[0].row.anomalies}
    assert drawn == set(TRAINED)
    assert len(TRAINED) == 8
    for family in HELD_OUT:
        assert pair(3, 0, (family,))[0].row.anomalies[0].family == family


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_told_by_its_object_and_varies_in_severity(family: str) -> None:
    """The object stands verbatim in the phenomenon, the box is inside the picture, severities differ within the family."""
    anomalies = [pair(5, index, (family,))[0].row.anomalies for index in range(40)]
    assert all(len(found) == 1 for found in anomalies)  # one family, one finding
    for (anomaly,) in anomalies:
        assert anomaly.object in anomaly.phenomenon
        assert family_of(anomaly.name) == family
        assert anomaly.bbox is not None
        x0, y0, x1, y1 = anomaly.bbox
        assert 0 <= x0 < x1 <= 168
        assert 0 <= y0 < y1 <= 168
    severities = {anomaly.severity for (anomaly,) in anomalies}
    assert len(severities) >= 3
    assert severities <= set(range(FAMILIES[family].worst, FAMILIES[family].mildest + 1, 5))


@pytest.mark.parametrize("family", ["clock", "extra_arm", "handle", "mirror", "giant", "upside_down"])
def test_a_scene_differs_from_its_twin_only_around_the_box(family: str) -> None:
    """What is wrong stands inside the box (and the shadow it throws), nowhere else in the picture."""
    for index in range(20):
        odd, clean = pair(6, index, (family,))
        box = odd.row.anomalies[0].bbox
        assert box is not None
        x0, y0, x1, y1 = box
        changed = np.argwhere((np.asarray(odd.image) != np.asarray(clean.image)).any(axis=-1))
        assert len(changed) > 10
        (top, left), (bottom, right) = changed.min(0), changed.max(0)
        assert left >= x0 - 4
        assert right <= x1 + 6  # a book's pages stand out a little
        assert top >= y0 - 4
        assert bottom <= y1 + 10  # a giant stands a little nearer, so its base line may move down


def test_an_unknown_family_is_named_with_the_choice(tmp_path: Path) -> None:
    """The message says what was asked for and what there is; nothing is written."""
    with pytest.raises(InputError, match="unicorn: choose from floating"):
        write_scenes(tmp_path / "scenes", 4, seed=0, families=["unicorn"])
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    """Only a scenes directory or an empty one is written over."""
    (tmp_path / "holiday.jpg").write_bytes(b"dear to someone")
    with pytest.raises(OutputError, match="`anomreason scenes` did not make it"):
        write_scenes(tmp_path, 4, seed=0)
    assert (tmp_path / "holiday.jpg").exists()


def test_a_broken_row_is_named_by_file_line_and_field(tmp_path: Path) -> None:
    """The message names scenes.jsonl, the line, the field and the value."""
    write_scenes(tmp_path / "scenes", 2, seed=0)
    path = tmp_path / "scenes" / "scenes.jsonl"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": "zero"', 1))
    with pytest.raises(InputError, match=r'scenes\.jsonl:1: seed "zero"'):
        read_scenes(tmp_path / "scenes")
