"""The page in a real Chromium: every way's main path, the keyboard, a phone's width, hostile answers, dying models."""

import base64
import io
import json
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


def send(page: Any, picture: bytes | None = None, name: str = "mine.png") -> None:
    picture = (EXAMPLES / "floating.png").read_bytes() if picture is None else picture
    page.locator("#picture input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": picture}
    )


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
    assert "knows only rendered scenes" in page.inner_text(".ar-banner")
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
    assert all(way in told for way in ("Qwen2.5-VL", "--base-url http://localhost:11434/v1", "AnomAgent"))
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
    assert "completely irrational · 12/100" in card.inner_text()
    label = card.locator(".ar-meter").get_attribute("aria-label")
    assert label == "Severity: completely irrational, 12 of 100. Low is severe."
    assert "low is severe" in page.inner_text("#results")
    assert "not a proof" in page.inner_text("#results")
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
        """([way, content]) => {
          const picture = Uint8Array.from(atob(content), (byte) => byte.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([picture], way + "ped.png", {type: "image/png"}));
          const about = {bubbles: true, cancelable: true};
          if (way === "paste") document.body.dispatchEvent(new ClipboardEvent("paste", {...about, clipboardData: dataTransfer}));
          else document.querySelector("#picture").dispatchEvent(new DragEvent("drop", {...about, dataTransfer}));
        }""",
        [way, content],
    )
    page.locator("#results [data-status=none]").wait_for()
    assert page.locator("#picture .ar-frame img").get_attribute("alt") == f"The picture {way}ped.png"
    assert len(stub.asked) == 2


def test_nothing_stays_in_the_browser(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Neither picture nor answer: who uses the computer next finds nothing."""
    page = open_page(endpoint)
    send(page)
    page.locator("#results [data-status=none]").wait_for()
    page.reload()
    page.locator("#picture[data-ready=yes]").wait_for()
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
    places = page.locator("#picture .ar-stage, #picture .ar-actions, #results h2, #results .ar-card:first-child")
    send(page)
    page.get_by_role("heading", name="First").wait_for()
    page.locator("#picture[data-state=shown]").wait_for()
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
    while not stub.asked:
        page.wait_for_timeout(20)
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
    """Adapter and base side by side; an untrained adapter says what its base says."""
    page = open_page(tiny)
    page.get_by_label("side by side").check()
    page.locator("[data-scene]").nth(3).click()
    for pane in ("results", "results-2"):
        page.locator(f"#{pane} :is({ENDED})").wait_for()
    left, right = (page.locator(f"#{pane} .ar-card").all_inner_texts() for pane in ("results", "results-2"))
    assert left == right
    assert "(base)" in page.inner_text("#results-2")


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
    page.get_by_label("simulated", exact=True).check()
    page.get_by_role("button", name="Examine again").click()
    page.locator("#results [data-status=anomalies]").wait_for()


def test_a_run_is_reviewed_on_its_page(open_page: Any, thorough: Served, run: Path) -> None:
    """A name, a look, a key: the verdict is in the run's database."""
    page = open_page(thorough)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Review").click()
    desk = opened.value
    desk.get_by_label("Your name").fill("ann")
    desk.get_by_role("button", name="Begin").click()
    desk.locator(".answers .accept:enabled").wait_for()
    desk.keyboard.press("a")
    desk.locator(".status", has_text="Accepted.").wait_for()
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
    assert "Choose pictures" in reached
    page.keyboard.press("Enter")
    page.locator("#results [data-status=none]").wait_for()
    labels = []
    for _ in range(20):
        page.keyboard.press("Tab")
        labels.append(page.evaluate("document.activeElement.innerText"))
    assert {"Card", "JSON", "Official JSON"} <= set(labels)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits_the_width(open_page: Any, tiny: Served, width: int) -> None:
    """Nothing overflows sideways, before and after an answer."""
    page = open_page(tiny, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#picture [data-scene]").first.click()
    page.locator(f"#results :is({ENDED})").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_file_that_is_no_picture_is_one_kind_sentence(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """The page is then as before. A picture that the browser cannot show is shown once it has been read."""
    page = open_page(endpoint)
    send(page, b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.hit=1'/>", "drawing.png")
    page.locator("#results [data-status=failed]").wait_for()
    assert "SVG drawing" in page.inner_text("#results [role=alert]")
    page.locator("#picture[data-state=empty]").wait_for()
    assert not stub.asked
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "TIFF")
    send(page, out.getvalue(), "scan.tiff")
    page.locator("#results [data-status=none]").wait_for()
    page.locator("#picture[data-state=shown]").wait_for()
