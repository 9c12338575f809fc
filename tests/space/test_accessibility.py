"""The page for everyone: axe-core on every state in light and dark, headings and landmarks, the keyboard, motion."""

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.accessibility import serious
from tests.serving import Served
from tests.space.test_page import ENDED, finding, noise, odd_scene, send
from tests.stub_endpoint import StubEndpoint

pytestmark = pytest.mark.browser

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@SCHEMES
def test_axe_finds_nothing_serious_in_any_state(
    open_page: Any, tiny: Served, endpoint: Served, stub: StubEndpoint, scheme: str
) -> None:
    """The example, looking, answered with one card in the light, broken off, refused, unknown, compared, the snippets open."""
    look = {"color_scheme": scheme, "reduced_motion": "reduce"}
    page = open_page(endpoint, locale="de-DE", **look)
    page.locator("summary").click()
    found = {"example": serious(page)}
    hold = threading.Event()
    cards = [finding(f"At {number}", number, bbox=[10, 10, 60, 60]) for number in (5, 25, 45, 65, 95)]
    stub.pieces, stub.dies = ["[" + ", ".join(cards), hold], True
    send(page)
    page.get_by_role("heading", name="At 95").wait_for()
    found["looking"] = serious(page)
    hold.set()
    page.locator("#results [data-status=partial]").wait_for()
    page.keyboard.press("j")
    found["partial"] = serious(page)
    send(page, b"<svg/>", "drawing.png")
    page.locator("#results [data-status=failed]").wait_for()
    found["refused"] = serious(page)
    page = open_page(tiny, **look)
    send(page, noise())
    page.locator("#results [data-status=unknown]").wait_for()
    found["unknown"] = serious(page)
    page.get_by_label("side by side").check()
    page.locator("[data-scene]").first.click()
    page.locator(f"#results-2 :is({ENDED})").wait_for()
    found["compared"] = serious(page)
    assert found == {key: [] for key in found}


@SCHEMES
def test_axe_finds_nothing_serious_while_the_agent_works(
    open_page: Any, thorough: Served, scenes: Path, scheme: str
) -> None:
    """The steps of AnomAgent."""
    page = open_page(thorough, color_scheme=scheme)
    page.get_by_label("Thorough").check()
    send(page, odd_scene(scenes), f"{scheme}.png")
    page.locator("#results .ar-steps").wait_for()
    assert serious(page) == []


def test_title_headings_and_landmarks(open_page: Any, endpoint: Served) -> None:
    """One title, one first heading, no level left out, and every landmark with a name of its own."""
    page = open_page(endpoint)
    assert "AnomReason" in page.title()
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3')].filter(h => h.checkVisibility()).map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    tree = page.locator("body").aria_snapshot()
    assert all(part in tree for part in ("- banner", "- main", "- contentinfo", 'region "The picture"'))


def test_findings_are_stepped_through_by_key(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """`j` and `k` move the focus from card to card; the picture is dark but for the card's box; Escape is not needed."""
    stub.pieces = ["[" + ", ".join(finding(f"No. {n}", n, bbox=[10 * n, 20, 10 * n + 9, 60]) for n in (1, 2, 3)) + "]"]
    page = open_page(endpoint, reduced_motion="reduce")
    send(page)
    page.locator("#results [data-status=anomalies]").wait_for()
    focused = "document.activeElement.querySelector('h3')?.innerText"
    seen = []
    for key in "jjjjk":
        page.keyboard.press(key)
        lit = page.locator(".ar-box.on")
        assert lit.count() == 1
        seen.append((page.evaluate(focused), lit.get_attribute("data-number")))
    assert seen == [("No. 1", "0:1"), ("No. 2", "0:2"), ("No. 3", "0:3"), ("No. 3", "0:3"), ("No. 2", "0:2")]
    page.locator("h1").hover()
    page.evaluate("document.activeElement.blur()")
    assert page.locator(".ar-box.on").count() == 0


@SCHEMES
def test_focus_is_seen(open_page: Any, endpoint: Served, scheme: str) -> None:
    """Everything that Tab reaches has an outline of at least two pixels that stands out 3:1 from the page."""
    page = open_page(endpoint, color_scheme=scheme)
    unseen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        poor = page.evaluate(_UNSEEN)
        unseen += [poor] if poor else []
    assert unseen == []


# What has the focus, if its outline, or that of the label around it, is thin or faint.
_UNSEEN = """() => {
  const light = (colour) => {
    const n = colour.match(/[\\d.]+/g).map(Number);
    const linear = (part) => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
    return .2126 * linear(n[0]) + .7152 * linear(n[1]) + .0722 * linear(n[2]);
  };
  const element = document.activeElement;
  if (element === document.body) return null;
  const ring = getComputedStyle(element.closest('.ar-drop') || element);
  const ground = light(getComputedStyle(document.documentElement).backgroundColor);
  const [more, less] = [light(ring.outlineColor), ground].sort((a, b) => b - a);
  const seen = ring.outlineStyle !== 'none' && parseFloat(ring.outlineWidth) >= 2 && (more + .05) / (less + .05) >= 3;
  return seen ? null : element.outerHTML.slice(0, 120);
}"""


def test_motion_stops_for_whoever_wants_none(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Nothing on the page is animated while it waits."""
    hold = threading.Event()
    stub.pieces = [hold, "[]"]
    page = open_page(endpoint, reduced_motion="reduce")
    send(page)
    page.locator("#results [data-status=looking]").wait_for()
    moving = "[...document.querySelectorAll('*')].filter(e => e.getAnimations({subtree: true}).length).length"
    assert page.evaluate(moving) == 0
    hold.set()
