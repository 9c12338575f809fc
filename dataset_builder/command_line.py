"""Runs a Typer application so that every ending is a sentence and an exit code, and never a traceback.

0 done; 1 found what was looked for (the command says so itself); 2 cannot start, or cannot read its input, wrong usage included;
3 finished with losses; 130 interrupted; 141 whoever read the output stopped; 143 terminated. `anomreason --debug COMMAND` shows
the traceback of what ends with 2.
"""

import os
import shutil
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import takewhile
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from dataset_builder.errors import AnomReasonError
from dataset_builder.terminal import heartbeat, printable

__all__ = ["OLDER", "grouped", "one_name", "run", "start"]

PROGRAM = "anomreason"

_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # transformers asks the same variable
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",  # its warning about forks
}
"""Bars and notices of libraries: the command shows its own progress."""

OLDER = {
    "dataset-name": "dataset",
    "model-name-or-path": "model",
    "output-dir": "out",
    "plan-only": "dry-run",
    "restart": "overwrite",
}
"""Options by their older names, and by TRL's, to the one name each has in every command."""


def grouped(groups: Mapping[str, Sequence[str]]) -> type[TyperGroup]:
    """A group whose help shows its commands under headings, in the order given: heading → names of commands."""

    class Grouped(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            heading_of = {name: heading for heading, names in groups.items() for name in names}
            for name in heading_of:
                self.commands[name] = self.commands.pop(name)
            for name, command in self.commands.items():
                command.rich_help_panel = heading_of.get(name, "Others")  # type: ignore[attr-defined]

    return Grouped


def one_name(option: str) -> str:
    """The name of an option in this project, for the name that was typed: TRL writes underscores, and some had other names.

    >>> one_name("base_url"), one_name("output_dir"), one_name("limit")
    ('base-url', 'out', 'limit')
    """
    dashed = option.replace("_", "-")
    return OLDER.get(dashed, dashed)


def run(
    app: typer.Typer,
    arguments: Sequence[str],
    expected: tuple[type[Exception], ...] = (),
    waiting: frozenset[str] = frozenset(),
) -> int:
    """Run `app` and return the exit code; whatever is raised becomes a sentence on stderr.

    Args:
        app (`typer.Typer`): the application.
        arguments (sequence of `str`): as on the command line, without the program's name.
        expected (tuple of exception types): errors raised on purpose, besides this package's own; their text is shown as it is.
        waiting (set of `str`): commands that serve until they are stopped, and so have no progress to tell in a log.
    """
    command = typer.main.get_command(app)
    _fit_help(command, shutil.get_terminal_size().columns)
    try:
        # Not Typer's own runner: it exits with 1 for an interrupted prompt, and 1 means that something was found.
        name = next((one for one in arguments if not one.startswith("-")), "")
        with nullcontext() if name in waiting else heartbeat(name):
            colour = False if os.environ.get("NO_COLOR") else None
            code = command.main(args=list(arguments), prog_name=PROGRAM, standalone_mode=False, color=colour)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more as it ends; there is nobody to read it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            return 141  # Typer's own answer is 1, and 1 means that something was found
        raise
    except typer.Abort as ended:
        if not isinstance(ended.__cause__ or ended.__context__, EOFError):
            return 130
        _tell("no answer was given; answer the question, or give the value as an option")
    except typer.TyperException as error:
        _tell_usage(error)
    except Exception as error:
        if _is_debugged(arguments):
            raise
        _tell(_sentence(error, (AnomReasonError, *expected)))
    return 2


def _is_debugged(arguments: Sequence[str]) -> bool:
    """Whether a traceback is wanted: `--debug` before the command (behind it, `--debug` is an option of TRL's)."""
    return "--debug" in takewhile(lambda one: one.startswith("-"), arguments) or bool(
        os.environ.get("ANOMREASON_DEBUG")
    )


def start() -> None:
    """Prepare this process for being a command: signals, threads, and libraries that would speak for themselves."""
    signal.signal(signal.SIGTERM, _terminated)
    # Threads that spin while they wait for each other take several times as long as soon as anything else uses a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # What libraries announce to programmers is not for who runs a command.
    for kind in (FutureWarning, DeprecationWarning, UserWarning):
        warnings.simplefilter("ignore", kind)


def _fit_help(command: Any, columns: int) -> None:
    """Plain text where the boxes of rich would cut the names of options, or leave too little room for words."""
    below = getattr(command, "commands", {})
    if columns < (60 if below else 100):
        command.rich_markup_mode = None
    for one in below.values():
        _fit_help(one, columns)


def _terminated(signum: int, _: Any) -> NoReturn:
    raise SystemExit(128 + signum)


def _tell(text: str) -> None:
    typer.echo("\n".join(map(printable, f"{PROGRAM}: {text}".splitlines())), err=True)


def _tell_usage(error: typer.TyperException) -> None:
    """The usage line, and one sentence with the nearest match."""
    context = getattr(error, "ctx", None)
    if context is None:
        return _tell(error.format_message())
    if type(error).__name__ == "NoArgsIsHelpError":  # its text is the help
        return typer.echo(error.format_message(), err=True)
    sentence = error.format_message().rstrip(".")
    option = getattr(error, "option_name", "")
    near = getattr(error, "possibilities", None)
    if near:
        sentence = f"No such option: {option}; did you mean {near[0]}?"
    elif option == "--debug":
        sentence += f"; it goes before the command: {PROGRAM} --debug {context.info_name}"
    sentence += "" if sentence.endswith("?") else "."
    typer.echo(printable(context.get_usage()), err=True)
    return _tell(f"{sentence} See `{context.command_path} --help`.")


def _sentence(error: Exception, expected: tuple[type[Exception], ...]) -> str:
    if isinstance(error, expected):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror[0].lower()}{error.strerror[1:]}; {_fix(error)}"
    if isinstance(error, MemoryError):
        return "out of memory; process less at once, or use a machine with more memory"
    first = next(iter(str(error).strip().splitlines()), "")
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return (
        f"stopped by an unexpected error ({what}); run `{PROGRAM} --debug …` to see the traceback, and please report it"
    )


def _fix(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "check the path"
        case PermissionError():
            return "change its permissions, or choose another path"
        case IsADirectoryError() | NotADirectoryError() | FileExistsError():
            return "choose another path"
    return "make room there, or choose another path"
