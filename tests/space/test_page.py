"""The page in a real Chromium: every tab's main path, the keyboard, a telephone's width, hostile answers, dying models."""

import base64
import io
import json
import re
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from dataset_builder.scenes import read_scenes
from tests.serving import Served
from tests.space.conftest import EXAMPLES
from tests.stub_endpoint import StubEndpoint

pytestmark = pytest.mark.browser

ENDED = "[data-status=anomalies], [data-status=none], [data-status=partial], [data-status=failed]"


def finding(name: str, severity: int = 20, what: str = "It hovers.", why: str = "Things fall.", **more: Any) -> str:
    return json.dumps({"name": name, "phenomenon": what, "reasoning": why, "severity": severity} | more)


def send(page: Any, picture: bytes | None = None, name: str = "mine.png", tab: str = "#picture") -> None:
    picture = (EXAMPLES / "floating.png").read_bytes() if picture is None else picture
    page.locator(f"{tab} input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": picture})


def noise() -> bytes:
    """A picture that the tiny model does not know."""
    out = io.BytesIO()
    Image.effect_noise((300, 200), 90).convert("RGB").save(out, "PNG")
    return out.getvalue()


def odd_scene(scenes: Path) -> bytes:
    """The picture of a scene with an anomaly."""
    row = next(row for row in read_scenes(scenes) if row.anomalies)
    return (scenes / "images" / row.image_id).read_bytes()


def test_a_scene_from_the_gallery_is_examined_by_the_tiny_model(open_page: Any, tiny: Served) -> None:
    """One click gives an answer without a verdict, under the banner; the upload is gone."""
    page = open_page(tiny)
    assert "knows rendered scenes" in page.inner_text(".ar-banner")
    page.locator("#picture [data-scene]").nth(3).click()
    page.locator(f"#results :is({ENDED})").wait_for()
    assert page.locator("#results .ar-verdict").count() == 0
    assert not [path for path in tiny.uploads.rglob("*") if path.is_file()], "the upload outlived its use"


def test_a_picture_that_the_model_does_not_know_is_told_calmly(open_page: Any, tiny: Served) -> None:
    """A card that says so and what to use instead, no alarm, nothing to try again or to take along."""
    page = open_page(tiny)
    send(page, noise())
    page.locator("#results [data-status=unknown]").wait_for()
    told = page.inner_text("#results")
    assert "I do not know pictures like this" in told
    assert all(way in told for way in ("Qwen2.5-VL", "--base-url", "AnomAgent"))
    assert page.locator("#results :is([role=alert], [data-again], .ar-downloads, .ar-verdict)").count() == 0


def test_an_answer_is_cards_and_boxes_and_files_to_take_along(
    open_page: Any, endpoint: Served, stub: StubEndpoint
) -> None:
    """Severity in words, colour and number, a box on the picture, and three files that say the same."""
    stub.pieces = ["[" + finding("Hovering banana", 12, bbox=[10, 20, 60, 90]) + "]"]
    page = open_page(endpoint)
    page.locator("#picture [data-scene]").nth(3).click()
    page.locator("#results [data-status=anomalies]").wait_for()
    card = page.locator("#results .ar-card").first
    assert "12/100" in card.inner_text()
    assert "completely irrational" in card.inner_text()
    label = card.locator(".ar-meter").get_attribute("aria-label")
    assert re.fullmatch(r"Severity 12 of 100: completely irrational\. Low is severe\.", label)
    assert "low is severe" in page.inner_text("#results .ar-legend")
    page.locator("#picture .ar-box").wait_for()
    frame, box = (page.locator(f"#picture {one}").bounding_box() for one in (".ar-frame", ".ar-box"))
    assert box["x"] - frame["x"] == pytest.approx(10 / 168 * frame["width"], abs=2)
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


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(open_page: Any, endpoint: Served, stub: StubEndpoint, way: str) -> None:
    """Both are as good as choosing a file."""
    page = open_page(endpoint)
    content = base64.b64encode((EXAMPLES / "floating.png").read_bytes()).decode()
    page.evaluate(
        """async ([way, content]) => {
          const picture = await (await fetch("data:image/png;base64," + content)).blob();
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([picture], way + "ped.png", {type: "image/png"}));
          const about = {bubbles: true, cancelable: true};
          if (way === "paste") document.body.dispatchEvent(new ClipboardEvent("paste", {...about, clipboardData: dataTransfer}));
          else document.querySelector("#picture .ar-stage").dispatchEvent(new DragEvent("drop", {...about, dataTransfer}));
        }""",
        [way, content],
    )
    page.locator("#results [data-status=none]").wait_for()
    assert page.locator("#picture img").first.get_attribute("alt") == f"The picture {way}ped.png"
    assert len(stub.asked) == 2


def test_nothing_stays_in_the_browser(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Neither picture nor answer: who uses the computer next finds nothing."""
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=none]").wait_for()
    page.reload()
    page.locator("#picture .ar-picture[data-ready=yes]").wait_for()
    kept = "async () => JSON.stringify([await indexedDB.databases(), {...localStorage}, {...sessionStorage}])"
    assert "mine" not in page.evaluate(kept)
    assert "runs" not in page.evaluate(kept)


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


@pytest.mark.parametrize("width", [390, 1440])
def test_cards_come_one_by_one_and_nothing_above_them_moves(
    open_page: Any, endpoint: Served, stub: StubEndpoint, width: int
) -> None:
    """The first card stands, and stays where it is with all above it, while the second is written and the answer ends."""
    second, end = threading.Event(), threading.Event()
    stub.pieces = ["[" + finding("First"), second, ", " + finding("Second"), end, "]"]
    page = open_page(endpoint, width, reduced_motion="reduce")
    places = page.locator("#picture .ar-stage, #picture .ar-gallery, #results h2, #results .ar-card:first-child")
    send(page)
    page.get_by_role("heading", name="First").wait_for()
    page.locator("#picture .ar-stage[data-state=shown]").wait_for()
    assert page.locator("#results [aria-busy=true]").count() == 1
    assert page.get_by_role("heading", name="Second").count() == 0
    before = [place.bounding_box() | {"width": 0} for place in places.all()]
    assert len(before) == 4
    second.set()
    page.get_by_role("heading", name="Second").wait_for()
    assert [place.bounding_box() | {"width": 0} for place in places.all()] == before
    end.set()
    page.locator("#results [data-status=anomalies]").wait_for()
    assert [place.bounding_box() | {"width": 0} for place in places.all()] == before
    assert page.locator("#results .ar-card").count() == 2


@pytest.mark.parametrize("leave", ["cancel", "close"])
def test_whoever_cancels_or_leaves_stops_the_model(
    open_page: Any, endpoint: Served, stub: StubEndpoint, leave: str
) -> None:
    """It hangs up on a model that still writes, long before that ends; after Cancel the next picture is examined as usual."""
    stub.pieces, stub.delay = ["["] + [" "] * 3000, 0.05
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=looking]").wait_for()
    if leave == "close":
        page.close()
    else:
        page.get_by_role("button", name="Cancel").click()
        page.locator("#results [data-status=stopped]").wait_for()
    assert stub.hung_up.wait(60), "the model went on writing"
    if leave == "cancel":
        stub.reset()
        page.get_by_role("button", name="Examine again").click()
        page.locator("#results [data-status=none]").wait_for()


def test_whoever_waits_sees_how_many_are_before(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """The line moves on as others are done; nobody gets an error, sending the same picture as somebody else."""
    hold = threading.Event()
    stub.pieces = [hold, "[]"]
    client = Client(endpoint.url, verbose=False)
    picture = handle_file(EXAMPLES / "floating.png")
    jobs = [client.submit(picture, api_name="/examine") for _ in range(9)]
    while len(stub.asked) < 8:
        assert not any(job.done() for job in jobs)
    page = open_page(endpoint)
    send(page, name="floating.png")
    page.locator("#results [data-status=waiting]").wait_for()
    page.get_by_text("2 pictures are before yours").wait_for()
    hold.set()
    page.locator("#results [data-status=none]").wait_for()
    assert [job.result()["status"] for job in jobs] == ["none"] * 9


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


def test_hostile_answers_are_text(open_page: Any, endpoint: Served, stub: StubEndpoint, tmp_path: Path) -> None:
    """Markup, Markdown, templates, addresses, direction overrides and endless strings run nothing and break nothing."""
    attacks = [
        "<img src=x onerror='window.hit=1'>",
        "[click](javascript:window.hit=1)",
        "{{constructor.constructor('window.hit=1')()}} ${window.hit=1} `${window.hit=1}`",
        "</section></template></style><script>window.hit=1</script>",
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
    contents = {}
    for label in ("Card", "JSON", "Official JSON"):
        href = page.get_by_role("link", name=label, exact=True).get_attribute("href")
        contents[label] = base64.b64decode(href.partition("base64,")[2]).decode()
    assert [one["phenomenon"] for one in json.loads(contents["JSON"])["anomalies"]] == attacks
    (official,) = json.loads(contents["Official JSON"]).values()
    assert len(official) == len(attacks)
    # The shared card, opened from the disk, is as harmless, and the same texts stand in it.
    (tmp_path / "card.html").write_text(contents["Card"])
    page.goto((tmp_path / "card.html").as_uri())
    assert page.locator(".ar-card").count() == len(attacks)
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 1
    assert page.locator("script, a, iframe").count() == 0
    assert "<img src=x onerror" in page.inner_text("main")
    assert "\u202e" not in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_models_are_compared_on_one_picture(open_page: Any, tiny: Served) -> None:
    """The tab Compare shows adapter and base side by side; an untrained adapter says what its base says."""
    page = open_page(tiny)
    page.get_by_role("tab", name="Compare").click()
    page.locator("#pair [data-scene]").nth(3).click()
    for side in ("left", "right"):
        page.locator(f"#results-{side} :is({ENDED})").wait_for()
    left, right = (page.locator(f"#results-{side} .ar-card").all_inner_texts() for side in ("left", "right"))
    assert left == right
    assert "(base)" in page.inner_text("#results-right")


def test_thorough_shows_its_steps_and_then_what_it_found(open_page: Any, thorough: Served, scenes: Path) -> None:
    """AnomAgent's questions are counted live, step by step; its answer is cards like any other."""
    page = open_page(thorough)
    page.get_by_label("Thorough").check()
    send(page, odd_scene(scenes))
    steps = page.locator("#results .ar-steps li")
    page.get_by_text("3 of 3 questions answered").wait_for()
    assert steps.count() == 3
    assert steps.first.get_attribute("data-state") == "done"
    page.locator("#results [data-status=anomalies]").wait_for()
    assert steps.count() == 0
    assert page.locator("#results .ar-card").count() > 0
    assert "thorough" in page.inner_text("#results .ar-results-head")


def test_thorough_can_be_cancelled(open_page: Any, thorough: Served, scenes: Path) -> None:
    """In the middle of its questions; the next picture is examined as usual."""
    page = open_page(thorough)
    page.get_by_label("Thorough").check()
    send(page, odd_scene(scenes), "cancelled.png")
    page.locator("#results .ar-steps").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("#results [data-status=stopped]").wait_for()
    page.get_by_label("Thorough").uncheck()
    page.get_by_role("button", name="Examine again").click()
    page.locator("#results [data-status=anomalies]").wait_for()


def test_a_run_is_reviewed_in_its_tab(open_page: Any, thorough: Served, run: Path) -> None:
    """A name, a look, a key: the verdict is in the run's database. The keys do nothing while another tab is open."""
    page = open_page(thorough)
    page.get_by_role("tab", name="Review").click()
    assert page.locator("#review .who").count() == 1
    page.get_by_label("Your name").fill("ann")
    page.get_by_role("button", name="Begin").click()
    page.locator("#review .canvas img").wait_for()
    count = page.locator("#review .count")
    first = count.inner_text()
    page.get_by_role("tab", name="Examine").click()
    page.keyboard.press("r")
    page.get_by_role("tab", name="Review").click()
    page.keyboard.press("a")
    page.wait_for_function("text => document.querySelector('#review .count').innerText !== text", arg=first)
    with sqlite3.connect(run / "verdicts.sqlite") as db:
        assert db.execute("SELECT reviewer, verdict FROM standing").fetchall() == [("ann", "accept")]


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


def test_everything_that_can_be_operated_has_a_name(open_page: Any, tiny: Served, thorough: Served) -> None:
    """Every button, link, field and tab says what it is to somebody who cannot see it."""
    for served in (tiny, thorough):
        page = open_page(served)
        tree = page.locator("body").aria_snapshot()
        nameless = re.findall(r"- (?:button|link|checkbox|textbox|tab|progressbar)(?=:|\n|$| \[)", tree)
        assert not nameless, tree


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
    """The page is then as before. A picture that the browser cannot show is shown once it has been read."""
    page = open_page(endpoint)
    send(page, b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.hit=1'/>", "drawing.png")
    page.locator("#results [data-status=failed]").wait_for()
    assert "SVG drawing" in page.inner_text("#results [role=alert]")
    page.locator("#picture .ar-stage[data-state=empty]").wait_for()
    assert not stub.asked
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "TIFF")
    send(page, out.getvalue(), "scan.tiff")
    page.locator("#results [data-status=none]").wait_for()
    page.locator("#picture .ar-stage[data-state=shown]").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(
    open_page: Any, tiny: Served, endpoint: Served, thorough: Served, stub: StubEndpoint, scenes: Path, scheme: str
) -> None:
    """4.5:1 for every text of the page: empty, under way, answered, unknown, failed, in review."""
    look = {"color_scheme": scheme, "reduced_motion": "reduce"}
    page = open_page(tiny, **look)
    poor = page.evaluate(_POOR)
    page.locator("#picture [data-scene]").first.click()
    page.locator(f"#results :is({ENDED})").wait_for()
    poor += page.evaluate(_POOR)
    send(page, noise())
    page.locator("#results [data-status=unknown]").wait_for()
    poor += page.evaluate(_POOR)
    page = open_page(endpoint, **look)
    stub.pieces, stub.dies = [json.dumps([json.loads(finding(f"At {n}", n)) for n in (5, 25, 45, 65, 95)])[:-1]], True
    send(page)
    page.locator("#results [data-status=partial]").wait_for()
    poor += page.evaluate(_POOR)
    page = open_page(thorough, **look)
    page.get_by_label("Thorough").check()
    send(page, odd_scene(scenes), f"{scheme}.png")
    page.locator("#results .ar-steps").wait_for()
    poor += page.evaluate(_POOR)
    page.get_by_role("tab", name="Review").click()
    page.get_by_label("Your name").fill("bea")
    page.get_by_role("button", name="Begin").click()
    page.locator("#review .canvas img").wait_for()
    assert poor + page.evaluate(_POOR) == []


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
  for (const e of document.querySelectorAll(
      ':is(.ar-head, .ar-banner, .ar-picture, .ar-results, .ar-welcome, #review, footer, .tab-container) *')) {
    if (![...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const [more, less] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    const ratio = (more + .05) / (less + .05);
    if (ratio < 4.5) poor.push(e.className + ': ' + e.textContent.slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return poor;
}"""
