"""Input that is meant to do harm, or is no file at all: refused in one sentence, without waiting and without a trace."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.review.accounts import Accounts
from dataset_builder import atomic
from dataset_builder.building.allowlists import read_allowlist
from dataset_builder.building.build import BuildError, build
from dataset_builder.building.features import FEATURES
from dataset_builder.checks.validation import validate
from dataset_builder.errors import AnomReasonError, InputError, OutputError
from dataset_builder.files.regular import read_regular
from dataset_builder.files.strict_json import read_rows
from dataset_builder.files.tree import open_tree
from dataset_builder.official import read_annotations, read_captions, read_deepfake_list, read_merged, read_split
from dataset_builder.pictures import open_picture
from dataset_builder.predictions import read_predictions
from dataset_builder.scenes import write_scenes
from dataset_builder.sources.opening import open_source
from tests.synthetic_release import write_release

READERS: list[Callable[[Path], object]] = [
    read_annotations, read_captions, read_deepfake_list, read_merged, read_split, read_predictions, read_allowlist,
    lambda path: list(read_rows(path)), open_picture, open_tree, open_source, validate, Accounts,
]  # fmt: skip


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipe into which nobody writes."""
    path = tmp_path_factory.mktemp("pipes") / "rows.jsonl"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_or_a_device_is_refused_at_once(reader: Callable[[Path], object], pipe: Path) -> None:
    """No reader waits for a pipe or reads a device that never ends."""
    for path in (pipe, Path("/dev/zero"), Path("/dev/full")):
        with pytest.raises(AnomReasonError, match=str(path)):
            reader(path)


def test_pipes_within_a_source_are_passed_over(tmp_path: Path) -> None:
    """A pipe where a record file or a picture should be is like nothing there, and is told as such."""
    release = write_release(tmp_path / "release", 8)
    picture = next(iter((release / "1_fake").iterdir()))
    picture.unlink()
    os.mkfifo(picture)
    os.mkfifo(release / "more_candidates.json")
    assert "annotations without picture" in {finding.kind for finding in validate(release).findings}
    scenes = write_scenes(tmp_path / "scenes", 4, seed=1)
    picture = next(iter((scenes / "images").iterdir()))
    picture.unlink()
    os.mkfifo(picture)
    with pytest.raises(InputError, match="not a regular file"):
        build(scenes, tmp_path / "out")


def test_a_device_is_not_replaced_by_what_is_written() -> None:
    """Writing to /dev/null by rename would make it a file."""
    with pytest.raises(OutputError, match="not a regular file"):
        atomic.write("/dev/null", "text")


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    """The size is asked first: a sparse file of terabytes costs nothing."""
    path = tmp_path / "gt.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="more than"):
        read_regular(path)
    with pytest.raises(InputError, match=r"more than 1,073,741,824 bytes"):
        read_annotations(path)


@pytest.mark.parametrize(
    "row",
    [
        {"label": 7},
        {"label": None},
        {"image_id": None},
        {"anomalies": "text"},
        {"caption": "another column"},
    ],
)
def test_a_dataset_that_is_none_of_ours_is_refused(row: dict[str, object], tmp_path: Path) -> None:
    """Other columns, and rows without what every row has, are told in words."""
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("---\n---\n")
    path = tmp_path / "data" / "train-00000-of-00001.parquet"
    columns = ["image", "image_id", "label", "generator", "anomalies"]
    values = dict.fromkeys(columns) | {"image_id": "a.jpg", "label": 1}
    pq.write_table(pa.Table.from_pylist([values], schema=FEATURES["default"].arrow_schema), path)
    assert [finding.kind for finding in validate(tmp_path).findings] == ["unreadable picture"]
    keep = row.keys() & {"label", "image_id"}
    schema = FEATURES["default"].arrow_schema if keep else None
    pq.write_table(pa.Table.from_pylist([values | row], schema=schema), path)
    with pytest.raises(InputError, match=path.name):
        validate(tmp_path)


def test_texts_that_a_page_or_a_terminal_would_obey_are_shown_as_texts(tmp_path: Path) -> None:
    """On the card, HTML, Markdown and table bars of an annotation are escaped; no file name leads out of assets/."""
    release = write_release(tmp_path / "release", 8)
    path = release / "AnomReason_After_HITL.json"
    truth = json.loads(path.read_text())
    hostile = "<script>alert(1)</script> | [x](javascript:y) ![](http://h/i.png)\n# `Title`"
    for records in truth.values():
        for record in records:
            record["Name"] = record["Observed Phenomenon"] = hostile
    path.write_text(json.dumps(truth))
    (release / "AnomReason_After_HITL_test.json").unlink()
    build(release, tmp_path / "out", recipe=None)
    card = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)[2]
    assert "<script" not in card
    assert "[x](" not in card
    assert "![](" not in card
    assert "&lt;script&gt;" in card


def test_a_bomb_among_pictures_stops_the_build_by_name(tmp_path: Path) -> None:
    """A picture file above the limit is an error that names it, and is not read."""
    release = write_release(tmp_path / "release", 8)
    picture = sorted((release / "1_fake").iterdir())[0]
    with picture.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(BuildError, match=f"{picture.name}.*are more than"):
        build(release, tmp_path / "out")
