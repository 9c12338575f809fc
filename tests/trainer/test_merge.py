"""Merging: one model with the adapter's answers, served like any other."""

import base64
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dataset_builder.errors import InputError, OutputError
from dataset_builder.prompts import PROMPTS
from dataset_builder.scenes import pair
from dataset_builder.textform import parse_answer
from tests.adapters import make_adapter
from trainer import loading
from trainer.merge import merge
from trainer.predict import predict


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on tiny."""
    return make_adapter(tmp_path_factory.mktemp("made") / "adapter")


@pytest.fixture(scope="module")
def merged(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, merged in float32."""
    return merge(str(adapter), tmp_path_factory.mktemp("merged") / "model", dtype="float32")


def test_the_merged_model_answers_as_the_adapter_does(adapter: Path, merged: Path) -> None:
    """Loaded by itself: the same texts; safetensors alone, and no path of this machine in its files."""
    pictures = [(str(index), pair(41, index)[0].image) for index in range(4)]
    answers = [answer.raw for answer in predict(pictures, *loading.load(str(merged)))]
    assert answers == [answer.raw for answer in predict(pictures, *loading.load(None, str(adapter)))]
    assert answers != [answer.raw for answer in predict(pictures, *loading.load("tiny"))]
    assert not [path for path in merged.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]
    text = b"".join(path.read_bytes() for path in merged.iterdir() if path.suffix != ".safetensors")
    assert str(loading.TINY).encode() not in text
    assert str(adapter.parent).encode() not in text


def test_merging_keeps_the_base_s_dtype_and_overwrites_nothing(adapter: Path, tmp_path: Path) -> None:
    """The tiny base is bfloat16, so the merged model is; a directory with something in it is refused."""
    out = merge(str(adapter), tmp_path / "out")
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    merge(str(adapter), out)  # its own files, unchanged
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.md").write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        merge(str(adapter), tmp_path / "mine")
    with pytest.raises(InputError, match="--dtype int3"):
        merge(str(adapter), tmp_path / "other", dtype="int3")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        merge(str(adapter), tmp_path / "file" / "out")
    assert not (tmp_path / "other").exists()


def test_transformers_serve_answers_with_the_adapter(adapter: Path, merged: Path, tmp_path: Path) -> None:
    """A real server gives the answer of `predict`: merged, as a copy of the base with the adapter's files in it, and the base
    itself, whose answer our parser reads."""
    beside = tmp_path / "beside"
    shutil.copytree(adapter, beside)
    shutil.copytree(loading.TINY, beside, dirs_exist_ok=True)
    pictures = [(str(index), pair(41, index)[0]) for index in range(4)]
    shown = [(name, picture.image) for name, picture in pictures]
    base, tuned = (
        [answer.raw for answer in predict(shown, *loading.load(None, name))] for name in (None, str(adapter))
    )
    at = next(index for index in range(4) if base[index] != tuned[index])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    url = f"data:image/png;base64,{base64.b64encode(pictures[at][1].png()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": PROMPTS["anomalies"]}]
    asked = {"messages": [{"role": "user", "content": content}], "max_tokens": 200, "temperature": 0}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for model, answers in ((merged, tuned), (beside, tuned), (loading.TINY, base)):
                body = asked | {"model": str(model)}
                answer = _post(f"http://127.0.0.1:{port}/v1/chat/completions", body, server, tmp_path / "log")
                assert answer["choices"][0]["message"]["content"] == answers[at], model.name
        finally:
            server.terminate()
            server.wait(timeout=60)
    assert parse_answer(base[at]).status in ("anomalies", "none")


def _post(url: str, asked: object, server: subprocess.Popen[bytes], log: Path) -> dict:  # type: ignore[type-arg]
    request = urllib.request.Request(url, json.dumps(asked).encode(), {"Content-Type": "application/json"})
    deadline = time.monotonic() + 240
    while True:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.read().decode()}\n{log.read_text()[-2000:]}") from None
        except OSError:
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.5)
