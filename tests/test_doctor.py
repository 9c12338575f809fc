"""`anomreason doctor`: this machine, and a good, a wrong and a dead endpoint."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

import anomreason
from dataset_builder import command_line
from metric_semap.errors import SemapError
from tests.scripted_endpoint import Asked, Said, completion, serve_scripted
from trainer.doctor import _shadows


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and what was found, by what it is about."""
    code = command_line.run(anomreason.app, ["doctor", "--json", *arguments], (SemapError,))
    return code, {one["about"]: one for one in json.loads(capsys.readouterr().out)}


def _good(asked: Asked, number: int) -> Said:
    """A model that sees colours and squares, obeys schemas, and states its limits."""
    content = asked.body["messages"][0]["content"]
    text = content[-1]["text"]
    if "response_format" in asked.body:
        return completion('{"sum": 5}')
    if "bounding box" in text:
        return completion("[216, 48, 340, 126]")
    if "colour" in text:
        return completion("Red.")
    return completion("OK")._replace(headers={"x-ratelimit-limit-requests": "500"})


def _poor(asked: Asked, number: int) -> Said:
    """A model that takes PNG only, knows no schemas and no boxes."""
    content = asked.body["messages"][0]["content"]
    if "response_format" in asked.body:
        return Said(400, {"error": {"message": "response_format is not supported"}})
    if "image/webp" in str(content[0]) or "image/jpeg" in str(content[0]):
        return Said(400, {"error": {"message": "unsupported picture"}})
    return completion("I see something.")


def test_a_good_endpoint_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    """Schemas, three picture formats, boxes as its family gives them, and rates, with one small request each."""
    with serve_scripted(_good) as endpoint:
        _, found = doctor(capsys, "--base-url", endpoint.base_url, "--model", "scripted")
    for about in (
        "endpoint",
        "chat completions",
        "schema",
        "pictures as PNG",
        "pictures as JPEG",
        "pictures as WebP",
        "boxes",
    ):
        assert found[about]["state"] == "ok", found[about]
    assert "500" in found["rates"]["found"]
    assert len(endpoint.asked) == 6


@pytest.mark.parametrize(
    ("model", "box", "state", "found"),
    [
        ("mine", "[540, 160, 850, 420]", "note", "given in thousandths of its sides; set --boxes permille"),
        ("mine", '```json\n{"bbox_2d": [0.54, 0.16, 0.85, 0.42]}\n```', "note", "set --boxes fraction"),
        ("qwen3-vl", "[540, 160, 850, 420]", "ok", "given in thousandths of its sides"),
        ("gemini-2.5-flash", "[160, 540, 420, 850]", "ok", "given in thousandths of its sides, y before x"),
        ("qwen3-vl", "[216, 48, 340, 126]", "note", "set --boxes pixels"),
        ("mine", "[160, 540, 420, 850]", "note", "which --boxes does not support"),
        ("mine", "[0, 0, 9, 9]", "note", "wrong in every convention"),
    ],
)
def test_the_convention_of_boxes_is_told_by_a_probe(
    model: str, box: str, state: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the model answered in, and whether it is what its family is known for."""

    def script(asked: Asked, number: int) -> Said:
        about_a_box = "bounding box" in asked.body["messages"][0]["content"][-1]["text"]
        return completion(box) if about_a_box else _good(asked, number)

    with serve_scripted(script) as endpoint:
        _, told = doctor(capsys, "--base-url", endpoint.base_url, "--model", model)
    assert told["boxes"]["state"] == state
    assert found in told["boxes"]["found"]


def test_what_an_endpoint_cannot_do_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused schema and a format that is not taken, each with the server's own words."""
    with serve_scripted(_poor) as endpoint:
        code, found = doctor(capsys, "--base-url", endpoint.base_url, "--model", "scripted")
    assert code == 3
    assert "response_format is not supported" in found["schema"]["found"]
    assert found["pictures as JPEG"]["state"] == "problem"
    assert "unsupported picture" in found["pictures as JPEG"]["found"]
    assert found["boxes"]["state"] == "note"


def _no_such_model(asked: Asked, number: int) -> Said:
    return Said(404, {"error": {"message": f"no model {asked.body['model']}, key {asked.headers['authorization']}"}})


def test_a_wrong_model_and_a_dead_address_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the fix and exit code 3; nothing more is asked, and no key is shown."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-mine")
    with serve_scripted(_no_such_model) as endpoint:
        code, found = doctor(capsys, "--base-url", endpoint.base_url, "--model", "wrong")
    assert code == 3
    assert "check --model" in found["chat completions"]["found"]
    assert "sk-secret-of-mine" not in json.dumps(found)
    assert len(endpoint.asked) == 1
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, found = doctor(capsys, "--base-url", f"http://127.0.0.1:{port}/v1", "--model", "any")
    assert code == 3
    assert "check that it is running" in found["endpoint"]["found"]
    assert "schema" not in found


def test_what_works_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Versions, extras, recipes, keys, encoders, plain names, modules, disk: a line for each, and modules that are shadowed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    code, found = doctor(capsys)
    assert code == 0
    assert found["encoder minilm"]["state"] == "ok"
    assert found["recipe qwen3vl_8b"]["state"] == "unknown"
    assert found["extra train"]["state"] == "ok"
    assert "not set" in found["HF_TOKEN"]["found"]
    assert 'load_dataset("anomreason")' in found
    assert found["modules"]["state"] == "ok"
    assert "writable" in found["current directory"]["found"]
    (tmp_path / "agent.py").write_text("")
    (tmp_path / "anomreason").mkdir()
    code, found = doctor(capsys)
    assert code == 3
    assert "agent.py" in found["modules"]["found"]
    assert str(tmp_path) in found['load_dataset("anomreason")']["found"]


def test_the_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json: a table on stdout. An endpoint wants its model's name."""
    command_line.run(anomreason.app, ["doctor"], (SemapError,))
    shown: Any = capsys.readouterr().out
    assert "Python" in shown
    assert "extra demo" in shown
    assert command_line.run(anomreason.app, ["doctor", "--base-url", "http://127.0.0.1:9/v1"], (SemapError,)) == 2
    assert "give both or neither" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("list_of", "holds"), [("RECORD", "space/__init__.py,sha256=x,9\n"), ("top_level.txt", "space\n")]
)
def test_an_installed_package_with_a_module_of_our_name_is_told(
    list_of: str, holds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By either list that installers leave; a folder of that name deeper in a package is none."""
    for name, files in (("other", {list_of: holds}), ("deeper", {"RECORD": "deeper/space/__init__.py,,\n"})):
        place = tmp_path / f"{name}-1.0.dist-info"
        place.mkdir()
        for file, text in (files | {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}).items():
            (place / file).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert shadows() == []
    monkeypatch.syspath_prepend(str(tmp_path))
    assert shadows() == [
        "shadowed by other, which is installed, has a module space; rename the file, or uninstall the other package"
    ]


def shadows() -> list[str]:
    return [told.found for told in _shadows() if told.state == "problem"]
