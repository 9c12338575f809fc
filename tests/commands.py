"""`anomreason` as a person types it, in this process: what it imports is imported once for all tests.

What is about the process itself (signals, being killed, a terminal, the environment that libraries read when they are imported) is
run with `tests.processes`.
"""

import io
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest

import anomreason

__all__ = ["run_command", "run_to_one_stream"]


def run_command(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `anomreason` with these arguments, in `cwd`, with these variables added to the environment."""
    out, err = _stream(), _stream()
    code = _run([*map(str, arguments)], out, err, cwd, environment)
    return subprocess.CompletedProcess(["anomreason", *map(str, arguments)], code, _text(out), _text(err))


def run_to_one_stream(*arguments: object, **environment: str) -> tuple[int, str]:
    """The same in this directory: exit code, and what was printed to stdout and stderr, in its order."""
    both = _stream()
    return _run([*map(str, arguments)], both, both, None, environment), _text(both)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _run(
    arguments: Sequence[str],
    out: io.TextIOWrapper,
    err: io.TextIOWrapper,
    cwd: Path | None,
    environment: dict[str, str],
) -> int:
    with ExitStack() as restored:
        for context in (
            _handlers(),
            _levels(),
            warnings.catch_warnings(),
            mock.patch.dict(os.environ, environment),
            mock.patch.object(sys, "argv", ["anomreason", *arguments]),
            mock.patch.object(sys, "stdin", _stream()),
            redirect_stdout(out),
            redirect_stderr(err),
            chdir(cwd or Path.cwd()),
        ):
            restored.enter_context(context)
        with pytest.raises(SystemExit) as ended:
            anomreason.main()
    code = ended.value.code
    assert isinstance(code, int)
    return code


@contextmanager
def _handlers() -> Iterator[None]:
    """What the command does on signals holds for the command alone."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@contextmanager
def _levels() -> Iterator[None]:
    """What libraries are told to keep to themselves, they say again after it."""
    known = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = {logger: logger.level for logger in (logging.root, *known)}
    yield
    for logger, level in before.items():
        logger.setLevel(level)
