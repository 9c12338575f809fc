"""The document and its files: packed, kept by browsers for good, and nothing loaded from anywhere else."""

import gzip
import hashlib
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from space.sharing import Card
from tests.serving import Served
from tests.space.conftest import EXAMPLES


def woken(pid: int) -> int:
    """How often the threads of a process have gone to sleep so far, which is how often they were woken."""
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)[0]) for status in statuses)


def got(address: str, **headers: str) -> tuple[bytes, Any]:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
        return answer.read(), answer.headers


def test_the_document_and_its_files_are_packed_and_kept(endpoint: Served) -> None:
    """Every script and style sheet that the document names is there, a fraction of its size on the way, never asked for again."""
    packed, headers = got(endpoint.url, **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Cache-Control"] == "no-store"
    document = gzip.decompress(packed).decode()
    assert document.encode() == got(endpoint.url)[0]
    files = set(re.findall(r'(?:src|href)="(page/[^"]+\.(?:js|css))"', document))
    assert {name.rsplit("/", 1)[1] for name in files} == {"page.js", "server.js", "evidence.js", "sheet.js", "page.css"}
    for name in files:
        packed, headers = got(endpoint.url + name, **{"Accept-Encoding": "gzip"})
        plain, _ = got(endpoint.url + name)
        assert headers["Content-Encoding"] == "gzip"
        assert "immutable" in headers["Cache-Control"]
        assert gzip.decompress(packed) == plain
        assert len(packed) < 0.5 * len(plain)


def test_nothing_is_loaded_from_elsewhere_and_no_script_but_the_page_s_own_runs(endpoint: Served) -> None:
    """The policy says it to the browser; the document names no other place."""
    document, headers = got(endpoint.url)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert (
        re.findall(rb'(?:src|href)="(?:https?:)?//[^"]*"', re.sub(rb'<a [^>]*href="https://[^"]*"', b"", document))
        == []
    )
    assert re.findall(rb"<script(?![^>]*(?:src=|application/json))", document) == []
    assert re.findall(rb"\son\w+=", document) == []


@pytest.mark.parametrize("path", ["page/", "page/x/page.js", "page/../app.py", "page/%2e%2e/app.py"])
def test_only_the_page_s_own_files_are_there(endpoint: Served, path: str) -> None:
    """Nothing is looked up on the disk."""
    with pytest.raises(urllib.error.HTTPError):
        got(endpoint.url + path)


def test_the_frame_around_the_page_says_whether_it_is_dark(endpoint: Served) -> None:
    """As Hugging Face's does; anything else is ignored."""
    assert b'data-scheme="dark"' in got(endpoint.url + "?__theme=dark")[0]
    assert b"data-scheme" not in got(endpoint.url + '?__theme="><script>')[0]


def test_the_example_is_an_answer_about_the_shipped_scene() -> None:
    """Scenes and example are made together (`docs/make_space_scenes.py`)."""
    card = Card.model_validate_json((EXAMPLES / "example.json").read_text(encoding="utf-8"))
    assert card.sha256 == hashlib.sha256((EXAMPLES / card.image_id).read_bytes()).hexdigest()
    assert card.anomalies


def test_a_page_that_nobody_uses_sleeps(endpoint: Served) -> None:
    """Gradio alone looks 1,100 times per second; on a busy machine it would be less, never more."""
    before = woken(endpoint.pid)
    time.sleep(1)
    assert woken(endpoint.pid) - before < 120
