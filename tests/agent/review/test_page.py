"""The page in a real browser: by keyboard alone, on a phone, in light and dark, and with texts that mean harm."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.review.accounts import add_account
from agent.review.store import FILE
from dataset_builder.scenes import write_scenes
from tests.accessibility import serious
from tests.reviewing import ReviewServer, write_run

pytestmark = pytest.mark.browser

HARM = '<img src=x onerror="window.run=1"><b>bold</b> **bold** {{value}} ${1} <script>window.run=1</script>'
TURNED = "abc \u202egnp.exe\u202c \u0000 \u05d0\u05d1\u05d2"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 240 items and one more, which is hostile."""
    place = tmp_path_factory.mktemp("page")
    run = write_run(place / "run", write_scenes(place / "scenes", 80, seed=3), copies=2)
    lines = (run / "annotations.jsonl").read_text().splitlines()
    row = json.loads(lines.pop())
    record = row["anomalies"][0] | {"name": HARM, "phenomenon": TURNED, "reasoning": "x" * 3000, "remark": HARM}
    lines.insert(0, json.dumps(row | {"anomalies": [record]}))
    (run / "annotations.jsonl").write_text("\n".join(lines) + "\n")
    return run


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[ReviewServer]:
    rules = run.parent / "rules.md"
    rules.write_text("# When to accept\n\nWhat is **there**. <script>window.run=1</script>\n")
    server = ReviewServer(run, "--guidelines", rules)
    # Whoever comes first is asked the hostile item, and keeps it.
    server.wait().call("next", reviewer="victim")
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
    page.locator(".answers [data-verdict=accept]:enabled").wait_for()


def said(run: Path, reviewer: str) -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(run / FILE) as db:
        rows = db.execute(
            "SELECT verdict, note, edit FROM events WHERE reviewer = ? ORDER BY id", (reviewer,)
        ).fetchall()
    db.close()
    return rows


def press(page: Any, key: str, words: str) -> None:
    """Press a key and wait for what the status says then, which it may have said of the key before, too."""
    page.locator(".status").evaluate("(status) => { status.textContent = ''; }")
    page.keyboard.press(key)
    page.locator(".status", has_text=words).wait_for()
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
    assert "2 by you, keys" in page.inner_text(".count")
    page.get_by_label("Single-letter keys").uncheck()
    page.keyboard.press("a")
    page.get_by_role("button", name="Reject R").click()
    page.locator(".status", has_text="Rejected.").wait_for()
    assert [verdict for verdict, *_ in said(run, "keys")][-1] == "reject"
    assert len(said(run, "keys")) == 5


def test_a_refresh_and_a_second_tab_lose_nothing(open_page: Any, run: Path) -> None:
    """The same item, with the note begun for it; a stale tab asks before it replaces what the other has answered."""
    page = open_page("tabs")
    press(page, "a", "Accepted.")
    page.keyboard.press("n")
    page.keyboard.type("half a thou")
    shown = page.inner_text(".phenomenon")
    page.reload()
    ready(page)
    assert page.inner_text(".phenomenon") == shown
    assert page.input_value("#note") == "half a thou"
    other = page.context.new_page()
    other.goto(page.url)
    ready(other)
    assert other.inner_text(".phenomenon") == shown
    press(page, "h", "Rejected, hallucinated.")
    other.keyboard.press("a")
    question = other.get_by_role("alertdialog")
    question.wait_for()
    assert "rejected, hallucinated" in question.inner_text()
    assert serious(other) == []
    other.keyboard.press("Enter")  # keeps it
    other.locator(".status", has_text="Kept.").wait_for()
    assert [verdict for verdict, *_ in said(run, "tabs")] == ["accept", "reject"]
    page.keyboard.press("z")
    page.locator(".status", has_text="Taken back").wait_for()
    press(page, "u", "Marked unsure.")
    other.keyboard.press("z")
    question.wait_for()
    assert [verdict for verdict, *_ in said(run, "tabs")] == ["accept", "reject", "undo", "unsure"]
    other.get_by_role("button", name="Take it back").click()
    other.locator(".status", has_text="Taken back: unsure").wait_for()
    assert [verdict for verdict, *_ in said(run, "tabs")] == ["accept", "reject", "undo", "unsure", "undo"]


def test_two_people_side_by_side(open_page: Any) -> None:
    """They are asked different items, and neither page tells of the other's answers."""
    ann, bob = open_page("ann"), open_page("bob")
    texts = set()
    for page in (ann, bob, ann, bob):
        said_of = page.inner_text(".name") + page.inner_text(".phenomenon")
        texts.add((said_of, page.get_attribute("img", "data-key")))
        press(page, "a", "Accepted.")
    assert len(texts) == 4
    assert "2 by you, ann" in ann.inner_text(".count")
    assert "bob" not in ann.content()


@pytest.mark.soak
def test_the_next_item_is_there_in_a_fifth_of_a_second(open_page: Any) -> None:
    """From the key to the next item with its picture, the median of nine answers."""
    page = open_page("quick")
    times = page.evaluate("""async () => {
      const wait = (shown) => new Promise((done) => { const look = () => shown() ? done() : setTimeout(look, 2); look(); });
      const times = [], [status, accept] = [".status", "[data-verdict=accept]"].map((at) => document.querySelector(at));
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

    page.route("**/api/verdict", lose_the_first_answer)
    press(page, "a", "Accepted.")
    assert len(sent) == 2
    assert len(said(run, "line")) == 1
    shown = page.inner_text(".phenomenon")
    page.unroute("**/api/verdict")
    page.route("**/api/verdict", lambda route: route.abort())
    page.keyboard.press("a")
    page.locator(".error", has_text="not saved").wait_for()
    assert page.inner_text(".phenomenon") == shown
    page.unroute("**/api/verdict")
    with page.expect_response("**/api/verdict"):
        press(page, "a", "Accepted.")
    assert len(said(run, "line")) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_serious_in_any_state(open_page: Any, scheme: str, width: int, tmp_path: Path) -> None:
    """Asked, editing with note and guidelines, adding, the list, the keys; nothing wider than a phone, answers for thumbs."""
    page = open_page(f"looks-{scheme}-{width}", width=width, height=844, scheme=scheme)
    page.screenshot(path=tmp_path / "page.png")
    found = {"asked": serious(page)}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator(".answers button").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    press(page, "t", "Rejected, trivial.")
    page.keyboard.press("k")
    for key in ("g", "n"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    found["editing"] = serious(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("e")
    page.keyboard.press("m")
    page.locator("form.add").wait_for()
    found["adding"] = serious(page)
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    page.locator(".results button").first.wait_for()
    found["list"] = serious(page)
    page.keyboard.press("Escape")
    page.locator("#list:not([open])").wait_for(state="attached")  # the browser closes it a moment later
    for _ in range(100):  # and gives the keys back to the page another moment later
        page.keyboard.press("?")
        if page.locator("#keys[open]").count():
            break
        page.wait_for_timeout(100)
    page.locator("#keys[open]").wait_for()
    found["keys"] = serious(page)
    assert found == {state: [] for state in found}
    assert page.evaluate("window.run") is None


def test_what_was_missed_is_added_by_keyboard_and_by_mouse(open_page: Any, run: Path) -> None:
    """A box placed and moved by arrow keys, or drawn; four fields; it stands among the picture's candidates, accepted."""
    page = open_page("adds")
    page.keyboard.press("m")
    page.locator("form.add").wait_for()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")  # Place a box
    before = page.inner_text(".has-box")
    for key in ("ArrowRight", "Shift+ArrowDown", "Alt+ArrowLeft"):
        page.keyboard.press(key)
    assert page.inner_text(".has-box") != before
    for label, text in (("Name", "Third lamp"), ("What is seen", "It hangs."), ("Why it cannot be", "No cable.")):
        page.locator("form.add").get_by_label(label).fill(text)
    page.keyboard.press("Tab")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    page.locator(".status", has_text="Added.").wait_for()
    row = page.locator(".rows button", has_text="Third lamp")
    assert "accepted" in row.inner_text()
    page.keyboard.press("m")
    frame = page.locator(".canvas").bounding_box()
    page.mouse.move(frame["x"] + 20, frame["y"] + 30)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2, steps=3)
    page.mouse.up()
    assert page.inner_text(".has-box").startswith("Box ")
    corner = page.locator(".grip.se").bounding_box()
    drawn = page.inner_text(".has-box")
    page.mouse.move(corner["x"] + 11, corner["y"] + 11)
    page.mouse.down()
    page.mouse.move(corner["x"] + 60, corner["y"] + 50, steps=3)
    page.mouse.up()
    assert page.inner_text(".has-box").split(", ")[:2] == drawn.split(", ")[:2]
    assert page.inner_text(".has-box") != drawn
    page.keyboard.press("Escape")
    with sqlite3.connect(run / FILE) as db:
        (candidate,) = db.execute("SELECT candidate FROM items WHERE added_by = 'adds'").fetchone()
    db.close()
    stored = json.loads(candidate)
    assert (stored["name"], stored["severity"]) == ("Third lamp", 12)
    assert 0 <= stored["bbox"][0] < stored["bbox"][2]


def test_a_box_is_corrected_with_the_answer(open_page: Any, run: Path) -> None:
    """While editing, arrow keys move it; the correction is stored beside the original."""
    page = open_page("moves")
    page.keyboard.press("e")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    press(page, "a", "Accepted.")
    ((_, _, edit),) = said(run, "moves")
    assert list(json.loads(edit or "{}")) == ["bbox"]


def test_the_list_and_skipping(open_page: Any) -> None:
    """Search, Enter jumps to the first found; what is answered can be opened and changed; a skipped picture is put aside."""
    page = open_page("lists")
    first = page.inner_text(".name")
    press(page, "d", "Rejected, duplicate.")
    page.keyboard.press("l")
    page.get_by_label("Show").select_option("reject")
    page.locator(".found", has_text="1 found").wait_for()
    page.get_by_label("Search in the texts").focus()
    page.keyboard.press("Enter")
    page.locator(".own", has_text="rejected, duplicate").wait_for()
    assert page.inner_text(".name") == first
    press(page, "a", "Accepted.")
    page.keyboard.press("s")
    page.locator(".status", has_text="Skipped.").wait_for()
    page.keyboard.press("l")
    page.get_by_label("Show").select_option("skipped")
    page.locator(".results .mark.skipped").first.wait_for()
    assert page.locator(".results .mark:not(.skipped)").count() == 0


def test_logging_out_forgets_the_name(open_page: Any) -> None:
    """Whoever comes next is asked who they are; what was in the hand is free."""
    page = open_page("leaves")
    page.keyboard.press("n")
    page.keyboard.type("private")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Your name").wait_for()
    assert "leaves" not in page.url
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.includes('leaves')).length") == 0
    assert serious(page) == []


def test_text_is_shown_as_text(open_page: Any) -> None:
    """Neither HTML nor Markdown nor template runs; what turns text around is made visible; a long word stays in its column."""
    page = open_page("victim", width=390, height=844)
    page.wait_for_timeout(300)
    assert page.evaluate("window.run") is None
    assert page.inner_text(".name") == HARM
    assert HARM in page.inner_text(".severity")
    assert page.inner_text(".phenomenon") == TURNED.translate({0x202E: "\ufffd", 0x202C: "\ufffd", 0: "\ufffd"})
    assert page.locator(".card img, .card b, .card script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_zoom_keeps_what_is_spoken_of_in_view(open_page: Any) -> None:
    """The box lies where the candidate says, at every zoom; the wheel zooms, dragging moves; B hides boxes, 0 fits the picture."""
    page = open_page("zoom")
    inside = """() => {
      const [a, b] = [".box.current", ".stage"].map((s) => document.querySelector(s).getBoundingClientRect());
      const x = (a.left + a.right) / 2, y = (a.top + a.bottom) / 2;
      return x > b.left && x < b.right && y > b.top && y < b.bottom; }"""
    share = """() => {
      const [a, b] = [".box.current", ".canvas img"].map((s) => document.querySelector(s).getBoundingClientRect());
      return [(a.left - b.left) / b.width, (a.top - b.top) / b.height, a.width / b.width]; }"""
    before = page.evaluate(share)
    for _ in range(4):
        page.keyboard.press("+")
        assert page.evaluate(inside)
    assert page.inner_text(".zoom") == "506 %"
    assert page.evaluate(share) == pytest.approx(before, abs=0.03)
    frame = page.locator(".stage").bounding_box()
    page.mouse.move(frame["x"] + 200, frame["y"] + 200)
    left = page.evaluate("document.querySelector('.stage').scrollLeft")
    page.mouse.down()
    page.mouse.move(frame["x"] + 150, frame["y"] + 200, steps=2)
    page.mouse.up()
    assert page.evaluate("document.querySelector('.stage').scrollLeft") == pytest.approx(left + 50, abs=2)
    page.keyboard.press("b")
    assert not page.locator(".box.current").is_visible()
    page.keyboard.press("0")
    assert page.inner_text(".zoom") == "100 %"
    page.mouse.wheel(0, -300)
    page.wait_for_function("document.querySelector('.zoom').textContent === '200 %'")


@pytest.mark.parametrize("single", [False, True])
def test_twenty_pictures_take_one_action_per_candidate(
    browser: Any, scenes: Path, tmp_path: Path, single: bool
) -> None:
    """By keyboard alone, in both layouts; docs/review.md says what the same costs in Label Studio."""
    run = write_run(tmp_path / "run", scenes)
    server = ReviewServer(run)
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{server.wait().url}/?reviewer=counts")
        ready(page)
        if single:
            page.keyboard.press("v")
        page.evaluate("window.actions = 0; document.addEventListener('keydown', () => window.actions++, true)")
        pictures: set[str] = set()
        while True:
            pictures.add(server.call("next", reviewer="counts")["picture"])
            if len(pictures) > 20:
                break
            done = len(said(run, "counts"))
            page.keyboard.press("a" if done % 2 else "w")
            page.locator(".count", has_text=f"{done + 1} by you").wait_for()
            ready(page)
        assert page.evaluate("window.actions") == len(said(run, "counts")) >= 20
    finally:
        context.close()
        server.close()


def test_severities_are_rated_and_pictures_looked_over_behind_a_login(
    browser: Any, small_run: Path, tmp_path: Path
) -> None:
    """A wrong password is told; the model's severity is nowhere; an accept asks for a number; the picture ends with a question."""
    add_account(tmp_path / "accounts", "ann", "correct horse")
    server = ReviewServer(small_run, "--rate-severity", "--ask-missed", "--auth-file", tmp_path / "accounts")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(server.wait().url)
        page.get_by_label("Your name").fill("ann")
        for password in ("wrong horse", "correct horse"):
            page.get_by_label("Password").fill(password)
            page.keyboard.press("Enter")
            page.locator(".error:has-text('wrong'), .answers .accept:enabled").first.wait_for()
        ready(page)
        assert "irrational" not in page.inner_text("dl")
        page.keyboard.press("a")
        page.keyboard.type("35")
        page.keyboard.press("Enter")
        page.locator(".status", has_text="Accepted.").wait_for()
        press(page, "o", "Rejected, wrong object.")
        assert page.inner_text(".name") == "Is anything else wrong with this picture?"
        press(page, "a", "Accepted.")
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Password").wait_for()
        with sqlite3.connect(small_run / FILE) as db:
            said = db.execute("SELECT verdict, reason, rating, reviewer FROM events ORDER BY id").fetchall()
        db.close()
        assert said == [
            ("accept", None, 35, "ann"), ("reject", "wrong object", None, "ann"), ("accept", None, None, "ann"),
        ]  # fmt: skip
    finally:
        context.close()
        server.close()


def test_the_colours_are_those_of_the_space() -> None:
    """One theme: every colour of the Space's page, light and dark."""
    space = Path(__file__).parents[3] / "space"
    ours = (Path(__file__).parents[3] / "agent" / "review" / "page" / "colours.css").read_text()
    light, dark = ours.split("@media (prefers-color-scheme: dark)")
    for part, name in ((light, "colours.light.css"), (dark, "colours.dark.css")):
        declared = re.findall(r"--ar-[\w-]+: [^;]+;", (space / name).read_text())
        assert declared
        assert re.findall(r"--ar-[\w-]+: [^;]+;", part) == declared


def test_nothing_is_asked_of_the_network(browser: Any, server: ReviewServer) -> None:
    """No font, script or picture from elsewhere; without a name the page asks for one."""
    context = browser.new_context()
    page, elsewhere = context.new_page(), []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.goto(server.url)
    page.get_by_label("Your name").fill("new")
    page.keyboard.press("Enter")
    ready(page)
    assert "by you, new" in page.inner_text(".count")
    assert [url for url in elsewhere if not url.startswith((server.url, "data:", "blob:"))] == []
    context.close()
