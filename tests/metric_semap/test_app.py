"""The Space's page, in a real browser, run from a copy of the folder under another name, as a Space is."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.accessibility import serious

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(metric_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address; the server is ended afterwards."""
    space = tmp_path_factory.mktemp("space") / "app"
    shutil.copytree(metric_folder, space, ignore=shutil.ignore_patterns("__pycache__"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Isolated from the installed package, the folder must find its own modules.
    code = (
        "import runpy, sys; "
        "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; "
        "sys.argv = ['app.py']; runpy.run_path('app.py', run_name='__main__')"
    )
    log = (space.parent / "log").open("w")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SEMAP_ENCODER")}
    environment |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    server = subprocess.Popen([sys.executable, "-c", code], cwd=space, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5)
            break
        except OSError:
            assert server.poll() is None, (space.parent / "log").read_text()
            time.sleep(0.2)
    yield url
    server.terminate()
    server.wait(30)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, opened on a telephone's width."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(240_000)
    page.goto(address)
    yield page
    context.close()


def test_the_example_is_scored_and_the_report_taken_along(page: Any, tmp_path: Path) -> None:
    """Two clicks give the table, four plots, every match, and files to download; nothing overflows."""
    page.get_by_role("button", name="Fill in an example").click()
    page.wait_for_function("document.querySelector('#predictions textarea').value.includes('cup in the air')")
    page.get_by_role("button", name="Score", exact=True).click()
    page.locator("#scores code").first.wait_for()
    assert "|enc:all-MiniLM-L6-v2_L5@" in page.inner_text("#scores")
    assert page.locator("#plots svg").count() == 4
    assert "clock with thirteen hours" in page.inner_text("#matches")
    assert "missed" in page.inner_text("#matches")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name, sign in (("report.html", "<!doctype html>"), ("metrics.json", "{")):
        with page.expect_download() as download:
            page.locator(f"a[download='{name}']").first.click()
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_text().startswith(sign)


def test_uploads_in_the_official_form_are_scored(page: Any, tmp_path: Path) -> None:
    """Files of the authors' form go in as they are."""
    record = {
        "Name": "Cup",
        "Observed Phenomenon": "A cup hovers.",
        "Reasoning": "It falls.",
        "Severity Score": "25/100 (odd).",
    }
    path = tmp_path / "official.json"
    path.write_text(json.dumps({"a.jpg": [record], "b.jpg": [record]}))
    for side in ("predictions", "references"):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=f"Upload {side}").click()
        chooser.value.set_files(path)
        page.wait_for_function(f"document.querySelector('#{side} textarea').value.includes('A cup hovers')")
    page.get_by_role("button", name="Score", exact=True).click()
    page.locator("#scores code").first.wait_for()
    assert "Pictures scored: 2" in page.inner_text("#scores")
    assert "1.000" in page.inner_text("#scores")


def test_malformed_input_is_one_sentence_and_runs_nothing(page: Any) -> None:
    """The message names the place; markup in it is shown as text."""
    page.locator("#predictions textarea").fill('{"<img src=x onerror=window.run=1>.jpg": [3]}')
    page.locator("#references textarea").fill('{"a.jpg": []}')
    page.get_by_role("button", name="Score", exact=True).click()
    page.locator("#scores [role=alert]").wait_for()
    assert "3 is not an anomaly" in page.inner_text("#scores")
    assert "<img src=x" in page.inner_text("#scores")
    assert page.evaluate("window.run") is None


def test_the_page_wears_the_colours_of_the_anomreason_page(metric_folder: Path) -> None:
    """The metric's repository holds a copy of them: it imports nothing of ours."""
    copy = (metric_folder / "page.css").read_text()
    for scheme in ("light", "dark"):
        own = (metric_folder.parent / "space" / f"colours.{scheme}.css").read_text()
        assert own.partition("*/")[2].strip() in copy


def test_axe_finds_nothing_serious(page: Any) -> None:
    """Before and after scoring, light and dark."""
    found = {}

    def look(state: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_function(f"document.body.classList.contains('dark') === {str(scheme == 'dark').lower()}")
            found[f"{state}, {scheme}"] = serious(page)

    page.get_by_role("button", name="Fill in an example").wait_for()
    look("empty")
    page.get_by_role("button", name="Fill in an example").click()
    page.wait_for_function("document.querySelector('#predictions textarea').value.includes('cup in the air')")
    page.get_by_role("button", name="Score", exact=True).click()
    page.locator("#scores code").first.wait_for()
    look("scored")
    # The label of an empty field is in a `div` of Gradio's own.
    ours = {state: [one for one in told if "Empty value" not in one] for state, told in found.items()}
    assert ours == {"empty, light": [], "empty, dark": [], "scored, light": [], "scored, dark": []}
