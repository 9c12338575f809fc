"""The page in a real browser: by keyboard alone, on a telephone, in light and dark, and with texts that mean harm."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.review.store import FILE
from dataset_builder.scenes import write_scenes
from tests.reviewing import ReviewServer, write_run

pytestmark = pytest.mark.browser

HARM = '<img src=x onerror="window.run=1"><b>bold</b> **bold** {{value}} ${1} <script>window.run=1</script>'
TURNED = "abc \u202egnp.exe\u202c \u0000 \u05d0\u05d1\u05d2"

# Contrast of every shown text against what lies behind it, WCAG 2's formula; the pictures and disabled controls aside.
CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => { for (; node; node = node.parentElement) {
    const c = parse(getComputedStyle(node).backgroundColor); if ((c[3] ?? 1) > 0.5) return c; } return [255, 255, 255]; };
  const found = [], walk = document.createTreeWalker(document.querySelector("#review"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !node.checkVisibility() || node.closest(":disabled, style")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), walk.currentNode.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""

UNNAMED = """() => [...document.querySelectorAll("#review :is(button, input, textarea, img, progress, [role=group])")]
  .filter((node) => !(node.getAttribute("aria-label") || node.getAttribute("aria-labelledby") || node.alt || node.innerText?.trim()
    || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML)"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of sixty items, of which the last picture's are hostile."""
    place = tmp_path_factory.mktemp("page")
    run = write_run(place / "run", write_scenes(place / "scenes", 24, seed=3), copies=2)
    lines = (run / "annotations.jsonl").read_text().splitlines()
    row = json.loads(lines.pop())
    record = row["anomalies"][0] | {"name": HARM, "phenomenon": TURNED, "reasoning": "x" * 3000, "remark": HARM}
    lines.insert(0, json.dumps(row | {"anomalies": [record]}))
    (run / "annotations.jsonl").write_text("\n".join(lines) + "\n")
    return run


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[ReviewServer]:
    server = ReviewServer(run)
    # Whoever comes first is asked the hostile item, and keeps it.
    server.wait().call("next", "victim")
    yield server
    server.close()


@pytest.fixture
def open_page(browser: Any, server: ReviewServer) -> Iterator[Any]:
    """Opens the page as a reviewer, each time as a browser of its own; waits until the picture is shown."""
    contexts = []

    def opened(reviewer: str, *, width: int = 1280, height: int = 860, scheme: str = "light") -> Any:
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
            )
        )
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{server.url}/?reviewer={reviewer}")
        ready(page)
        return page

    yield opened
    for context in contexts:
        context.close()


def ready(page: Any) -> None:
    page.locator("#review [data-verdict=accept]:enabled").wait_for()


def said(run: Path, reviewer: str) -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(run / FILE) as db:
        rows = db.execute(
            "SELECT verdict, note, edit FROM events WHERE reviewer = ? ORDER BY id", (reviewer,)
        ).fetchall()
    db.close()
    return rows


def press(page: Any, key: str, words: str) -> None:
    page.keyboard.press(key)
    page.locator("#review .status", has_text=words).wait_for()
    ready(page)


def test_the_keyboard_alone_is_enough(open_page: Any, run: Path) -> None:
    """Answers, undo, a note and an edit by single keys; letters typed into a field are letters; keys can be turned off."""
    page = open_page("keys")
    press(page, "a", "Accepted.")
    press(page, "r", "Rejected.")
    press(page, "z", "Taken back: rejected.")
    page.keyboard.press("n")
    page.keyboard.type("a rare zebra")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type("Better name")
    page.keyboard.press("Escape")
    press(page, "u", "Marked unsure.")
    edited = json.dumps({"name": "Better name"}, separators=(",", ":"))
    assert said(run, "keys") == [
        ("accept", "", None), ("reject", "", None), ("undo", "", None), ("unsure", "a rare zebra", edited),
    ]  # fmt: skip
    assert "2 by you, keys" in page.inner_text("#review .count")
    page.get_by_label("Single-letter keys").uncheck()
    page.keyboard.press("a")
    page.get_by_role("button", name="Reject").click()
    page.locator("#review .status", has_text="Rejected.").wait_for()
    assert [verdict for verdict, *_ in said(run, "keys")][-1] == "reject"
    assert len(said(run, "keys")) == 5


def test_a_refresh_and_a_second_tab_lose_nothing(open_page: Any, run: Path) -> None:
    """The same item, with the note begun for it; what one tab answers is not counted twice by the other."""
    page = open_page("tabs")
    press(page, "a", "Accepted.")
    page.keyboard.press("n")
    page.keyboard.type("half a thou")
    shown = page.inner_text("#review .phenomenon")
    page.reload()
    ready(page)
    assert page.inner_text("#review .phenomenon") == shown
    assert page.input_value("#review-note") == "half a thou"
    other = page.context.new_page()
    other.goto(page.url)
    ready(other)
    assert other.inner_text("#review .phenomenon") == shown
    press(page, "r", "Rejected.")
    press(other, "r", "Rejected.")
    with sqlite3.connect(run / FILE) as db:
        assert db.execute("SELECT count(*) FROM standing WHERE reviewer = 'tabs'").fetchone() == (2,)
    db.close()


def test_two_people_side_by_side(open_page: Any) -> None:
    """They are asked different items, and neither page tells of the other's answers."""
    ann, bob = open_page("ann"), open_page("bob")
    texts = set()
    for page in (ann, bob, ann, bob):
        said_of = page.inner_text("#review .name") + page.inner_text("#review .phenomenon")
        texts.add((said_of, page.get_attribute("#review img", "data-key")))
        press(page, "a", "Accepted.")
    assert len(texts) == 4
    assert "2 by you, ann" in ann.inner_text("#review .count")
    assert "bob" not in ann.content()


def test_the_next_item_is_there_in_a_fifth_of_a_second(open_page: Any) -> None:
    """From the key to the next item with its picture, the median of nine answers."""
    page = open_page("quick")
    times = page.evaluate("""async () => {
      const wait = (shown) => new Promise((done) => { const look = () => shown() ? done() : setTimeout(look, 2); look(); });
      const times = [], [status, accept] = ["#review .status", "[data-verdict=accept]"].map((at) => document.querySelector(at));
      for (let n = 0; n < 9; n++) {
        const begun = performance.now();
        status.textContent = "";
        document.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true }));
        await wait(() => status.textContent.startsWith("Accepted") && !accept.disabled);
        times.push(performance.now() - begun);
        await new Promise((rest) => setTimeout(rest, 150));
      }
      return times;
    }""")
    print(f"\nnext item: median {sorted(times)[4]:.0f} ms, longest {max(times):.0f} ms")
    assert sorted(times)[4] < 200


def test_an_answer_on_a_bad_line_is_saved_once(open_page: Any, run: Path) -> None:
    """A request whose answer is lost is sent again; while the server is away, the page says so and keeps the item."""
    page = open_page("line")
    sent = []

    def lose_the_first_answer(route: Any) -> None:
        sent.append(route.request.post_data)
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/run/verdict", lose_the_first_answer)
    press(page, "a", "Accepted.")
    assert len(sent) == 2
    assert len(said(run, "line")) == 1
    shown = page.inner_text("#review .phenomenon")
    page.unroute("**/run/verdict")
    page.route("**/run/verdict", lambda route: route.abort())
    page.keyboard.press("a")
    page.locator("#review [role=alert]", has_text="not saved").wait_for()
    assert page.inner_text("#review .phenomenon") == shown
    page.unroute("**/run/verdict")
    with page.expect_response("**/run/verdict"):
        press(page, "a", "Accepted.")
    assert len(said(run, "line")) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everything_can_be_read(open_page: Any, scheme: str, width: int, tmp_path: Path) -> None:
    """Contrast of WCAG AA, a name for every control, nothing wider than a telephone, answers large enough for a thumb."""
    page = open_page(f"looks-{scheme}-{width}", width=width, height=844, scheme=scheme)
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.screenshot(path=tmp_path / "page.png")
    contrasts = page.evaluate(CONTRAST)
    assert len(contrasts) > 20
    assert min(contrasts)[0] >= 4.5, min(contrasts)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("#review [data-verdict]").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44


def test_text_is_shown_as_text(open_page: Any) -> None:
    """Neither HTML nor Markdown nor template runs; what turns text around is made visible; a long word stays in its column."""
    page = open_page("victim", width=390, height=844)
    page.wait_for_timeout(300)
    assert page.evaluate("window.run") is None
    assert page.inner_text("#review .name") == HARM
    assert HARM in page.inner_text("#review .severity")
    assert page.inner_text("#review .phenomenon") == TURNED.translate({0x202E: "\ufffd", 0x202C: "\ufffd", 0: "\ufffd"})
    assert page.locator("#review .card img, #review .card b, #review .card script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_zoom_keeps_what_is_spoken_of_in_view(open_page: Any) -> None:
    """The box lies where the candidate says, at every zoom; B hides it, 0 fits the picture again."""
    page = open_page("zoom")
    inside = """() => {
      const [a, b] = ["#review .box", "#review .stage"].map((s) => document.querySelector(s).getBoundingClientRect());
      const x = (a.left + a.right) / 2, y = (a.top + a.bottom) / 2;
      return x > b.left && x < b.right && y > b.top && y < b.bottom; }"""
    share = """() => {
      const [a, b] = ["#review .box", "#review img"].map((s) => document.querySelector(s).getBoundingClientRect());
      return [(a.left - b.left) / b.width, (a.top - b.top) / b.height, a.width / b.width]; }"""
    before = page.evaluate(share)
    for _ in range(4):
        page.keyboard.press("+")
        assert page.evaluate(inside)
    assert page.inner_text("#review .zoom") == "400 %"
    assert page.evaluate(share) == pytest.approx(before, abs=0.03)
    page.keyboard.press("b")
    assert not page.locator("#review .box").is_visible()
    page.keyboard.press("0")
    assert page.inner_text("#review .zoom") == "100 %"


def test_nothing_is_asked_of_the_network(browser: Any, server: ReviewServer) -> None:
    """No font, script or picture from elsewhere; without a name the page asks for one."""
    context = browser.new_context()
    page, elsewhere = context.new_page(), []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.goto(server.url)
    page.get_by_label("Your name").fill("new")
    page.keyboard.press("Enter")
    ready(page)
    assert "by you, new" in page.inner_text("#review .count")
    assert [url for url in elsewhere if not url.startswith((server.url, "data:", "blob:"))] == []
    context.close()
