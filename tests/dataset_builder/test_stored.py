"""The pictures of a split, whether they are embedded in its rows or lie in files that the rows name."""

import json
import shutil
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

from agent.simulated import serve
from agent.sources import open_source
from dataset_builder.errors import InputError, PictureError
from dataset_builder.predictions import Prediction, read_predictions
from dataset_builder.scenes import read_scenes
from dataset_builder.stored import _content, open_split
from tests.commands import run_command
from tests.trainer.test_predict import Silent
from trainer.predict import predict_dataset


@pytest.fixture(scope="module")
def folder(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures as `load_dataset` reads a folder: by path, without a column `image_id`."""
    root = tmp_path_factory.mktemp("photos") / "folder"
    for row in read_scenes(scenes)[:4]:
        place = root / "test" / ("odd" if row.anomalies else "clean") / row.image_id
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(scenes / "images" / row.image_id, place)
    return root


def names(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*.png")}


def test_pictures_by_path_are_named_by_their_files(folder: Path, scenes: Path) -> None:
    """And hold what these hold; a class chooses among them by its name."""
    pictures = open_split(str(folder), "test")
    assert set(pictures.ids) == names(folder)
    assert all(pictures.content(name) == (scenes / "images" / name).read_bytes() for name in pictures.ids)
    assert set(open_split(str(folder), "test", where={"label": "odd"}).ids) == names(folder / "test" / "odd")


def test_a_folder_of_pictures_is_predicted_here_and_through_a_server(
    folder: Path, scenes: Path, tmp_path: Path
) -> None:
    """Both ways read the same dataset and end with a row per picture."""
    with serve(scenes) as base_url:
        options = ("--base-url", base_url, "--model", "simulated", "--split", "test", "--out", tmp_path / "served.json")
        done = run_command("predict", "--dataset", folder, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert predict_dataset(str(folder), "test", None, "tiny", None, 4, tmp_path / "here.json", Silent()) == (0, 0)
    served, here = (read_predictions(tmp_path / name) for name in ("served.jsonl", "here.jsonl"))
    assert set(served) == set(here) == names(folder)
    assert any(one.anomalies for one in served.values())


def test_a_file_that_is_gone_is_a_failed_row_here_and_through_a_server(scenes: Path, tmp_path: Path) -> None:
    """One lost picture is told with its name and ends no run."""
    rows = read_scenes(scenes)[:2]
    listed = [{"image": str(scenes / "images" / row.image_id), "image_id": row.image_id} for row in rows]
    gone = [{"image": str(tmp_path / "gone.png"), "image_id": "gone.png"}]
    features = datasets.Features(image=datasets.Image(), image_id=datasets.Value("string"))
    table = datasets.Dataset.from_list(listed + gone, features=features)
    (tmp_path / "by_path").mkdir()
    pq.write_table(table.data.table, tmp_path / "by_path" / "test.parquet")  # `to_parquet` would embed them
    pictures = open_split(str(tmp_path / "by_path"), "test")
    with pytest.raises(PictureError, match=r'"gone\.png" cannot be read \(No such file'):
        pictures.content("gone.png")
    predict_dataset(str(tmp_path / "by_path"), "test", None, "tiny", None, 4, tmp_path / "here.json", Silent())
    with serve(scenes) as base_url:
        options = ("--base-url", base_url, "--model", "simulated", "--out", tmp_path / "served.json")
        done = run_command("predict", "--dataset", tmp_path / "by_path", *options, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    for file in ("here.jsonl", "served.jsonl"):
        lost: list[Prediction] = [one for one in read_predictions(tmp_path / file).values() if one.status == "failed"]
        assert [one.image_id for one in lost] == ["gone.png"], file
        assert "cannot be read" in json.dumps(lost[0].model_dump()), file


def test_two_pictures_of_one_name_are_told(folder: Path, tmp_path: Path) -> None:
    """Predictions are kept by name: two of one name would be one."""
    shutil.copytree(folder, tmp_path / "twice")
    one = next((tmp_path / "twice").rglob("*.png"))
    (tmp_path / "twice" / "test" / "other").mkdir()
    shutil.copy(one, tmp_path / "twice" / "test" / "other" / one.name)
    with pytest.raises(InputError, match="appears more than once; remove the duplicates"):
        open_split(str(tmp_path / "twice"), "test")


def test_a_dataset_from_elsewhere_names_no_file_of_its_reader(tmp_path: Path) -> None:
    """A row of a dataset on the Hub that points at somebody's own picture is refused; in a dataset here it is the owner's wish."""
    mine = tmp_path / "private.png"
    mine.write_bytes(b"mine")
    row = {"bytes": None, "path": str(mine)}
    with pytest.raises(PictureError, match="lies outside the dataset"):
        _content("me/photos", "private.png", row)
    assert _content(str(tmp_path), "private.png", row) == b"mine"


def test_what_is_no_split_of_pictures_is_told(dataset: Path, tmp_path: Path) -> None:
    """One form of the error for every reader: the dataset, the split, the reason, the fix."""
    for place, split in ((str(tmp_path / "nothing"), "test"), (str(dataset), "validation")):
        with pytest.raises(
            InputError, match=r"\[(test|validation)\]: cannot be loaded \(.*; give the directory of a built dataset"
        ):
            open_split(place, split)
    (tmp_path / "texts").mkdir()
    datasets.Dataset.from_dict({"image": ["a cup"]}).to_parquet(tmp_path / "texts" / "test.parquet")
    with pytest.raises(InputError, match="its column image holds no pictures"):
        open_split(str(tmp_path / "texts"), "test")


def test_annotate_reads_a_build_whatever_the_configuration(dataset: Path, scenes: Path, tmp_path: Path) -> None:
    """All its pictures, those of `deepfake` alone among them."""
    listed = {one.image_id for one in open_source(str(dataset), tmp_path / "run").pictures}
    assert listed == {path.name for path in (scenes / "images").iterdir()}
