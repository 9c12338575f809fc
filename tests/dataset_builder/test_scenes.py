"""Procedural scenes: known truth, clean twins, the same bytes from the same seed."""

import hashlib
import itertools
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_builder.errors import InputError, OutputError
from dataset_builder.scenes import FAMILIES, HELD_OUT, TRAINED, clean, family_of, odd, pair, read_scenes, write_scenes
from dataset_builder.sources.opening import split_of


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


def test_every_family_can_be_told_in_many_ways() -> None:
    """At least 150 distinct sentences of either sort, short, the object once in each of what is seen."""
    phenomena = [sentence for family in FAMILIES.values() for sentence in family.phenomena]
    reasonings = [sentence for family in FAMILIES.values() for sentence in family.reasonings]
    assert len(set(phenomena)) == len(phenomena) >= 150
    assert len(set(reasonings)) == len(reasonings) >= 150
    assert all(sentence.count("{object}") == 1 for sentence in phenomena)
    assert max(len(sentence.split()) for sentence in phenomena + reasonings) <= 16
    for family in FAMILIES.values():
        assert min(len(family.phenomena), len(family.reasonings)) >= 15
        if "outdoors" in family.settings:  # must be true there as well
            assert not any(word in sentence for sentence in family.phenomena for word in ("table", "wall", "mirror"))


def test_texts_are_shared_between_splits_as_often_as_chance_would_have_it() -> None:
    """The splits' texts are drawn independently: as many of the test split's are in train as chance alone would put there."""
    train: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    test: list[tuple[str, str, str]] = []
    for index in range(1000):
        row = odd(13, index).row
        for anomaly in row.anomalies:
            told = (anomaly.family, anomaly.object, anomaly.phenomenon.replace(anomaly.object, "{object}"))
            (test if split_of(row) == "test" else train[anomaly.family]).append(told)
    seen = {told for family in train.values() for told in family}
    shared = sum(told in seen for told in test) / len(test)
    expected = 0.0
    for family, thing, _ in test:
        objects = Counter(told[1] for told in train[family])
        share = objects[thing] / len(train[family]) / len(FAMILIES[family].phenomena)
        expected += 1 - (1 - share) ** len(train[family])
    expected /= len(test)
    # Four standard deviations of a share of so many.
    assert shared == pytest.approx(expected, abs=4 * (expected * (1 - expected) / len(test)) ** 0.5)
    assert shared < 0.5


def test_sizes_in_clean_pictures_are_plausible() -> None:
    """As drawn: houses and trees are higher than people, cars not, nothing one can carry comes near; likewise on the table."""
    heights: dict[str, list[float]] = defaultdict(list)
    beside = 0
    for index in range(300):
        picture = clean(14, index)
        drawn = [
            (thing.kind, y1 - y0) for thing, (_, y0, _, y1) in zip(picture.scene.things, picture.extents, strict=True)
        ]
        for kind, height in drawn:
            heights[f"{picture.scene.setting} {kind}"].append(height)
        for (one, high), (other, low) in itertools.permutations(drawn, 2):
            if one in ("house", "tree") and other in ("person", "car", "ball", "vase"):
                assert high > low
            if one == "person" and other in ("car", "ball", "vase"):
                assert high > low
            if one in ("book", "vase", "bottle") and other in ("mug", "apple", "banana"):
                assert picture.scene.setting == "outdoors" or high > low
            beside += one == "house" and other == "person"
    assert beside > 3
    assert set(heights) == {
        *(f"outdoors {kind}" for kind in ("person", "house", "tree", "car", "ball", "vase")),
        *(f"room {kind}" for kind in ("mug", "ball", "book", "vase", "bottle", "apple", "banana", "clock")),
    }
    for setting, tall, small, times in (
        ("outdoors", "person", "ball", 2.0),
        ("outdoors", "house", "person", 1.05),
        ("room", "bottle", "apple", 2.0),
        ("room", "mug", "apple", 1.05),
    ):
        assert min(heights[f"{setting} {tall}"]) > times * max(heights[f"{setting} {small}"])


def test_a_giant_is_far_larger_than_its_kind_ever_is() -> None:
    """The smallest giant is half as high again as the largest clean thing of its kind, its twin is of the usual size."""
    giants, usual = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for index in range(150):
        picture = odd(15, index, ("giant",))
        for thing, (_, y0, _, y1) in zip(picture.scene.things, picture.extents, strict=True):
            (giants if thing.flaw else usual)[f"{picture.scene.setting} {thing.kind}"].append(y1 - y0)
    assert len(giants) == 6
    for kind, heights in giants.items():
        assert min(heights) > 1.5 * max(usual[kind])


@pytest.mark.parametrize("family", ["shadow", "handle", "extra_arm", "floating"])
def test_flaws_are_in_view(family: str) -> None:
    """What tells the anomaly changes at least 40 pixels of the picture, all of them inside it."""
    for index in range(40):
        changed = np.asarray(odd(16, index, (family,)).image, int) - np.asarray(clean(16, index, (family,)).image, int)
        assert (np.abs(changed).max(-1) > 25).sum() >= 40


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
