"""The API on scenes, clean and broken pictures; what the server refuses to fetch or read."""

import html
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dataset_builder.predictions import UNKNOWN
from dataset_builder.scenes import read_scenes
from tests.serving import Served
from tests.space.conftest import EXAMPLES, upload
from tests.stub_endpoint import StubEndpoint


@pytest.fixture(scope="module")
def client(tiny: Served) -> Client:
    return Client(tiny.url, verbose=False)


def test_examine_gives_the_contracts_answer(client: Client, tiny: Served) -> None:
    """A scene's anomalies with boxes inside the picture; the upload is gone afterwards."""
    answer = client.predict(handle_file(EXAMPLES / "mirror.png"), api_name="/examine")
    assert set(answer) == {"image_id", "status", "verdict", "anomalies"}
    assert answer["image_id"] == "mirror.png"
    assert answer["status"] in ("anomalies", "none", "partial")
    assert answer["verdict"] is None
    for anomaly in answer["anomalies"]:
        assert set(anomaly) == {"name", "phenomenon", "reasoning", "severity", "bbox"}
        assert all(0 <= corner <= 168 for corner in anomaly["bbox"] or [])
    assert not [path for path in tiny.uploads.rglob("*") if path.is_file()]


def test_a_clean_scene_has_no_anomalies(endpoint: Served, stub: StubEndpoint) -> None:
    """An empty list is an answer; a model that can, gives a verdict with its probability."""
    answer = Client(endpoint.url, verbose=False).predict(handle_file(EXAMPLES / "clean.png"), api_name="/examine")
    assert answer["status"] == "none"
    assert answer["anomalies"] == []
    assert answer["verdict"] == {"label": "fake", "p_fake": pytest.approx(0.818, abs=5e-4)}


def test_a_picture_of_a_kind_that_the_model_does_not_know(client: Client, tiny: Served, tmp_path: Path) -> None:
    """The status, a sentence that says what to use instead, and no anomalies; the upload is gone as any other."""
    Image.effect_noise((300, 200), 90).convert("RGB").save(tmp_path / "noise.png")
    answer = client.predict(handle_file(tmp_path / "noise.png"), api_name="/examine")
    assert answer == {
        "image_id": "noise.png",
        "status": "unknown",
        "verdict": None,
        "anomalies": [],
        "message": UNKNOWN,
    }
    both = client.predict(handle_file(tmp_path / "noise.png"), api_name="/compare")
    assert {model: one["status"] for model, one in both.items()} == dict.fromkeys(both, "unknown")
    assert not [path for path in tiny.uploads.rglob("*") if path.is_file()]


def test_a_broken_picture_is_an_error_in_words(client: Client, tmp_path: Path) -> None:
    """The same sentence that the page shows, and no trace of the server's insides."""
    (tmp_path / "cut.png").write_bytes((EXAMPLES / "mirror.png").read_bytes()[:2000])
    with pytest.raises(AppError, match="damaged or cut off"):
        client.predict(handle_file(tmp_path / "cut.png"), api_name="/examine")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.png", "https://example.com/x.png"])
def test_addresses_are_not_fetched(client: Client, address: str) -> None:
    """Neither as a picture nor as a file to hand on."""
    with pytest.raises(AppError, match="fetches no web addresses"):
        client.predict({"path": address, "meta": {"_type": "gradio.FileData"}}, api_name="/examine")


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=../../etc/passwd",
        "gradio_api/file=http://127.0.0.1:9/",
        "gradio_api/file=https:%2F%2Fexample.com",
        "gradio_api/proxy=http://127.0.0.1:9/",
        f"gradio_api/file={EXAMPLES.parent / 'app.py'}",
        "gradio_api/deep_link?session_hash=x",
        "gradio_api/process_recording",
        "gradio_api/vibe-code",
        "monitoring/summary",
    ],
)
def test_the_servers_files_and_neighbours_stay_out_of_reach(tiny: Served, path: str) -> None:
    """Refused, whoever asks; so is what Gradio would do for anyone and the page has no use for."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(tiny.url + path)
    assert refused.value.code in (403, 404)


@pytest.mark.parametrize(
    "file", [{"path": "/etc/passwd"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]
)
def test_a_path_of_the_server_is_no_upload(client: Client, tiny: Served, file: dict[str, Any]) -> None:
    """It is neither read nor deleted, and the error says nothing of what is there."""
    with pytest.raises(Exception) as refused:  # noqa: PT011  # Gradio's, or ours
        client.predict(file, api_name="/examine")
    assert "root:" not in str(refused.value)
    assert Path("/etc/passwd").exists()


def test_a_key_is_sent_to_the_model_alone(endpoint: Served, stub: StubEndpoint) -> None:
    """The endpoint's key appears in no page, no configuration and no log; a token for Hugging Face goes nowhere else."""
    Client(endpoint.url, verbose=False).predict(handle_file(EXAMPLES / "clean.png"), api_name="/examine")
    assert stub.keys == {"Bearer secret-key-7"}
    for path in ("", "config", "gradio_api/info"):
        page = urllib.request.urlopen(endpoint.url + path).read()
        assert b"secret-key-7" not in page
        assert b"secret-token-8" not in page
    assert "secret-" not in endpoint.log.read_text()


def test_the_same_picture_sent_at_once_is_examined_as_often(client: Client, tiny: Served) -> None:
    """Nobody's upload is another's: the first to be read deletes its own alone."""
    picture = handle_file(EXAMPLES / "mirror.png")
    answers = [job.result() for job in [client.submit(picture, api_name="/examine") for _ in range(5)]]
    assert all(answer == answers[0] for answer in answers)
    assert not [path for path in tiny.uploads.rglob("*") if path.is_file()]


def test_comparing_and_being_thorough_are_calls_too(client: Client, thorough: Served, scenes: Path) -> None:
    """An answer by model; AnomAgent's answer in the same form, with boxes inside the picture."""
    both = client.predict(handle_file(EXAMPLES / "clock.png"), api_name="/compare")
    assert list(both) == ["tiny + adapter", "tiny (base)"]
    assert both["tiny + adapter"] == both["tiny (base)"]
    row = next(row for row in read_scenes(scenes) if row.anomalies)
    picture = handle_file(scenes / "images" / row.image_id)
    answer = Client(thorough.url, verbose=False).predict(picture, api_name="/thorough")
    assert answer["image_id"] == row.image_id
    assert answer["status"] == "anomalies"
    assert len(answer["anomalies"]) == len(row.anomalies)
    for anomaly in answer["anomalies"]:
        x0, y0, x1, y1 = anomaly["bbox"]
        assert 0 <= x0 < x1 <= 168
        assert 0 <= y0 < y1 <= 168
    assert not [path for path in thorough.uploads.rglob("*") if path.is_file()]


def test_examine_streams_and_says_what_was_lost(endpoint: Served, stub: StubEndpoint) -> None:
    """An answer as far as it has come, before the model has ended; then what became of it, and why it is partial."""
    hold = threading.Event()
    stub.pieces, stub.dies = ['[{"name": "A", "phenomenon": "b", "severity": 5}', hold], True
    job = Client(endpoint.url, verbose=False).submit(handle_file(EXAMPLES / "clean.png"), api_name="/examine")
    seen = []
    for answer in job:
        seen.append(answer)
        if answer["anomalies"]:
            hold.set()
    assert next(one["status"] for one in seen if one["anomalies"]) == "looking"
    assert seen[-1]["status"] == "partial"
    assert "stopped in the middle" in seen[-1]["message"]
    assert [one["name"] for one in seen[-1]["anomalies"]] == ["A"]


@pytest.mark.parametrize("way", ["python", "curl"])
def test_an_abandoned_request_leaves_the_line_and_stops_the_model(
    endpoint: Served, stub: StubEndpoint, tmp_path: Path, way: str
) -> None:
    """Whoever asked is killed; the model is hung up on, though it would have written for minutes."""
    stub.pieces, stub.delay = ["["] + [" "] * 3000, 0.05
    code = dict(snippets_of(endpoint))["python" if way == "python" else "bash"]
    (tmp_path / "picture.jpg").write_bytes((EXAMPLES / "clean.png").read_bytes())
    command = [sys.executable, "-c", code] if way == "python" else ["bash", "-c", code]
    asking = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    while not stub.asked:
        assert asking.poll() is None
        time.sleep(0.02)
    os.killpg(asking.pid, signal.SIGKILL)
    asking.wait()
    assert stub.hung_up.wait(60), "the model went on writing"


def test_whoever_asks_and_never_comes_for_the_answer_leaves_the_line(endpoint: Served, stub: StubEndpoint) -> None:
    """A few seconds later the model is hung up on."""
    stub.pieces, stub.delay = ["["] + [" "] * 3000, 0.05
    place = upload(endpoint, EXAMPLES / "clean.png")
    picture = {"path": place, "meta": {"_type": "gradio.FileData"}}
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"data": [picture]}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{endpoint.url}gradio_api/call/examine", body, headers)).read()
    assert stub.hung_up.wait(60), "the model went on writing"


def snippets_of(served: Served) -> list[tuple[str, str]]:
    """The snippets on a page, as they are printed, by language."""
    page = urllib.request.urlopen(served.url).read().decode()
    found = re.findall(r'<code data-snippet="(\w+)">(.*?)</code>', page, re.DOTALL)
    return [(name, html.unescape(code)) for name, code in found]


def test_the_snippets_on_the_page_run_as_they_are_printed(endpoint: Served, stub: StubEndpoint, tmp_path: Path) -> None:
    """The shell's and Python's give the answer; MCP's names a server that is there."""
    stub.pieces = ['[{"name": "Cup", "phenomenon": "It hovers.", "severity": 5}]']
    (tmp_path / "picture.jpg").write_bytes((EXAMPLES / "clean.png").read_bytes())
    codes = dict(snippets_of(endpoint))
    said = subprocess.run(["bash", "-c", codes["bash"]], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    *_, last = [line for line in said.stdout.splitlines() if line.startswith("data: [")]
    (answer,) = json.loads(last.removeprefix("data: "))
    assert (answer["image_id"], answer["status"], answer["anomalies"][0]["name"]) == ("picture.jpg", "anomalies", "Cup")
    said = subprocess.run(
        [sys.executable, "-c", codes["python"]], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert said.stdout.splitlines()[-1] == "anomalies ['Cup']"
    (server,) = json.loads(codes["json"])["mcpServers"].values()
    assert server["url"] == f"{endpoint.url}gradio_api/mcp/"


def test_the_snippets_of_the_space_s_card_are_those_of_the_page(endpoint: Served) -> None:
    """With the Space's address."""
    card = (EXAMPLES.parent / "README.md").read_text()
    for _, code in snippets_of(endpoint):
        assert code.replace(endpoint.url.rstrip("/"), "https://ORG-anomreason-demo.hf.space") in card
