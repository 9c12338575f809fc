"""The API and the MCP tool on scenes, clean and broken pictures; what the server refuses to fetch or read."""

import base64
import io
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

from agent.loops import run
from dataset_builder.predictions import UNKNOWN
from dataset_builder.scenes import read_scenes
from tests.serving import Served
from tests.space.conftest import EXAMPLES
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


def test_the_mcp_tool_examines(tiny: Served) -> None:
    """A picture goes in as data, JSON comes out, nothing is left; addresses and rubbish are errors in words."""

    def data(content: bytes) -> str:
        return "data:image/png;base64," + base64.b64encode(content).decode()

    async def call() -> list[Any]:
        address = tiny.url + "gradio_api/mcp/"
        async with streamablehttp_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            scene = data((EXAMPLES / "clock.png").read_bytes())
            Image.effect_noise((168, 168), 90).convert("RGB").save(noise, "PNG")
            odd = ("data:image/png;base64,!", "http://127.0.0.1:9/x.png")
            pictures = (scene, scene, data(noise.getvalue()), data(b"rubbish"), *odd)
            return [tools, *[await session.call_tool("examine", {"image": picture}) for picture in pictures]]

    noise = io.BytesIO()
    tools, good, again, unknown, rubbish, no_base64, address = run(call())
    assert [tool.name for tool in tools] == ["examine", "compare"]
    assert "data:" in tools[0].inputSchema["properties"]["image"]["description"]
    answer = json.loads(good.content[0].text)
    assert answer["status"] in ("anomalies", "none", "partial")
    assert set(answer) == {"image_id", "status", "verdict", "anomalies"}
    assert json.loads(again.content[0].text) == answer
    told = json.loads(unknown.content[0].text)
    assert (told["status"], told["anomalies"], told["message"]) == ("unknown", [], UNKNOWN)
    assert "unknown" in tools[0].description
    for refused, words in ((rubbish, "not a picture"), (no_base64, "no base64"), (address, "fetches no web addresses")):
        assert refused.isError
        assert words in refused.content[0].text
    assert not [path for path in tiny.uploads.rglob("*") if path.is_file()]
