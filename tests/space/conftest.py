"""Three servers: the tiny model with an adapter, an endpoint that says what a test tells it to, AnomAgent with a run to review."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import simulated
from tests.reviewing import write_run
from tests.serving import Served, serve_space
from tests.stub_endpoint import StubEndpoint, serve_stub

EXAMPLES = Path(__file__).resolve().parents[2] / "space" / "examples"


def upload(served: Served, path: Path) -> str:
    """A file sent to a server, as its tool's description says; the path that comes back."""
    edge = "anomreason"
    body = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'.encode()
    body += path.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    request = urllib.request.Request(served.url + "gradio_api/upload", body, headers)
    (place,) = json.load(urllib.request.urlopen(request))
    return str(place)


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained adapter of the tiny model: it answers as its base does, and knows what that knows."""
    from peft import LoraConfig, get_peft_model

    from trainer.loading import load
    from trainer.sft import LORA_MODULES

    out = tmp_path_factory.mktemp("adapter") / "adapter"
    base, _ = load("tiny")
    get_peft_model(base, LoraConfig(r=2, target_modules=LORA_MODULES)).save_pretrained(out)
    base.known.write(out)
    return out


# To the end of these tests, not of all: even a server that nobody asks takes some of the processor.
@pytest.fixture(scope="package")
def tiny(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tiny model with an adapter, asked for boxes."""
    with serve_space(tmp_path_factory.mktemp("tiny"), "--adapter", str(adapter), "--boxes") as served:
        yield served


@pytest.fixture(scope="package")
def _endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, StubEndpoint]]:
    with serve_stub() as stub:
        options = ("--base-url", stub.base_url, "--model", "stub", "--boxes")
        variables = {"ANOMREASON_API_KEY": "secret-key-7", "HF_TOKEN": "secret-token-8"}
        with serve_space(tmp_path_factory.mktemp("endpoint"), *options, **variables) as served:
            yield served, stub


@pytest.fixture
def endpoint(_endpoint: tuple[Served, StubEndpoint]) -> Served:
    """A page in front of `stub`."""
    return _endpoint[0]


@pytest.fixture
def stub(_endpoint: tuple[Served, StubEndpoint]) -> StubEndpoint:
    """The model behind `endpoint`, as new."""
    _endpoint[1].reset()
    return _endpoint[1]


@pytest.fixture(scope="session")
def run(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over `scenes`, to review."""
    return write_run(tmp_path_factory.mktemp("annotated") / "run", scenes)


@pytest.fixture(scope="package")
def thorough(scenes: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """AnomAgent in front of the simulated model, which takes its time, with `run` mounted."""
    with simulated.serve(scenes, latency=0.75) as base_url:
        options = ("--base-url", base_url, "--model", "simulated", "--thorough", "--run", str(run))
        with serve_space(tmp_path_factory.mktemp("thorough"), *options) as served:
            yield served


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Opens a server's page at a width, ready to be used."""
    contexts = []

    def opened(served: Served, width: int = 1440, **options: Any) -> Any:
        options = {"viewport": {"width": width, "height": 900}, "accept_downloads": True} | options
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)  # a hang guard: machines that test are busy
        page.goto(served.url)
        page.locator("#picture[data-ready=yes]").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
