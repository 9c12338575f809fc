"""Among servers that were not built with the client: every row of the list of real servers' behaviours, alone and combined.

What must hold of any end: nothing hangs or crashes, no finished picture is lost, none is called clean that no answer called so, the
run ends early only where no picture can succeed, and what the server billed is no more than what the journal says it may have.
"""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from agent.direct import predict
from agent.journal import open_for_reading, totals
from agent.plans import Settings
from agent.run import Endpoint, annotate
from dataset_builder.boxes import iou
from dataset_builder.errors import UnavailableError
from dataset_builder.predictions import read_predictions
from dataset_builder.stored import StoredPictures
from space.endpoint import Endpoint as Page
from space.uploads import Upload
from tests.agent.other_behaviours import BEHAVIOURS
from tests.agent.other_model import PLACE, paint
from tests.agent.other_server import Behaviour, Books, serve_other
from tests.annotating import rows, summary
from tests.clocks import faster

CLOCK = 60.0
"""How much faster than the wall's the client's clock is: a minute is a second."""
PATIENCE = 120.0
"""Seconds of the fast clock for an attempt."""
AT_ONCE = 8
UNITS = {"box-permille": "permille", "box-fraction": "fraction", "box-pixels": "pixels", "box-2d": "permille"}
STOPS_WITHIN = 30
"""Requests, from the first that is refused, within which a run ends that cannot go on."""


class Painted(NamedTuple):
    """A folder of pictures, and whether each is odd, by name and in the order of a run."""

    folder: Path
    truth: dict[str, bool]

    def among(self, numbers: set[int]) -> set[str]:
        return {name for number, name in enumerate(self.truth) if number in numbers}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    folder = tmp_path_factory.mktemp("painted") / "small"
    return Painted(folder, paint(folder, 6))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    """Large enough for close views."""
    folder = tmp_path_factory.mktemp("painted") / "large"
    return Painted(folder, paint(folder, 4, (1000, 800)))


class Ended(NamedTuple):
    """How a run ended: the pictures that it finished, and why it stopped, if it did."""

    finished: set[str]
    reason: str | None


def annotated(painted: Painted, run: Path, books: Books, plan: str, boxes: Any = None) -> Ended:
    """Annotate, and check all that must hold of any end."""
    reason = None
    settings = Settings(plan=plan, boxes=boxes)  # type: ignore[arg-type]
    try:
        told = annotate(str(painted.folder), run, Endpoint("other", books.base_url, AT_ONCE, PATIENCE), settings)
    except UnavailableError as error:
        reason, told = str(error), summary(run)
        assert "run again to go on" in reason
        assert told["stopped"]
    finished = set()
    for row in rows(run):
        if row["status"] in ("anomalies", "none"):
            assert (row["status"] == "anomalies") == painted.truth[row["image_id"]], row
            finished.add(row["image_id"])
        else:
            assert row["failures"], row
    assert told["anomalies"] + told["none"] == len(finished)
    assert (run / "report.html").is_file()
    assert json.loads((run / "candidates.json").read_text()).keys() >= finished
    check_books(run, books)
    return Ended(finished, reason)


def check_books(run: Path, books: Books) -> None:
    """What may have been billed by the journal is no less than what was."""
    db = open_for_reading(run)
    spent = totals(db)
    db.close()
    assert spent.calls >= books.billed
    assert spent.prompt_tokens >= books.prompt_tokens
    assert spent.completion_tokens >= books.completion_tokens


def predicted(painted: Painted, out: Path, books: Books, boxes: Any) -> Ended:
    """`predict --base-url`: a row for every picture unless it stops, and none called clean that is not."""
    pictures = StoredPictures(list(painted.truth), lambda name: (painted.folder / name).read_bytes())
    settings, reason = Settings(plan="direct", boxes=boxes), None
    endpoint = Endpoint("other", books.base_url, AT_ONCE, PATIENCE)
    try:
        predict(pictures, endpoint, out / "preds.json", task="grounded", settings=settings)
    except UnavailableError as error:
        reason = str(error)
    finished = set()
    found = read_predictions(out / "preds.jsonl") if (out / "preds.jsonl").is_file() else {}
    assert reason or list(found) == list(painted.truth)
    for name, row in found.items():
        if row.status == "failed":
            continue
        assert bool(row.anomalies) == painted.truth[name], row
        finished.add(name)
        for anomaly in row.anomalies:
            check_box(anomaly.bbox, painted.folder / name)
    check_books(out / "preds.run", books)
    return Ended(finished, reason)


def check_box(box: Any, path: Path) -> None:
    """A box is where the square is, in pixels of the picture."""
    with Image.open(path) as picture:
        place = [share * side for share, side in zip(PLACE, picture.size * 2, strict=True)]
    assert box is not None
    assert iou(box, place) > 0.9


def examined(painted: Painted, books: Books) -> list[str]:
    """The page's statuses of two pictures, an odd and a clean one; neither is called what it is not."""
    statuses = []
    for name in list(painted.truth)[:2]:
        with Image.open(painted.folder / name) as opened:
            image, form = opened.convert("RGB"), opened.format or ""
        last = list(Page(books.base_url, "other").examine(Upload(name, image, image.size, form)))[-1]
        assert last.status in ("anomalies", "none", "partial", "failed")
        assert last.status != "none" or not painted.truth[name]
        assert not last.anomalies or painted.truth[name]
        statuses.append(last.status)
    return statuses


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_behaviour_ends_as_it_must(name: str, small: Painted, large: Painted, tmp_path: Path) -> None:
    """Annotating, and going on once the server is well; predicting; and the page."""
    one = BEHAVIOURS[name]
    painted = large if one.large else small
    wanted = set(painted.truth) - painted.among(set(one.lost))
    started = time.monotonic()
    with serve_other([one], minute=60 / CLOCK) as books, faster(CLOCK):
        ended = annotated(painted, tmp_path / "run", books, "efficient", UNITS.get(name))
        if one.ends == "stops":
            assert ended.reason
            assert books.refused <= STOPS_WITHIN
        else:
            assert ended == Ended(wanted, None)
            assert books.refused or not one.refuse or name == "api-version"
        books.well = True
        if ended.finished != set(painted.truth):
            again = annotated(painted, tmp_path / "run", books, "efficient", UNITS.get(name))
            assert again == Ended(set(painted.truth), None)
    with serve_other([one], minute=60 / CLOCK) as books, faster(CLOCK):
        ended = predicted(painted, tmp_path, books, UNITS.get(name))
        assert ended == Ended(wanted, None) or one.ends == "stops"
    with serve_other([one], minute=60 / CLOCK) as books, faster(CLOCK):
        examined(painted, books)
    assert time.monotonic() - started < 60
