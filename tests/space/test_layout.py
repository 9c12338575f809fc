"""Where things are: the picture beside the cards however long they are, the answer on a phone, numbers beside their boxes."""

import json
import random
import urllib.request
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.serving import Served
from tests.space.test_page import finding, send
from tests.stub_endpoint import StubEndpoint

pytestmark = pytest.mark.browser


def many(count: int) -> str:
    """So many findings at places drawn by a fixed seed, as a model writes them."""
    dice = random.Random(3)
    found = []
    for number in range(count):
        x, y = dice.randint(0, 140), dice.randint(0, 140)
        box = [x, y, x + dice.randint(8, 28), y + dice.randint(8, 28)]
        found.append(json.loads(finding(f"Thing {number}", dice.randint(0, 100), bbox=box)))
    return json.dumps(found)


@pytest.mark.parametrize("width", [1440, 820, 390])
def test_the_picture_stays_in_view_while_the_cards_scroll(
    open_page: Any, endpoint: Served, stub: StubEndpoint, width: int
) -> None:
    """All of it, at the last card too; on a phone it leaves most of the screen to the cards."""
    stub.pieces = [many(12)]
    page = open_page(endpoint, width)
    send(page)
    page.locator("#results [data-status=anomalies]").wait_for()
    page.locator("#results .ar-card").last.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    place = page.locator(".ar-stage").bounding_box()
    assert page.evaluate("scrollY") > 500
    assert place["y"] >= 0
    assert place["y"] + place["height"] <= 900
    assert width > 390 or place["height"] <= 0.45 * 900


def test_on_a_phone_the_answer_comes_into_view(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Without a finger: the first card is on the screen."""
    stub.pieces = [many(3)]
    page = open_page(endpoint, 390, viewport={"width": 390, "height": 844})
    send(page)
    page.locator("#results [data-status=anomalies]").wait_for()
    card = page.locator("#results .ar-card").first.bounding_box()
    assert 0 <= card["y"] < 600


def test_forty_boxes_can_be_read(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Each has a number, most severe first; no number covers another, nearly all lie outside their boxes, all on the picture."""
    stub.pieces = [many(40)]
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=anomalies]").wait_for()
    read = """(name) => [...document.querySelectorAll(name)].map(e => {
      const r = e.getBoundingClientRect(); return {n: e.dataset.number, x: r.x, y: r.y, r: r.right, b: r.bottom}; })"""
    labels, frames = page.evaluate(read, ".ar-label"), page.evaluate(read, ".ar-box")
    assert len(labels) == len(frames) == 40

    def cover(one: dict[str, float], other: dict[str, float]) -> bool:
        across = one["x"] < other["r"] - 1 and other["x"] < one["r"] - 1
        return across and one["y"] < other["b"] - 1 and other["y"] < one["b"] - 1

    assert not [(a["n"], b["n"]) for at, a in enumerate(labels) for b in labels[at + 1 :] if cover(a, b)]
    inside = [label["n"] for label, frame in zip(labels, frames, strict=True) if cover(label, frame)]
    assert len(inside) <= 4
    levels = [int(text.split("/")[0]) for text in page.locator(".ar-level strong").all_inner_texts()]
    assert levels == sorted(levels)


def test_pointing_at_a_card_darkens_the_rest_and_cards_show_their_places(
    open_page: Any, endpoint: Served, stub: StubEndpoint
) -> None:
    """One box is left in the light; each card has a close view that is drawn."""
    stub.pieces = [many(3)]
    page = open_page(endpoint, reduced_motion="reduce")
    send(page)
    page.locator("#results [data-status=anomalies]").wait_for()
    page.locator("#results .ar-card").nth(1).hover()
    assert page.locator(".ar-box.on").get_attribute("data-number") == "0:2"
    assert page.locator(".ar-box:not(.on)").first.evaluate("e => getComputedStyle(e).opacity") == "0"
    drawn = """[...document.querySelectorAll('.ar-crop')].map(c =>
      c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[3])"""
    assert page.evaluate(drawn) == [255] * 3


def test_the_picture_is_zoomed_and_moved(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """By buttons, by dragging and by arrow keys; boxes go with it; the whole picture comes back."""
    stub.pieces = [many(1)]
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=anomalies]").wait_for()
    frame = page.locator(".ar-frame")
    before = frame.bounding_box()
    page.get_by_role("button", name="Zoom in").click()
    nearer = frame.bounding_box()
    assert nearer["width"] == pytest.approx(1.5 * before["width"], abs=1)
    stage = page.locator(".ar-stage").bounding_box()
    page.mouse.move(stage["x"] + 200, stage["y"] + 200)
    page.mouse.down()
    page.mouse.move(stage["x"] + 240, stage["y"] + 230)
    page.mouse.up()
    assert frame.bounding_box()["x"] == pytest.approx(nearer["x"] + 40, abs=1)
    page.get_by_role("button", name="Zoom in").focus()
    page.keyboard.press("ArrowRight")
    assert frame.bounding_box()["x"] == pytest.approx(nearer["x"], abs=1)
    page.get_by_role("button", name="Show all of the picture").click()
    assert frame.bounding_box() == before


def test_a_link_has_a_preview(endpoint: Served) -> None:
    """Title, description, and a picture that is there, large enough for those who show such previews."""

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: dict[str, str] = {}

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            given = dict(attrs)
            if tag == "meta":
                self.found[given.get("property") or given.get("name") or ""] = given.get("content", "")

    reader = Reader()
    reader.feed(urllib.request.urlopen(endpoint.url).read().decode())
    assert "defies logic" in reader.found["og:title"]
    assert len(reader.found["og:description"]) > 40
    assert reader.found["description"] == reader.found["og:description"]
    assert reader.found["twitter:card"] == "summary_large_image"
    from PIL import Image

    with Image.open(urllib.request.urlopen(reader.found["og:image"])) as preview:
        assert preview.width >= 1200
        assert preview.height >= 600
