"""The MCP server, as a client sees it that knows nothing but what the server says of itself."""

import asyncio
import base64
import io
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from jsonschema import validate
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

from agent.loops import run
from dataset_builder.predictions import UNKNOWN
from tests.serving import Served
from tests.space.conftest import EXAMPLES, upload
from tests.stub_endpoint import StubEndpoint


def ask(served: Served, what: Callable[[ClientSession], Awaitable[Any]]) -> Any:
    """What a client learns in one session."""

    async def session() -> Any:
        address = served.url + "gradio_api/mcp/"
        async with streamablehttp_client(address) as (read, write, _), ClientSession(read, write) as client:
            return await what(client)

    return run(session())


def examine(served: Served, *images: str, **more: str) -> list[Any]:
    """The tool's results for pictures, one after the other."""

    async def call(client: ClientSession) -> list[Any]:
        await client.initialize()
        return [await client.call_tool("examine", {"image": image, **more}) for image in images]

    found: list[Any] = ask(served, call)
    return found


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_what_the_server_says_of_itself(tiny: Served) -> None:
    """Its name, this project's version, tools with schemas of what they take and give; none of them changes a verdict."""

    async def look(client: ClientSession) -> Any:
        return await client.initialize(), (await client.list_tools()).tools

    started, tools = ask(tiny, look)
    assert started.serverInfo.name == "AnomReason"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", started.serverInfo.version)
    assert [tool.name for tool in tools] == ["examine", "compare"]
    assert all(tool.annotations.readOnlyHint for tool in tools)
    takes = tools[0].inputSchema
    assert takes["required"] == ["image"]
    said = takes["properties"]["image"]["description"]
    assert all(word in said for word in ("base64", "/gradio_api/upload", "20 MB"))
    assert "https" not in said, "it promises to fetch what it will not"
    assert set(tools[0].outputSchema["properties"]["status"]["enum"]) == {"anomalies", "none", "partial", "unknown"}


def test_every_form_that_the_description_names_is_taken(tiny: Served) -> None:
    """Bare base64, a data: address, the path of an upload; the results are the same, structured, and nothing is left behind."""
    scene = EXAMPLES / "clock.png"
    forms = (encoded(scene), f"data:image/png;base64,{encoded(scene)}", upload(tiny, scene))
    bare, data, path = examine(tiny, *forms)
    assert [one.isError for one in (bare, data, path)] == [False] * 3, path.content
    assert bare.structuredContent == data.structuredContent
    assert path.structuredContent == bare.structuredContent | {"image_id": "clock.png"}
    assert json.loads(bare.content[0].text) == bare.structuredContent
    assert bare.structuredContent["status"] in ("anomalies", "none", "partial")
    (named,) = examine(tiny, encoded(scene), name="mine.png")
    assert named.structuredContent["image_id"] == "mine.png"
    assert not [path for path in tiny.uploads.rglob("*") if path.is_file()]


def test_results_are_what_the_schema_says(tiny: Served, endpoint: Served, stub: StubEndpoint) -> None:
    """Whatever became of the picture: unknown and partial with their reason, none with its verdict."""

    async def look(client: ClientSession) -> Any:
        await client.initialize()
        return (await client.list_tools()).tools[0].outputSchema

    schema = ask(tiny, look)
    noise = io.BytesIO()
    Image.effect_noise((168, 168), 90).convert("RGB").save(noise, "PNG")
    (unknown,) = examine(tiny, base64.b64encode(noise.getvalue()).decode())
    assert unknown.structuredContent["message"] == UNKNOWN
    (none,) = examine(endpoint, encoded(EXAMPLES / "clean.png"))
    assert none.structuredContent["verdict"]["label"] == "fake"
    stub.pieces, stub.dies = ['[{"name": "A", "phenomenon": "b", "severity": 5}'], True
    (partial,) = examine(endpoint, encoded(EXAMPLES / "clean.png"))
    assert "stopped in the middle" in partial.structuredContent["message"]
    for found, status in ((unknown, "unknown"), (none, "none"), (partial, "partial")):
        assert found.structuredContent["status"] == status
        validate(found.structuredContent, schema)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("data:image/png;base64,!", "neither base64 nor the path"),
        ("http://127.0.0.1:9/x.png", "fetches no web addresses"),
        ("/etc/passwd", "neither base64 nor the path"),
        (base64.b64encode(b"rubbish").decode(), "not a picture"),
        ("", "empty"),
    ],
)
def test_what_is_not_a_picture_is_an_error_in_words(tiny: Served, image: str, words: str) -> None:
    """The sentence that the page would show, and nothing of the server's insides."""
    (refused,) = examine(tiny, image)
    assert refused.isError
    assert words in refused.content[0].text


def test_the_path_of_another_file_is_refused(tiny: Served) -> None:
    """Below the folder of uploads or not, by whatever way."""
    inside = tiny.uploads / "x" / ".." / ".." / "log"
    for path in (str(inside), str(tiny.log)):
        (refused,) = examine(tiny, path)
        assert refused.isError
    assert tiny.log.exists()


def test_a_tool_waits_in_the_same_line_as_everyone(endpoint: Served, stub: StubEndpoint) -> None:
    """Behind eight pictures of the API, which fill the model; it is answered once they are."""
    hold = threading.Event()
    stub.pieces = [hold, "[]"]
    client = Client(endpoint.url, verbose=False)
    picture = handle_file(EXAMPLES / "floating.png")
    jobs = [client.submit(picture, api_name="/examine") for _ in range(8)]
    while len(stub.asked) < 8:
        assert not any(job.done() for job in jobs)
        time.sleep(0.02)

    async def wait(session: ClientSession) -> Any:
        await session.initialize()
        call = asyncio.create_task(session.call_tool("examine", {"image": encoded(EXAMPLES / "clock.png")}))
        await asyncio.sleep(1.0)
        assert not call.done()
        assert len(stub.asked) == 8, "it went past the line"
        hold.set()
        return await call

    assert ask(endpoint, wait).structuredContent["status"] == "none"
    assert [job.result()["status"] for job in jobs] == ["none"] * 8


def test_a_client_that_leaves_stops_the_model(endpoint: Served, stub: StubEndpoint) -> None:
    """It is hung up on in the middle of its answer, long before that ends."""
    stub.pieces, stub.delay = ["["] + [" "] * 3000, 0.05

    async def leave(session: ClientSession) -> None:
        await session.initialize()
        call = asyncio.create_task(session.call_tool("examine", {"image": encoded(EXAMPLES / "clock.png")}))
        while not stub.asked:
            await asyncio.sleep(0.02)
        call.cancel()

    ask(endpoint, leave)
    assert stub.hung_up.wait(60), "the model went on writing"
