"""Sources: folders, lists, datasets built here and on the Hub, and a hundred thousand names."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from agent.sources import Listed, open_source
from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.stored import _streamed
from tests.loopback_hub import LoopbackHub
from tests.processes import run_python


def picture(path: Path, colour: str = "teal") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def names(source: object, run: Path, limit: int | None = None) -> list[str]:
    return [item.image_id for item in open_source(str(source), run, limit).pictures]


def test_a_folder_is_read_sorted_by_path(tmp_path: Path) -> None:
    """Pictures of all folders below, in the order of their paths; what is hidden or no picture is passed over."""
    for name in (
        "b.png",
        "a/z.PNG",
        "a.png",
        "a/deep/c.jpg",
        "a0.webp",
        ".hidden/x.png",
        ".y.png",
        "a/notes.png/d.png",
    ):
        picture(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    opened = open_source(str(tmp_path / "photos"), tmp_path / "run", None)
    listed = list(opened.pictures)
    paths = [item.path.relative_to(tmp_path / "photos").as_posix() for item in listed]
    assert paths == sorted(paths) == ["a.png", "a/deep/c.jpg", "a/notes.png/d.png", "a/z.PNG", "a0.webp", "b.png"]
    assert opened.total == 6
    assert opened.images == tmp_path / "photos"
    assert not (tmp_path / "run").exists()
    assert names(tmp_path / "photos", tmp_path / "run", 2) == ["a.png", "c.jpg"]
    assert open_source(str(tmp_path / "photos"), tmp_path / "run", 2).total == 2


def test_two_pictures_of_one_name_are_told(tmp_path: Path) -> None:
    """The error names both paths, before any call."""
    picture(tmp_path / "a" / "x.png")
    picture(tmp_path / "b" / "x.png")
    with pytest.raises(InputError, match=r"b/x\.png.* and .*a/x\.png.* have the same file name"):
        open_source(str(tmp_path), tmp_path / "run", None)


def test_a_list_of_files_keeps_its_order(tmp_path: Path) -> None:
    """Paths count from the list's folder; blank lines and repeated paths are passed over; the run gets links to the files."""
    picture(tmp_path / "photos" / "b.png")
    picture(tmp_path / "other" / "a.png")
    listing = tmp_path / "list.txt"
    listing.write_text(f"photos/b.png\n\n{tmp_path}/other/a.png\nphotos/../photos/b.png\nphotos/gone.png\n")
    opened = open_source(str(listing), tmp_path / "run", None)
    assert (opened.total, opened.images) == (3, None)
    images = tmp_path / "run" / "images"
    assert list(opened.pictures) == [
        Listed("b.png", images / "b.png"),
        Listed("a.png", images / "a.png"),
        Listed("gone.png", tmp_path / "photos" / "gone.png"),
    ]
    assert sorted(path.name for path in images.iterdir()) == ["a.png", "b.png"]
    picture(tmp_path / "photos" / "b.png", "red")
    list(open_source(str(listing), tmp_path / "run", None).pictures)
    assert (images / "b.png").read_bytes() == (tmp_path / "photos" / "b.png").read_bytes()
    listing.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read as a list"):
        open_source(str(listing), tmp_path / "run", None)
    listing.write_text("\n")
    with pytest.raises(InputError, match="holds no pictures"):
        open_source(str(listing), tmp_path / "run", None)


def test_one_picture_is_a_source(tmp_path: Path) -> None:
    """A picture's path is a run of one."""
    assert names(picture(tmp_path / "x.png"), tmp_path / "run") == ["x.png"]


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    """An empty folder, a path that is not there, and a name no file system can hold in a dataset."""
    with pytest.raises(InputError, match="holds no pictures"):
        open_source(str(tmp_path), tmp_path / "run", None)
    with pytest.raises(InputError, match="does not exist"):
        open_source(str(tmp_path / "none"), tmp_path / "run", None)
    os.rename(picture(tmp_path / "half" / "x.png"), os.fsencode(tmp_path / "half") + b"/\xff.png")
    with pytest.raises(InputError, match="half a character"):
        open_source(str(tmp_path / "half"), tmp_path / "run", None)
    picture(tmp_path / "slash" / "a\\b.png")
    with pytest.raises(InputError, match="backslash"):
        open_source(str(tmp_path / "slash"), tmp_path / "run", None)


def test_a_built_dataset_is_copied_into_the_run(dataset: Path, scenes: Path, tmp_path: Path) -> None:
    """All its pictures, byte for byte, below the run's `images/`; copied again only where something differs."""
    opened = open_source(str(dataset), tmp_path / "run", None)
    assert opened.images is None
    listed = list(opened.pictures)
    assert sorted(item.image_id for item in listed) == sorted(path.name for path in (scenes / "images").iterdir())
    for item in listed:
        assert item.path == tmp_path / "run" / "images" / item.image_id
        assert item.path.read_bytes() == (scenes / "images" / item.image_id).read_bytes()
    first, second = listed[0].path, listed[1].path
    first.write_bytes(b"x" * first.stat().st_size)
    before = second.stat().st_mtime_ns
    list(open_source(str(dataset), tmp_path / "run", None).pictures)
    assert first.read_bytes() == (scenes / "images" / first.name).read_bytes()
    assert second.stat().st_mtime_ns == before


def test_a_dataset_on_the_hub_is_read_by_its_id(dataset: Path, scenes: Path, tmp_path: Path) -> None:
    """A Hub id gives the same pictures as the directory; without `image_id`, names tell split and row."""
    with LoopbackHub() as hub:
        told = run_python(
            f"""
import datasets, huggingface_hub, json
from pathlib import Path
from agent.sources import open_source
huggingface_hub.create_repo("me/scenes", repo_type="dataset")
huggingface_hub.upload_folder(repo_id="me/scenes", repo_type="dataset", folder_path={str(dataset)!r})
listed = [(item.image_id, len(item.path.read_bytes())) for item in open_source("me/scenes", Path("run"), 6).pictures]
files = sorted(Path({str(scenes)!r}, "images").iterdir())[:3]
pictures = [{{"image": {{"bytes": file.read_bytes(), "path": None}}}} for file in files]
rows = datasets.Dataset.from_list(pictures, features=datasets.Features(image=datasets.Image()))
datasets.DatasetDict(train=rows, test=rows).push_to_hub("me/plain")
plain = [item.image_id for item in open_source("me/plain", Path("plain"), None).pictures]
try:
    open_source("me/none", Path("run"), None)
except ValueError as error:
    none = str(error)
print(json.dumps([listed, plain, none]))
""",
            tmp_path,
            **hub.environment,
            HF_HOME=str(tmp_path / "cache"),
        )
    listed, plain, error = told
    assert len(listed) == 6
    assert dict(listed) == {name: (scenes / "images" / name).stat().st_size for name, _ in listed}
    assert plain == [f"{split}_{number:06d}.png" for split in ("train", "test") for number in range(3)]
    assert error.startswith("me/none: is not a directory, and no dataset of that name can be reached")


def test_a_hundred_thousand_names_cost_little(tmp_path: Path) -> None:
    """Opened within seconds, and the memory is that of the names: less than 40 MiB, which a few decoded photographs take."""
    for folder in range(100):
        place = tmp_path / "many" / f"{folder:03d}"
        place.mkdir(parents=True)
        for number in range(1000):
            os.close(os.open(place / f"a_picture_with_a_longer_name_{folder:03d}_{number:04d}.png", os.O_CREAT))
    total, seconds, mebibytes = run_python(
        f"""
import json, resource, time
from pathlib import Path
from agent.sources import open_source
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = peak(), time.process_time()
opened = open_source({str(tmp_path / "many")!r}, Path("run"), None)
first = next(opened.pictures)
print(json.dumps([opened.total, time.process_time() - started, peak() - before]))
""",
        tmp_path,
    )
    assert total == 100_000
    assert seconds < 20
    assert mebibytes < 40


def test_a_dataset_that_breaks_off_is_told(tmp_path: Path) -> None:
    """What goes wrong while rows are streamed, whatever it is, becomes one sentence that says how to go on."""

    def rows() -> Iterator[dict[str, Any]]:
        yield {"image": {"bytes": b"x", "path": "a.png"}}
        raise ConnectionResetError("reset by peer")

    features = datasets.Features(image=datasets.Image(decode=False))
    stream = datasets.IterableDatasetDict(train=datasets.IterableDataset.from_generator(rows, features=features))
    pictures = _streamed("me/photos", stream)
    assert next(pictures) == ("a.png", b"x")
    with pytest.raises(
        UnavailableError, match=r"me/photos: cannot be read further \(.*reset by peer.*\); re-run to resume"
    ):
        next(pictures)
