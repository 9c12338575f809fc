"""Models in this process: loaded once, on a GPU that is lent where there is one to lend; and settings that go together."""

import threading
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import space.local
from agent.loops import run
from agent.simulated import serve
from dataset_builder.errors import InputError
from space.backends import open_backends
from space.endpoint import Endpoint
from space.examination import Examination
from space.settings import Settings
from space.uploads import read_picture
from tests.space.conftest import EXAMPLES


def test_a_process_loads_a_model_once(monkeypatch: pytest.MonkeyPatch, adapter: Path) -> None:
    """However often it is opened, with an adapter or without: all share the weights, and the lock that guards them."""
    loads, load = [], space.local.load
    space.local._weights.cache_clear()
    monkeypatch.setattr(space.local, "load", lambda model: loads.append(model) or load(model))
    tuned, base = space.local.open_local("tiny", str(adapter))
    alone, _ = space.local.open_local("tiny", None)
    assert len(loads) == 1
    assert base is not None
    assert tuned._weights is base._weights is alone._weights
    space.local._weights.cache_clear()


def test_the_first_visitor_does_not_wait_for_what_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model in this process has answered once before the page is served."""
    asked, examine = [], space.local.Local.examine

    def counted(model: Any, picture: Any, language: str = "") -> Any:
        asked.append(picture.image_id)
        return examine(model, picture, language)

    monkeypatch.setattr(space.local.Local, "examine", counted)
    open_backends(Settings())
    assert asked == ["clean.png"]


def test_on_zerogpu_a_gpu_is_asked_for_while_a_model_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """`spaces.GPU` wraps the generator that answers, before the page is served; only the picture goes through it."""
    lent: list[tuple[Any, ...]] = []

    def gpu(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @wraps(function)
        def lending(*arguments: Any) -> Iterator[Any]:
            lent.append(arguments)
            yield from function(*arguments)

        return lending

    monkeypatch.setattr(space.local, "spaces", SimpleNamespace(GPU=gpu))
    model, _ = space.local.open_local("tiny", None)
    assert lent == []
    picture = read_picture((EXAMPLES / "clean.png").read_bytes(), "clean.png")
    ended = list(model.examine(picture))[-1]
    assert ended.ended
    assert lent == [(picture.image,)]


def test_closing_an_examination_stops_the_model() -> None:
    """At its next word: the lock is free, and the next picture is examined from the beginning."""
    model, _ = space.local.open_local("tiny", None)
    picture = read_picture((EXAMPLES / "clock.png").read_bytes(), "clock.png")
    before = threading.active_count()
    looking = model.examine(picture)
    next(looking)
    next(looking)  # it writes
    looking.close()
    assert not model._weights.lock.locked()
    assert threading.active_count() == before
    assert list(model.examine(picture))[-1].ended


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "localhost:8000"}, "--base-url localhost:8000: is not a web address"),
        ({"base_url": "http://x/v1"}, "--base-url: needs --model"),
        ({"base_url": "http://x/v1", "model": "m", "adapter": "a"}, "leave out --adapter or --base-url"),
        ({"thorough": True}, "--thorough: AnomAgent needs an endpoint"),
        ({"run": Path("nowhere")}, "--run nowhere: no such directory"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options: dict[str, Any], words: str) -> None:
    """In one sentence that says what to do."""
    with pytest.raises(InputError, match=words):
        Settings(**options)


def test_settings_come_from_the_environment_of_a_space() -> None:
    """Every option has its variable."""
    variables = {"MODEL": "m", "BASE_URL": "https://x/v1", "COMPARE": "tiny", "THOROUGH": "true", "BOXES": "1"}
    settings = Settings.from_environment({f"ANOMREASON_{name}": value for name, value in variables.items()})
    assert settings == Settings("m", None, "https://x/v1", "tiny", True, None, True)


def test_a_key_goes_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hugging Face's token to Hugging Face alone, unless told otherwise."""
    monkeypatch.delenv("ANOMREASON_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HF_TOKEN", "token")
    assert Settings.key("https://example.org/v1") is None
    assert Settings.key("https://router.huggingface.co/v1") == "token"
    monkeypatch.setenv("ANOMREASON_API_KEY", "key")
    assert Settings.key("https://example.org/v1") == "key"


def test_an_endpoint_answers_where_a_loop_runs_already(scenes: Path) -> None:
    """As in a notebook, whose cells run in a loop."""
    odd = next((scenes / "images").glob("*_odd.png"))

    async def cell(url: str) -> list[Examination]:
        return list(Endpoint(url, "simulated").examine(read_picture(odd.read_bytes(), odd.name)))

    with serve(scenes) as url:
        *_, last = run(cell(url))
    assert last.status == "anomalies"
