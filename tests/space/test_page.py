"""The page in a real Chromium: every tab's main path, the keyboard, a telephone's width, hostile answers, dying models."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serving import Served
from tests.space.conftest import EXAMPLES
from tests.stub_endpoint import StubEndpoint

pytestmark = pytest.mark.browser

ENDED = "[data-status=anomalies], [data-status=none], [data-status=partial], [data-status=failed]"


def finding(name: str, severity: int = 20, what: str = "It hovers.", why: str = "Things fall.") -> str:
    return json.dumps({"name": name, "phenomenon": what, "reasoning": why, "severity": severity})


def send(page: Any, picture: bytes | None = None, name: str = "mine.png", tab: str = "#picture") -> None:
    picture = (EXAMPLES / "floating.png").read_bytes() if picture is None else picture
    page.locator(f"{tab} input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": picture})


def test_a_scene_from_the_gallery_is_examined_and_taken_along(open_page: Any, tiny: Served, tmp_path: Path) -> None:
    """One click gives cards with severity in words, colour and number, boxes on the picture, and three files; no verdict."""
    page = open_page(tiny)
    assert "knows rendered scenes" in page.inner_text(".ar-banner")
    page.locator("#picture [data-scene]").nth(3).click()
    page.locator("#results [data-status=anomalies]").wait_for()
    card = page.locator("#results .ar-card").first
    assert re.search(r"\d+/100", card.inner_text())
    assert card.locator(".ar-meter").get_attribute("aria-label").endswith("Low is severe.")
    assert "low is severe" in page.inner_text("#results .ar-legend")
    assert page.locator("#picture .ar-box").count() == page.locator("#results .ar-card").count()
    assert page.locator("#results .ar-verdict").count() == 0
    files = {}
    for label, ending in (("Card", "html"), ("JSON", "json"), ("Official JSON", "official.json")):
        with page.expect_download() as download:
            page.get_by_role("link", name=label, exact=True).click()
        assert download.value.suggested_filename == f"clock.{ending}"
        files[ending] = Path(download.value.path()).read_text()
    answer = json.loads(files["json"])
    assert set(answer) == {"image_id", "status", "verdict", "anomalies"}
    assert list(json.loads(files["official.json"])) == ["clock.png"]
    assert "<script" not in files["html"]
    assert answer["anomalies"][0]["phenomenon"] in files["html"]
    assert not [path for path in tiny.uploads.rglob("*") if path.is_file()], "the upload outlived its use"


def test_a_clean_scene_is_an_answer_not_an_error(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """`[]` says that nothing was found, with what that is worth, the verdict and files to take along."""
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=none]").wait_for()
    assert "Nothing found" in page.inner_text("#results")
    assert "Probably generated" in page.inner_text("#results .ar-verdict")
    assert "82 %" in page.inner_text("#results .ar-verdict")
    assert page.locator("#results .ar-downloads a").count() == 3
    assert page.locator(".ar-banner").count() == 0


def test_cards_come_one_by_one_and_nothing_above_them_moves(
    open_page: Any, endpoint: Served, stub: StubEndpoint
) -> None:
    """The first card stands, and stays where it is, while the second is being written."""
    stub.pieces, stub.delay = ["[" + finding("First"), ", ", finding("Second")[:20], finding("Second")[20:], "]"], 0.4
    page = open_page(endpoint)
    send(page)
    page.get_by_role("heading", name="First").wait_for()
    assert page.locator("#results [aria-busy=true]").count() == 1
    assert page.get_by_role("heading", name="Second").count() == 0
    page.wait_for_timeout(300)  # its arrival is animated
    before = page.locator("#results .ar-card").first.bounding_box()
    page.locator("#results [data-status=anomalies]").wait_for()
    after = page.locator("#results .ar-card").first.bounding_box()
    assert after == before
    assert page.locator("#results .ar-card").count() == 2


def test_cancel_stops_the_page_and_the_model(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Cancel answers at once, hangs up on the model, and the next picture is examined as usual."""
    stub.pieces, stub.delay = ["["] + [" " * 2000] * 400, 0.05
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=looking]").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("#results [data-status=stopped]").wait_for()
    assert stub.hung_up.wait(15), "the model went on writing"
    stub.reset()
    page.get_by_role("button", name="Examine again").click()
    page.locator("#results [data-status=none]").wait_for()


def test_a_model_that_dies_gives_a_sentence_and_a_button(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """What it had said stays; trying again works."""
    stub.pieces, stub.dies = ["[" + finding("Before the end"), ', {"name": "Cut'], True
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=partial]").wait_for()
    assert "stopped in the middle" in page.inner_text("#results [role=alert]")
    assert page.get_by_role("heading", name="Before the end").count() == 1
    stub.pieces, stub.dies = ["not an answer at all"], True
    page.get_by_role("button", name="Try again").click()
    page.locator("#results [data-status=failed]").wait_for()
    stub.reset()
    page.get_by_role("button", name="Try again").click()
    page.locator("#results [data-status=none]").wait_for()


def test_hostile_answers_are_text(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Markup, Markdown, templates, addresses, direction overrides and endless strings run nothing and break nothing."""
    attacks = [
        "<img src=x onerror='window.hit=1'>",
        "[click](javascript:window.hit=1)",
        "{{constructor.constructor('window.hit=1')()}} ${window.hit=1} `${window.hit=1}`",
        "</section></template><script>window.hit=1</script>",
        "\u202etxt.exe\u2066 evil",
        "A" * 100_000,
    ]
    stub.pieces = [json.dumps([json.loads(finding(attack[:200], 10, attack, attack[:200])) for attack in attacks])]
    page = open_page(endpoint, 390)
    send(page, name="<img src=x onerror=window.hit=1>.png")
    page.locator("#results [data-status=anomalies]").wait_for()
    assert page.locator("#results .ar-card").count() == len(attacks)
    assert page.evaluate("window.hit") is None
    text = page.inner_text("#results")
    assert "<img src=x onerror" in text
    assert "[click](javascript:" in text
    assert "{{constructor" in text
    assert "\u202e" not in text
    assert len(text) < 20_000
    assert page.locator("#results img, #results script, #results a:not([download])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    href = page.get_by_role("link", name="Card", exact=True).get_attribute("href")
    card = base64.b64decode(href.partition("base64,")[2]).decode()
    assert "<script>" not in card
    assert "<img src=x" not in card


def test_two_models_are_compared_on_one_picture(open_page: Any, tiny: Served) -> None:
    """The tab Compare shows adapter and base side by side; an untrained adapter says what its base says."""
    page = open_page(tiny)
    page.get_by_role("tab", name="Compare").click()
    page.locator("#pair [data-scene]").nth(3).click()
    for side in ("left", "right"):
        page.locator(f"#results-{side} :is({ENDED})").wait_for()
    left, right = (page.locator(f"#results-{side} .ar-cards").inner_text() for side in ("left", "right"))
    assert left == right
    assert "(base)" in page.inner_text("#results-right")


def test_the_keyboard_alone_is_enough(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Tab reaches the file field and the scenes; Enter examines one; Tab then reaches what came of it."""
    page = open_page(endpoint)
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
        if (reached[-1] or "").startswith("Scene 1"):
            break
    assert "Choose a picture" in reached
    page.keyboard.press("Enter")
    page.locator("#results [data-status=none]").wait_for()
    labels = []
    for _ in range(20):
        page.keyboard.press("Tab")
        labels.append(page.evaluate("document.activeElement.innerText"))
    assert {"Card", "JSON", "Official JSON"} <= set(labels)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits_the_width(open_page: Any, tiny: Served, width: int) -> None:
    """Nothing overflows sideways, before and after an answer, and the stage keeps its height."""
    page = open_page(tiny, width)
    height = page.locator("#picture .ar-stage").bounding_box()["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#picture [data-scene]").first.click()
    page.locator(f"#results :is({ENDED})").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#picture .ar-stage").bounding_box()["height"] == height


def test_a_file_that_is_no_picture_is_one_kind_sentence(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """And a picture that the browser cannot show is shown once it has been read."""
    page = open_page(endpoint)
    send(page, b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.hit=1'/>", "drawing.png")
    page.locator("#results [data-status=failed]").wait_for()
    assert "SVG drawing" in page.inner_text("#results [role=alert]")
    assert not stub.asked
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "TIFF")
    send(page, out.getvalue(), "scan.tiff")
    page.locator("#results [data-status=none]").wait_for()
    page.locator("#picture .ar-stage[data-state=shown]").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(browser: Any, tiny: Served, scheme: str) -> None:
    """4.5:1 for every text of the page, empty and with an answer."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(tiny.url)
    page.locator("#picture .ar-picture[data-ready=yes]").wait_for()
    poor = page.evaluate(_POOR)
    page.locator("#picture [data-scene]").first.click()
    page.locator(f"#results :is({ENDED})").wait_for()
    page.wait_for_timeout(400)
    assert poor + page.evaluate(_POOR) == []
    context.close()


# The texts of the page whose contrast with the nearest opaque ground is below 4.5:1, by WCAG's formula.
_POOR = """() => {
  const parse = (colour) => {
    const n = colour.match(/[\\d.]+/g).map(Number);
    const scale = colour.startsWith('color(') ? 255 : 1;
    return [...n.slice(0, 3).map((part) => part * scale), n[3] ?? 1];
  };
  const linear = (part) => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) => .2126 * linear(red) + .7152 * linear(green) + .0722 * linear(blue);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour[3] > .99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const poor = [];
  for (const e of document.querySelectorAll(':is(.ar-head, .ar-banner, .ar-picture, .ar-results, .ar-welcome) *')) {
    if (![...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    if (!e.checkVisibility({opacityProperty: true})) continue;
    const [more, less] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    const ratio = (more + .05) / (less + .05);
    if (ratio < 4.5) poor.push(e.className + ': ' + e.textContent.slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return poor;
}"""
