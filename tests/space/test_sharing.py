"""The shared card: what it says, that it is harmless, that dropped back it is shown again, and that nobody is believed about it."""

import base64
import hashlib
import html
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataset_builder.errors import PictureError
from dataset_builder.schema import Anomaly
from space.examination import Examination
from space.restoring import is_card, restore
from space.sharing import MARK, card_of, share_card
from space.uploads import read_picture
from tests.serving import Served
from tests.space.conftest import EXAMPLES
from tests.space.test_page import finding, send
from tests.stub_endpoint import StubEndpoint

SCENE = (EXAMPLES / "mirror.png").read_bytes()
PICTURE = read_picture(SCENE, "mirror.png")


def card(*anomalies: Anomaly, warning: str = "") -> str:
    found = Examination("mirror.png", "anomalies", list(anomalies), {"label": "fake", "p_fake": 0.75})
    return share_card(card_of(found, PICTURE, "some-model", warning), PICTURE)


CUP = Anomaly(name="Cup", phenomenon="It hovers.", reasoning="Cups fall.", severity=12, bbox=(10, 20, 60, 90))


def test_a_card_says_what_when_by_whom_and_of_which_file() -> None:
    """Picture, cards, model, day, hash of the file, and what is known against the model."""
    page = card(CUP, warning="It knows scenes alone.")
    for part in ("Cup", "It hovers.", "some-model", "It knows scenes alone.", "data:image/jpeg;base64,"):
        assert part in page
    assert datetime.now(UTC).date().isoformat() in page
    assert hashlib.sha256(SCENE).hexdigest() in page


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=40), min_size=3, max_size=3), st.integers(0, 100))
def test_a_card_gives_back_what_it_was_made_of(texts: list[str], severity: int) -> None:
    """Whatever a model wrote, quotes, tags and control characters included."""
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    anomaly = Anomaly(name=texts[0], phenomenon=texts[1], reasoning=texts[2], severity=severity, bbox=(1, 2, 3, 4))
    data = card(anomaly).encode()
    assert is_card(data)
    found, picture = restore(data)
    assert found.anomalies == [anomaly]
    assert found.found.verdict == {"label": "fake", "p_fake": 0.75}
    assert picture.size == (168, 168)


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.replace("&#34;severity&#34;:12", "&#34;severity&#34;:1200"),
        lambda page: page.replace("&#34;bbox&#34;:[10.0", "&#34;bbox&#34;:[-10.0"),
        lambda page: page.replace("&#34;status&#34;:&#34;anomalies", "&#34;status&#34;:&#34;looking"),
        lambda page: page.replace("&#34;size&#34;:[168,168]", "&#34;size&#34;:[0,0]"),
        lambda page: page.replace("&#34;model&#34;", "&#34;more&#34;:1,&#34;model&#34;"),
        lambda page: page.replace("image/jpeg;base64,", "image/jpeg;base64,!"),
        lambda page: page.replace("data:image/jpeg", "http://example.com/x"),
        lambda page: page[:3000],
    ],
    ids=["severity", "box", "status", "size", "extra", "picture", "address", "cut"],
)
def test_a_card_that_was_changed_is_refused(change: Any) -> None:
    """In words."""
    page = card(CUP)
    changed = change(page)
    assert changed != page
    with pytest.raises(PictureError, match=r"damaged or was changed|damaged or cut off"):
        restore(changed.encode())


@pytest.mark.browser
def test_a_card_dropped_back_is_shown_again(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Cards, box and picture, with the day; no model is asked, and there is nothing to examine again."""
    stub.pieces = ["[" + finding("Hovering banana", 12, bbox=[10, 20, 60, 90]) + "]"]
    page = open_page(endpoint)
    send(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Card", exact=True).click()
    shared = Path(download.value.path()).read_bytes()
    asked = len(stub.asked)
    page.reload()
    page.locator("#picture[data-ready=yes]").wait_for()
    page.locator("#picture input[type=file]").set_input_files(
        {"name": "card.html", "mimeType": "text/html", "buffer": shared}
    )
    page.get_by_role("heading", name="Hovering banana").wait_for()
    assert "Restored from a card of" in page.inner_text("#results .ar-note")
    page.locator(".ar-box").wait_for()
    page.wait_for_function("document.querySelector('.ar-frame img').naturalWidth === 168")
    assert page.get_by_role("button", name="Examine again").count() == 0
    assert len(stub.asked) == asked


@pytest.mark.browser
def test_a_hostile_card_runs_nothing(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Scripts in the page around its content, and markup in the content."""
    attack = "<img src=x onerror='window.hit=1'><script>window.hit=1</script>"
    hostile = card(Anomaly(name=attack, phenomenon=attack, severity=3))
    hostile = hostile.replace("<main>", f"<main>{attack}")
    assert html.escape(attack)[:8] in hostile
    assert MARK in hostile
    page = open_page(endpoint)
    page.locator("#picture input[type=file]").set_input_files(
        {"name": "card.html", "mimeType": "text/html", "buffer": hostile.encode()}
    )
    page.locator("#results [data-status=anomalies]").wait_for()
    assert page.locator("#results img, #results script").count() == 0
    assert "<script>" in page.inner_text("#results h3")
    assert page.evaluate("window.hit") is None


@pytest.mark.browser
def test_several_pictures_are_a_contact_sheet_and_one_download(
    open_page: Any, endpoint: Served, stub: StubEndpoint
) -> None:
    """Examined one by one; each with its count; choosing one shows it and its own answer; one is broken and says so."""
    stub.pieces = ["[" + finding("Cup") + "]"]
    page = open_page(endpoint)
    files = [
        {"name": f"{name}.png", "mimeType": "image/png", "buffer": (EXAMPLES / f"{name}.png").read_bytes()}
        for name in ("clock", "mirror")
    ]
    files.insert(1, {"name": "broken.png", "mimeType": "image/png", "buffer": b"rubbish"})
    page.locator("#picture input[type=file]").set_input_files(files)
    page.get_by_text("Download all 2 answers").wait_for()
    assert page.locator(".ar-sheet button span").all_inner_texts() == ["1 thing", "refused", "1 thing"]
    page.get_by_role("button", name="broken.png").click()
    assert "not a picture" in page.inner_text("#results [role=alert]")
    page.get_by_role("button", name="clock.png").click()
    assert page.locator(".ar-frame img").get_attribute("alt") == "The picture clock.png"
    assert page.locator(".ar-downloads a").first.get_attribute("download") == "clock.html"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all 2 answers").click()
    answers = json.loads(Path(download.value.path()).read_text())
    assert [answer["image_id"] for answer in answers] == ["clock.png", "mirror.png"]
    pictures = [body for body in stub.asked if body.get("stream")]
    assert len(pictures) == 2


@pytest.mark.browser
def test_an_answer_comes_in_the_visitor_s_language(open_page: Any, endpoint: Served, stub: StubEndpoint) -> None:
    """Asked for where the browser says another one than English, until the visitor says otherwise; English browsers see nothing."""
    page = open_page(endpoint, locale="de-DE")
    send(page)
    page.locator("#results [data-status=none]").wait_for()
    assert "in German" in stub.asked[0]["messages"][0]["content"][1]["text"]
    stub.reset()
    page.get_by_label("Answer in").uncheck()
    page.get_by_role("button", name="Examine again").click()
    page.locator("#results [data-status=none]").wait_for()
    page.wait_for_function("!document.querySelector('[data-do=again]').hidden")
    assert "German" not in stub.asked[0]["messages"][0]["content"][1]["text"]
    assert not open_page(endpoint, locale="en-US").get_by_label("Answer in").is_visible()


@pytest.mark.browser
def test_what_the_file_says_of_itself_is_shown_to_who_sent_it(
    open_page: Any, endpoint: Served, stub: StubEndpoint
) -> None:
    """Camera and time, as text; in no download."""
    from PIL import Image

    from tests.space.test_uploads import encoded

    exif = Image.Exif()
    exif[0x0110] = "<b>Camera 7</b>"
    picture = encoded(Image.new("RGB", (64, 48), "teal"), "JPEG", exif=exif)
    page = open_page(endpoint)
    send(page, picture, "photo.jpg")
    page.locator("#results .ar-downloads").wait_for()
    assert "<b>Camera 7</b>" in page.inner_text(".ar-about")
    for link in page.locator(".ar-downloads a").all():
        content = base64.b64decode(link.get_attribute("href").partition("base64,")[2]).decode()
        assert "Camera 7" not in content
