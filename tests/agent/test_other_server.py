"""Among servers that were not built with the client: every row of the list of real servers' behaviours, alone and combined.

What must hold of any end: nothing hangs or crashes, no finished picture is lost, none is called clean that no answer called so, the
run ends early only where no picture can succeed, and what the server billed is no more than what the journal says it may have.
"""

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from agent.direct import predict
from agent.journal_files import open_for_reading
from agent.journal_rows import totals
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
from tests.agent.other_refusals import REFUSALS
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

    def without(self, numbers: frozenset[int]) -> set[str]:
        return {name for number, name in enumerate(self.truth) if number not in numbers}


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Painted]:
    """Pictures for every behaviour: small ones, large ones that have close views, and heavy files."""
    place = tmp_path_factory.mktemp("painted")
    sizes: dict[str, Any] = {"small": (5, (160, 120)), "large": (4, (1000, 800)), "heavy": (3, (320, 240), 12)}
    return {name: Painted(place / name, paint(place / name, *size)) for name, size in sizes.items()}


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
        assert "re-run to resume" in reason
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


FIRST = {one.row: one for one in reversed(BEHAVIOURS.values())}
"""One behaviour of each row; `make soak` has all of them."""


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, id=one.name, marks=() if FIRST[one.row] is one else pytest.mark.soak)
        for one in BEHAVIOURS.values()
    ],
)
def test_a_behaviour_ends_as_it_must(one: Behaviour, painted: dict[str, Painted], tmp_path: Path) -> None:
    """Annotating, and going on once the server is well; and the page."""
    pictures, boxes = painted[one.pictures], UNITS.get(one.name)
    with serve_other([one], minute=60 / CLOCK) as books, faster(CLOCK):
        ended = annotated(pictures, tmp_path / "run", books, "efficient", boxes)
        if one.ends == "stops":
            assert ended.reason
            assert books.refused <= STOPS_WITHIN
        else:
            assert ended == Ended(pictures.without(one.lost), None)
            assert books.refused or not one.refuse or one.address
        books.well = True
        if ended.finished != set(pictures.truth):
            again = annotated(pictures, tmp_path / "run", books, "efficient", boxes)
            assert again == Ended(set(pictures.truth), None)
    with serve_other([one], minute=60 / CLOCK) as books, faster(CLOCK):
        examined(pictures, books)


@pytest.mark.parametrize("one", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_behaviour_ends_predictions_as_it_must(one: Behaviour, painted: dict[str, Painted], tmp_path: Path) -> None:
    """The same for `predict --base-url`, with boxes."""
    pictures = painted[one.pictures]
    with serve_other([one], minute=60 / CLOCK) as books, faster(CLOCK):
        ended = predicted(pictures, tmp_path, books, UNITS.get(one.name))
    assert ended == Ended(pictures.without(one.lost), None) or one.ends == "stops"


@pytest.mark.parametrize(
    ("model", "name"),
    [("other", "prose"), ("qwen2.5-vl", "box-pixels"), ("qwen3-vl", "box-permille"), ("llava", "box-fraction")],
)
def test_the_page_reads_boxes_as_a_model_s_family_gives_them(
    model: str, name: str, painted: dict[str, Painted]
) -> None:
    """In pixels of the picture as it was uploaded, which was twice as large as what is sent."""
    odd = next(iter(painted["small"].truth))
    with Image.open(painted["small"].folder / odd) as opened:
        image = opened.convert("RGB")
    with serve_other([BEHAVIOURS[name]]) as books:
        size = (2 * image.width, 2 * image.height)
        last = list(Page(books.base_url, model, boxes=True).examine(Upload(odd, image, size, "PNG")))[-1]
    assert last.status == "anomalies"
    assert last.anomalies[0].bbox == pytest.approx(
        [share * side for share, side in zip(PLACE, size * 2, strict=True)], abs=2
    )


@pytest.mark.soak
@pytest.mark.parametrize("plan", ["paper", "vote", "direct"])
@pytest.mark.parametrize("one", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_behaviour_ends_every_plan_as_it_must(
    one: Behaviour, plan: str, painted: dict[str, Painted], tmp_path: Path
) -> None:
    """Other plans; those that make few calls may be through before a server ends."""
    pictures = painted[one.pictures]
    with serve_other([one], minute=60 / CLOCK) as books, faster(CLOCK):
        ended = annotated(pictures, tmp_path / "run", books, plan, UNITS.get(one.name))
    assert ended.reason if one.ends == "stops" and books.refused else ended.reason is None
    assert one.ends == "stops" or ended.finished == pictures.without(one.lost)


def drawn(seed: int) -> list[Behaviour]:
    """What a server refuses, how its model speaks, and how it sends: one behaviour of each, or two of the last."""
    dice = random.Random(seed)
    going = [one for one in BEHAVIOURS.values() if one.ends != "stops" and not one.box and not one.address]
    refusing = [one for one in going if one in REFUSALS]
    speaking = [one for one in going if one.phrase or (one.shape and one.row < 15)]
    sending = [one for one in going if one not in refusing and one not in speaking]
    return [dice.choice(refusing), dice.choice(speaking), *dice.sample(sending, dice.randint(1, 2))]


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 80))])
def test_behaviours_combine(seed: int, painted: dict[str, Painted], tmp_path: Path) -> None:
    """Whatever comes together: only those pictures are lost that one of them refuses, and they are made up for afterwards."""
    behaviours = drawn(seed)
    pictures = painted[next((one.pictures for one in behaviours if one.pictures != "small"), "small")]
    lost = frozenset[int]().union(*(one.lost for one in behaviours))
    plan = random.Random(seed).choice(["efficient", "vote", "paper", "direct"])
    with serve_other(behaviours, seed=seed, minute=60 / CLOCK) as books, faster(CLOCK):
        assert annotated(pictures, tmp_path / "run", books, plan) == Ended(pictures.without(lost), None), behaviours
        books.well = True
        assert annotated(pictures, tmp_path / "run", books, plan) == Ended(set(pictures.truth), None)
