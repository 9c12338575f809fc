"""Every command under typical mistakes: a usage line, one sentence with the nearest match, exit code 2, and never a traceback."""

import os
import signal
import subprocess
import sys
import time
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

import anomreason
from dataset_builder import command_line, terminal
from metric_semap.errors import SemapError

COMMAND = str(Path(sys.executable).with_name("anomreason"))
FORWARDING = {"train", "grpo", "probe"}
"""What is unknown to these goes to TRL's parser, which the tests of training ask."""


def commands(group: Any = None, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command by the words it is called with."""
    for name, command in (group or get_command(anomreason.app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


ALL = list(commands())
each = pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])


def run(*arguments: object) -> int:
    """The command in this process, as `anomreason` runs it."""
    return command_line.run(anomreason.app, [str(one) for one in arguments], (SemapError,))


def assert_usage(code: int, captured: Any, *said: str) -> None:
    """A usage line and one sentence on stderr, nothing on stdout."""
    assert code == 2
    assert captured.out == ""
    usage, sentence = captured.err.strip().splitlines()
    assert usage.startswith("Usage: anomreason")
    assert sentence.startswith("anomreason: ")
    for words in said:
        assert words in sentence


@each
def test_help_is_on_stdout(words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` names every option that is not hidden, and ends with 0."""
    assert run(*words, "--help") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for option in command.params:
        if not option.hidden and option.param_type_name == "option":
            assert any(name in captured.out for name in option.opts), option.opts


@each
def test_an_unknown_option_is_told(words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And one that is nearly right is named."""
    if words[-1] in FORWARDING:
        return
    assert_usage(run(*words, "--no-such-thing"), capsys.readouterr(), "No such option: --no-such-thing")
    names = [name for option in command.params for name in option.opts if name.startswith("--")]
    longest = max(["--help", *names], key=len)
    assert_usage(run(*words, longest[:-1] + longest[-1] * 2), capsys.readouterr(), f"did you mean {longest}?")


@each
def test_a_missing_argument_is_told(words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is in the sentence."""
    required = [option for option in command.params if option.required]
    if required:
        assert_usage(run(*words), capsys.readouterr(), "Missing", f"anomreason {' '.join(words)} --help")


@each
def test_a_value_of_the_wrong_type_is_told(
    words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one out of range; each names its option."""
    given = [value for option in command.params if option.required for value in _some(option)]
    for option in command.params:
        bounds = getattr(option, "min", None), getattr(option, "max", None)
        if option.param_type_name == "option" and _kind(option) & {"int", "float"}:
            assert_usage(run(*words, *given, option.opts[0], "many"), capsys.readouterr(), option.opts[0])
        if bounds[0] is not None:
            assert_usage(run(*words, *given, option.opts[0], bounds[0] - 1), capsys.readouterr(), option.opts[0])


def _kind(option: Any) -> set[str]:
    """The names of the types in an option's annotation, without None; of one that may be repeated, the type of each value."""
    annotation = option.type_descriptor.annotation
    kinds = typing.get_args(annotation) or (annotation,)
    return {(typing.get_args(one) or (one,))[0].__name__ for one in kinds} - {"NoneType"}


def _some(option: Any) -> list[str]:
    return ["some"] if option.param_type_name == "argument" else [option.opts[0], "some"]


def test_an_unknown_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest one, in groups of commands too."""
    assert_usage(run("bild"), capsys.readouterr(), "'bild'", "Did you mean 'build'?")
    assert_usage(run("verdicts", "exprt"), capsys.readouterr(), "'exprt'", "Did you mean 'export'?")
    assert run() == 2
    assert "Usage: anomreason" in capsys.readouterr().out


def test_every_command_is_in_a_group_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` shows them under the headings of the front door."""
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for heading, names in anomreason.GROUPS.items():
        assert heading in shown
        assert all(f" {name} " in shown for name in names)
    grouped = {name for names in anomreason.GROUPS.values() for name in names}
    assert grouped == set(get_command(anomreason.app).commands)  # type: ignore[attr-defined]


def test_help_on_a_narrow_terminal_loses_no_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 40 columns every option is there in full and nothing is cut."""
    monkeypatch.setenv("COLUMNS", "40")
    assert run("train", "--help") == 0
    shown = capsys.readouterr().out
    assert "anomreasonor_3b" in shown
    assert "…" not in shown


def test_an_option_has_one_name_and_its_older_ones_work() -> None:
    """Underscores are dashes; TRL's names and older ones lead to the same option, and are not shown."""
    names = {name for _, command in ALL for option in command.params for name in option.opts if name.startswith("--")}
    assert all("_" not in name for name in names)
    for older, name in command_line.OLDER.items():
        assert command_line.one_name(older) == name
        assert f"--{name}" in names
        assert f"--{older}" not in names


def test_the_same_name_means_the_same_kind_of_thing() -> None:
    """An option that several commands have takes the same type in all of them."""
    kinds: dict[str, set[str]] = {}
    for _, command in ALL:
        for option in command.params:
            if option.param_type_name == "option":
                kinds.setdefault(option.opts[0], set()).update(_kind(option))
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def _app(error: BaseException) -> typer.Typer:
    app = typer.Typer()

    @app.callback()
    def front(debug: bool = False) -> None: ...

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("answer"), "stopped by an unexpected error (KeyError: 'answer'); run `anomreason --debug"),
        (OSError(28, "No space left on device", "out/a.json"), "out/a.json: no space left on device; make room there"),
        (PermissionError(13, "Permission denied", "out"), "out: permission denied; change its permissions"),
        (MemoryError(), "out of memory"),
    ],
)
def test_no_error_ends_in_a_traceback(error: Exception, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw is one sentence and exit code 2; with --debug it is raised."""
    assert command_line.run(_app(error), ["fail"]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1
    with pytest.raises(type(error)):
        command_line.run(_app(error), ["--debug", "fail"])


def test_ctrl_c_and_the_end_of_input_have_their_own_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """130 for Ctrl-C, in a command and at a prompt; 2 for Ctrl-D, with a sentence."""
    assert command_line.run(_app(KeyboardInterrupt()), ["fail"]) == 130
    for cause, code in ((KeyboardInterrupt(), 130), (EOFError(), 2)):
        aborted = typer.Abort()
        aborted.__context__ = cause
        assert command_line.run(_app(aborted), ["fail"]) == code
    assert "no answer was given" in capsys.readouterr().err


def test_long_work_is_heard_of_in_a_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal, a line comes every half minute, whatever the command does."""
    monkeypatch.setattr(terminal, "LOG_EVERY", 0.1)
    app = typer.Typer()

    @app.callback()
    def front() -> None: ...

    @app.command()
    def work() -> None:
        time.sleep(0.25)
        terminal.tell("pictures: 3 of 5")
        time.sleep(0.25)

    assert command_line.run(app, ["work"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("work · 0:00:0")
    assert lines[-1].startswith("pictures: 3 of 5 · 0:00:0")


def process(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bild",), "Did you mean 'build'?"),
        (("build", "somewhere", "--ouy", "out"), "did you mean --out?"),
        (("scenes", "drawn", "--n", "many"), "--n"),
        (("verdicts", "account", "accounts.json", "me"), "no answer was given"),
        (("build", "somewhere", "--debug"), "anomreason --debug build"),
    ],
)
def test_a_process_says_the_same(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """The installed command, without input: exit code 2, the sentence, nothing left behind."""
    done = process(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_version_and_completion(tmp_path: Path) -> None:
    """`--version` says the version; the shell's script for completion is there, and completes commands."""
    assert process("--version").stdout == f"anomreason {anomreason.__version__}\n"
    shown = process("--help", _ANOMREASON_COMPLETE="complete_bash", COMP_WORDS="anomreason be", COMP_CWORD="1")
    assert "benchmark" in shown.stdout


def test_it_runs_as_a_module_beside_a_built_dataset(dataset: Path, tmp_path: Path) -> None:
    """`python -m anomreason` finds the program, although ./anomreason is a directory."""
    (tmp_path / "anomreason").symlink_to(dataset)
    done = subprocess.run(
        [sys.executable, "-m", "anomreason", "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"anomreason {anomreason.__version__}\n", done.stderr


def test_a_reader_that_stops_is_no_error() -> None:
    """`anomreason --help | head -1` ends without a word on stderr."""
    with subprocess.Popen([COMMAND, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ended:
        assert ended.stdout is not None
        assert ended.stderr is not None
        ended.stdout.close()
        assert b"Traceback" not in ended.stderr.read()
        assert ended.wait(60) in (0, 141, -signal.SIGPIPE)


def test_colours_are_left_out_where_they_are_not_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """NO_COLOR, and a pipe: no escape codes."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("scenes", tmp_path / "scenes", "--n", 2) == 0
    assert run("validate", tmp_path / "scenes", "--out", tmp_path / "validation.json") == 0
    assert "\x1b[3" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("predict --rpm 5", "--rpm 5: applies to servers only"),
        ("predict --tpm 5", "--tpm 5: applies to servers only"),
        ("predict --boxes pixels", "--boxes pixels: applies to servers only"),
        ("annotate pictures --model m --drafts 2", "--drafts 2: --plan vote makes no list of objects; leave it out"),
        ("annotate pictures --model m --plan magic --drafts 2", "--plan magic: is not known; choose vote or"),
        ("annotate pictures --model m --plan caption --max-objects 2", "--max-objects 2: --plan caption asks once"),
        (
            "annotate pictures --model m --plan direct --samples 2",
            "--samples 2: --plan direct asks once about a picture",
        ),
        ("annotate pictures --model m --plan direct --min-support 2", "--min-support 2: --plan direct asks once"),
        ("annotate pictures --model m --plan caption --stance neutral", "--stance neutral: --plan caption asks once"),
        ("annotate pictures --model m --plan direct --language French", "--language French: --plan direct asks once"),
        (
            "predict --base-url http://127.0.0.1:1/v1 --model m --max-new-tokens 9",
            "--max-new-tokens 9: applies to local",
        ),
    ],
)
def test_an_option_that_would_change_nothing_is_an_error(
    line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is loaded or asked."""
    assert run(*line.split()) == 2
    assert told in capsys.readouterr().err


def test_probe_takes_the_options_of_train(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same names; TRL's own go on to its parser."""
    asked: list[str] = []
    monkeypatch.setattr("trainer.memory.main", lambda arguments: asked.extend(arguments) or "measured")
    assert run("probe", "--config", "tiny", "--dataset", "org/data", "--model", "org/model", "--limit", "8") == 0
    named = ["--config", "tiny", "--dataset_name", "org/data", "--model_name_or_path", "org/model"]
    assert asked == [*named, "--limit", "8"]
