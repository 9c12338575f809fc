"""Among servers of every dialect: no run hangs, crashes, loses a finished picture, or calls a picture clean that no answer did."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agent.direct import predict
from agent.plans import PLANS, Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from agent.simulated.dialects import DIALECTS
from dataset_builder.errors import UnavailableError
from dataset_builder.predictions import read_predictions
from dataset_builder.scenes import read_scenes, write_scenes
from dataset_builder.stored import StoredPictures
from space.endpoint import Endpoint as Page
from space.uploads import Upload
from tests.agent.dialect_outcomes import OUTCOMES, table
from tests.annotating import rows, stats, summary
from tests.clocks import faster

CLOCK = 60.0
QUOTA = 15
"""Requests per minute, which is a second here."""
PATIENCE = 120.0
"""Seconds of the fast clock for an attempt."""
BOXES = {"boxes-pixels": "pixels", "bbox-2d": "pixels", "boxes-permille": "permille", "boxes-fraction": "fraction"}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "agent.md"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("dialects") / "scenes", 6, seed=3)


@pytest.fixture(scope="module")
def large(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures, large enough for close views."""
    out = tmp_path_factory.mktemp("large") / "images"
    out.mkdir()
    for path in (scenes / "images").iterdir():
        with Image.open(path) as picture:
            picture.resize((1008, 1008)).save(out / path.name)
    return out


@pytest.fixture(scope="module")
def well(scenes: Path) -> Iterator[str]:
    """A server without a dialect."""
    with serve(scenes) as base_url:
        yield base_url


def address(base_url: str, *names: str) -> str:
    return f"{base_url}?api-version=1" if "api-version" in names else base_url


def ended(scenes: Path, run: Path) -> dict[str, bool]:
    """Of each finished picture, whether it was found odd, which is what it is; nothing else may be said of any."""
    truth = {row.image_id: bool(row.anomalies) for row in read_scenes(scenes)}
    found = {}
    for row in rows(run):
        if row["status"] in ("anomalies", "none"):
            assert (row["status"] == "anomalies") == truth[row["image_id"]], row
            found[row["image_id"]] = truth[row["image_id"]]
        else:
            assert row["failures"], row
    return found


def annotated(scenes: Path, run: Path, url: str, names: tuple[str, ...], plan: str, images: Path | None = None) -> str:
    """Annotate among a server's dialects: how it ended, with all that must hold of any end."""
    boxes: Any = next((BOXES[name] for name in names if name in BOXES), None)
    settings = Settings(plan=plan, boxes=boxes)  # type: ignore[arg-type]
    reason = None
    try:
        told = annotate(str(images or scenes / "images"), run, Endpoint("simulated", url, 8, PATIENCE), settings)
    except UnavailableError as error:
        reason, told = str(error), summary(run)
        assert "re-run to resume" in reason
        assert told["stopped"]
    finished = ended(scenes, run)
    assert len(finished) == told["anomalies"] + told["none"]
    assert (run / "report.html").is_file()
    assert json.loads((run / "candidates.json").read_text()).keys() >= finished.keys()
    if reason is not None:
        return "stops"
    return "whole" if len(finished) == len(read_scenes(scenes)) else "losses"


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_ends_as_the_table_says(name: str, scenes: Path, large: Path, well: str, tmp_path: Path) -> None:
    """Annotating, predicting and the page among a server's dialect; what was lost is made up for once the server is well."""
    ends = OUTCOMES[name].ends
    with serve(scenes, dialects=[name], clock=CLOCK, quota=QUOTA) as base_url, faster(CLOCK):
        images = large if name == "one-image" else None
        end = annotated(scenes, tmp_path / "run", address(base_url, name), (name,), "efficient", images)
        assert end == ends
        assert (
            stats(base_url)["dialects"].get(name, 0) > 0 or name == "api-version"
        )  # which shows to those who leave it out
        if ends != "stops":
            check_others(scenes, address(base_url, name), tmp_path, name)
    finished = ended(scenes, tmp_path / "run")
    if ends != "whole":
        assert annotated(scenes, tmp_path / "run", well, (), "efficient") == "whole"
        assert ended(scenes, tmp_path / "run").keys() >= finished.keys()
    if ends == "stops":  # which some do at a certain request
        with serve(scenes, dialects=[name], clock=CLOCK, quota=QUOTA) as base_url, faster(CLOCK):
            check_others(scenes, address(base_url, name), tmp_path, name)


def check_others(scenes: Path, url: str, place: Path, name: str) -> None:
    """What else asks a server: predictions, and the page."""
    check_predictions(scenes, url, place, BOXES.get(name))
    check_page(scenes, url)


def check_predictions(scenes: Path, url: str, place: Path, boxes: str | None) -> None:
    """`predict --base-url`: every picture has its row, and none is called clean that is not."""
    truth = {row.image_id: row for row in read_scenes(scenes)}
    pictures = StoredPictures(list(truth), lambda name: (scenes / "images" / name).read_bytes())
    endpoint = Endpoint("simulated", url, 8, PATIENCE)
    settings = Settings(plan="direct", boxes=boxes)  # type: ignore[arg-type]
    try:
        predict(pictures, endpoint, place / "preds.json", task="grounded", settings=settings)
    except UnavailableError:
        pass
    else:
        assert list(read_predictions(place / "preds.jsonl")) == list(truth)
    if (place / "preds.jsonl").is_file():
        for image_id, row in read_predictions(place / "preds.jsonl").items():
            assert row.status != "none" or not truth[image_id].anomalies
            if boxes and row.anomalies:
                check_boxes([one.bbox for one in row.anomalies], [one.bbox for one in truth[image_id].anomalies])


def check_boxes(found: list[Any], true: list[Any]) -> None:
    """Boxes are where the anomalies are, in pixels of the picture."""
    for box, place in zip(found, true, strict=True):
        assert box is not None
        assert all(abs(corner - corner_there) <= 3 for corner, corner_there in zip(box, place, strict=True))


def check_page(scenes: Path, url: str) -> None:
    """The page's backend: an examination at the end, of a status that its answer gives."""
    for row in read_scenes(scenes)[:2]:
        with Image.open(scenes / "images" / row.image_id) as opened:
            image = opened.convert("RGB")
        last = list(Page(url, "simulated").examine(Upload(row.image_id, image, image.size, "PNG")))[-1]
        assert last.status in ("anomalies", "none", "partial", "failed")
        assert last.status != "none" or not row.anomalies


def test_the_documented_table_is_the_suite() -> None:
    """docs/agent.md holds the table as the suite's data give it."""
    assert set(OUTCOMES) == set(DIALECTS)
    assert table() in DOCS.read_text()


@pytest.mark.soak
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_ends_as_the_table_says_in_every_plan(name: str, plan: str, scenes: Path, tmp_path: Path) -> None:
    """The same for all plans; those that make few calls may be through before a server ends."""
    with serve(scenes, dialects=[name], clock=CLOCK, quota=QUOTA) as base_url, faster(CLOCK):
        end = annotated(scenes, tmp_path / "run", address(base_url, name), (name,), plan)
    assert end in ("whole", OUTCOMES[name].ends)


MIXED = [name for name in DIALECTS if OUTCOMES[name].ends != "stops" and not name.startswith(("boxes", "bbox"))]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(60))
def test_dialects_combine(seed: int, scenes: Path, well: str, tmp_path: Path) -> None:
    """Three dialects at once in random shares: what must hold of any end holds, and once the server is well the run ends whole."""
    dice = random.Random(seed)
    names = dice.sample(MIXED, 3)
    told = [f"{name}={dice.choice((0.1, 0.3, 1.0)) * DIALECTS[name].share:g}" for name in names]
    plan = dice.choice(list(PLANS))
    with serve(scenes, dialects=told, clock=CLOCK, quota=QUOTA, seed=seed) as base_url, faster(CLOCK):
        annotated(scenes, tmp_path / "run", address(base_url, *names), (), plan)
    assert annotated(scenes, tmp_path / "run", well, (), plan) == "whole"
