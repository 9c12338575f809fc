"""An answer belongs to its picture: whatever happens in between, no other picture's answer is shown, drawn or offered."""

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Served, serve_space
from tests.space.test_page import finding, send
from tests.stub_endpoint import StubEndpoint, serve_stub

pytestmark = pytest.mark.browser

_OLD = "Of the old picture"


@pytest.fixture
def answered(open_page: Any, endpoint: Served, stub: StubEndpoint) -> Any:
    """A page with an answer, a box and downloads."""
    stub.pieces = ["[" + finding(_OLD, bbox=[10, 20, 60, 90]) + "]"]
    page = open_page(endpoint)
    send(page, name="old.png")
    page.locator("#results .ar-downloads").wait_for()
    page.locator("#picture .ar-box").wait_for()
    return page


def nothing_old(page: Any) -> bool:
    """Whether nothing of the old answer is anywhere."""
    return bool(
        page.evaluate(
            """old => !document.body.innerText.includes(old) && !document.querySelector('.ar-box')
            && ![...document.querySelectorAll('.ar-downloads a')].some(a => a.download.startsWith('old'))""",
            _OLD,
        )
    )


def test_a_new_picture_takes_the_old_answer_away_before_anything_is_sent(answered: Any, stub: StubEndpoint) -> None:
    """At once, while the upload has not even begun."""
    held: list[Any] = []
    answered.route("**/upload*", lambda route: held.append(route))
    stub.pieces = ["[]"]
    send(answered, name="new.png")
    answered.wait_for_function("document.querySelector('.ar-frame img').alt === 'The picture new.png'")
    assert nothing_old(answered)
    while not held:
        answered.wait_for_timeout(20)
    held[0].continue_()
    answered.locator("#results [data-status=none]").wait_for()
    assert nothing_old(answered)


def test_a_failed_upload_shows_no_answer(answered: Any) -> None:
    """It says that the server cannot be reached; the old answer is not beside the new picture."""
    answered.route("**/upload*", lambda route: route.abort())
    send(answered, name="new.png")
    answered.locator("#results [data-status=lost]").wait_for()
    assert nothing_old(answered)
    answered.unroute("**/upload*")
    answered.get_by_role("button", name="Examine again").click()
    answered.get_by_role("heading", name=_OLD).wait_for()
    assert answered.locator(".ar-downloads a").first.get_attribute("download") == "new.html"


def test_a_refused_picture_leaves_nothing_of_the_old_one(answered: Any) -> None:
    """Neither picture nor answer."""
    send(answered, b"<svg/>", "drawing.png")
    answered.locator("#results [role=alert]").wait_for()
    assert nothing_old(answered)
    assert answered.locator(".ar-frame img").get_attribute("src") is None
    assert not answered.locator(".ar-unseen, .ar-zoom").first.is_visible()
    assert answered.get_by_text("Drop pictures here").is_visible()


def test_what_was_found_before_a_cancel_stays_and_says_that_it_is_not_all(
    open_page: Any, endpoint: Served, stub: StubEndpoint
) -> None:
    """With its box; without files that would pass for a whole answer."""
    hold = threading.Event()
    stub.pieces = ["[" + finding("Found in time", bbox=[10, 20, 60, 90]), hold, "]"]
    page = open_page(endpoint)
    send(page)
    page.get_by_role("heading", name="Found in time").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("#results [data-status=stopped]").wait_for()
    assert "incomplete" in page.inner_text("#results h2")
    assert "not complete" in page.inner_text("#results .ar-note")
    assert page.get_by_role("heading", name="Found in time").count() == 1
    assert page.locator(".ar-box").count() == 1
    assert page.locator(".ar-downloads, .ar-skeleton").count() == 0
    hold.set()
    page.wait_for_timeout(300)
    assert page.locator("#results [data-status=stopped]").count() == 1, "an answer came after Cancel"


def test_a_new_picture_while_the_old_one_is_looked_at(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """The old answer, which comes after it, is not shown."""
    hold = threading.Event()
    stub.pieces = [hold, "[" + finding(_OLD) + "]"]
    page = open_page(endpoint)
    send(page, name="old.png")
    while not stub.asked:
        page.wait_for_timeout(20)
    stub.pieces = ["[" + finding("Of the new picture") + "]"]
    send(page, name="new.png")
    page.get_by_role("heading", name="Of the new picture").wait_for()
    hold.set()
    page.locator("#results .ar-downloads").wait_for()
    assert nothing_old(page)
    assert page.locator(".ar-downloads a").first.get_attribute("download") == "new.html"


@pytest.mark.parametrize("way", ["reload", "back"])
def test_reload_and_back_forget_picture_and_answer_together(answered: Any, way: str) -> None:
    """Or show both: never one without the other."""
    if way == "reload":
        answered.reload()
    else:
        answered.goto("about:blank")
        answered.go_back()
    answered.locator("#picture[data-ready=yes]").wait_for()
    with_picture = answered.locator(".ar-frame img").get_attribute("alt") == "The picture old.png"
    with_answer = answered.get_by_role("heading", name=_OLD).count() == 1
    assert with_picture == with_answer


def test_a_server_that_dies_and_comes_back(browser: Any, tmp_path: Path) -> None:
    """What had come stays, as incomplete; the page says that the server is gone, that it was restarted, and examines again."""
    with serve_stub() as stub:
        options = ("--base-url", stub.base_url, "--model", "stub")
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(60_000)
        hold = threading.Event()
        stub.pieces = ["[" + finding("Before it died"), hold, "]"]
        with serve_space(tmp_path, *options) as served:
            page.goto(served.url)
            page.locator("#picture[data-ready=yes]").wait_for()
            page.wait_for_load_state("networkidle")
            send(page)
            page.get_by_role("heading", name="Before it died").wait_for()
            subprocess.run(["kill", "-9", str(served.pid)], check=True)
        page.locator("#results [data-status=lost]").wait_for()
        hold.set()
        assert page.get_by_role("heading", name="Before it died").count() == 1
        assert "incomplete" in page.inner_text("#results h2")
        assert "cannot be reached" in page.inner_text(".ar-said")
        stub.reset()
        port = served.url.rsplit(":", 1)[1].strip("/")
        with serve_space(tmp_path, *options, port=int(port)):
            page.get_by_text("was restarted").wait_for()
            page.get_by_role("button", name="Examine again").click()
            page.locator("#results [data-status=none]").wait_for()
            assert page.inner_text(".ar-said") == ""
        context.close()
