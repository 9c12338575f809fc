"""Serving: the printed command, run as it stands, gives the answers of `predict`."""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from agent.direct import examine
from agent.run import Endpoint
from dataset_builder.errors import InputError, OutputError, UnavailableError
from dataset_builder.scenes import pair
from dataset_builder.stored import StoredPictures
from tests.adapters import make_adapter
from tests.commands import run_command
from trainer import serve
from trainer.loading import load
from trainer.merge import merge
from trainer.predict import predict
from trainer.serve import serving

COMMAND = Path(sys.executable).with_name("anomreason")
SMALL = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on tiny that was trained on smaller pictures than its base takes."""
    out = make_adapter(tmp_path_factory.mktemp("made") / "adapter")
    path = out / "processor_config.json"
    config = json.loads(path.read_text())
    config["image_processor"]["size"] = SMALL
    path.write_text(json.dumps(config))
    return out


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_served_answers_are_those_of_predict(adapter: Path, tmp_path: Path) -> None:
    """`anomreason serve ADAPTER --engine transformers --run`: merged, and with the adapter's pixel budget."""
    pictures = [(str(index), pair(41, index)[0]) for index in range(3)]
    shown = [(name, picture.image) for name, picture in pictures]
    model, processor = load(None, str(adapter))
    local = [answer.raw for answer in predict(shown, model, processor)]
    processor.image_processor.size = load("tiny")[1].image_processor.size
    assert local != [answer.raw for answer in predict(shown, model, processor)]
    line = [str(COMMAND), "serve", str(adapter), "--engine", "transformers", "--merged", str(tmp_path / "merged")]
    line += ["--port", str(free_port())]
    printed = run_command(*line[1:]).stdout.splitlines()
    assert printed[0].startswith(f"anomreason merge {adapter} --out {tmp_path / 'merged'}")
    ask = shlex.split(printed[2].removeprefix("# then: "))
    url, name = ask[ask.index("--base-url") + 1], ask[ask.index("--model") + 1]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([*line, "--run"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 600
        while True:
            try:
                urllib.request.urlopen(url.replace("/v1", "/health"), timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.2)
        served = examine(StoredPictures.of({one: picture.png() for one, picture in pictures}), Endpoint(name, url))
    finally:
        server.terminate()
        server.wait(60)
    assert [answer.raw for answer in served] == local
    assert serving(str(adapter), engine="transformers", merged=tmp_path / "merged").adapter is None  # it is merged now


def test_vllm_s_command_has_what_a_request_may_hold(adapter: Path) -> None:
    """Its options, word by word; vLLM itself was not run."""
    found = serving(str(adapter), port=8123)
    merging, line = map(shlex.split, found.lines())
    merged = f"{adapter}-merged"
    assert merging == ["anomreason", "merge", str(adapter), "--out", merged, "--model", "tiny", "--dtype", "auto"]
    options = dict(zip(line[3::2], line[4::2], strict=True))
    assert line[:3] == ["vllm", "serve", merged]
    # Five pictures of at most 112 × 112 pixels, a token per 28 × 28, and 8,192 tokens of text.
    assert (options["--served-model-name"], options["--max-model-len"]) == ("adapter", str(5 * 16 + 8192))
    assert json.loads(options["--limit-mm-per-prompt"]) == {"image": 5, "video": 0}
    assert found.base_url == "http://127.0.0.1:8123/v1"
    base = serving()
    assert (base.adapter, len(base.lines())) == (None, 1)


def test_what_cannot_be_served_is_told(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that nobody knows or that is not installed, a directory that holds something else, an adapter that changed."""
    with pytest.raises(InputError, match="--engine llama: is not known; choose vllm or transformers"):
        serving(str(adapter), engine="llama")
    with pytest.raises(InputError, match="only an adapter is merged"):
        serving(merged=tmp_path / "x")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"x: was not merged from .*adapter as it is now; remove it, or give another"):
        serving(str(adapter), merged=tmp_path / "x")
    other = make_adapter(tmp_path / "other")
    merge(str(other), tmp_path / "merged")
    assert serving(str(other), merged=tmp_path / "merged").adapter is None
    weights = other / "adapter_config.json"
    weights.write_text(json.dumps(json.loads(weights.read_text()) | {"lora_alpha": 8}))
    with pytest.raises(OutputError, match="was not merged from"):
        serving(str(other), merged=tmp_path / "merged")
    with pytest.raises(UnavailableError, match="nowhere: the adapter cannot be loaded"):
        serving("nowhere")

    def run(*_: Any) -> None:
        raise AssertionError("nothing may be run")

    monkeypatch.setattr(os, "execv", run)
    monkeypatch.setattr(serve.shutil, "which", lambda _: None)
    with pytest.raises(UnavailableError, match=r"vllm: is not installed .*or give --engine transformers"):
        serving(str(adapter)).run()
    assert not Path(f"{adapter}-merged").exists()
