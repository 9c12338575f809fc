"""What a run shows while it goes on: a bar on a terminal, lines in a log."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import commands
from agent.budget import Budget, Price
from agent.journal_rows import Totals
from agent.runner import Progress
from agent.simulated import serve
from dataset_builder import terminal
from dataset_builder.contestants import Limits

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal: pictures, calls, tokens, money, losses and time on one line each time, nothing a file would show as
    rubbish; and not a line for each of four times a second."""
    monkeypatch.setattr(terminal, "LOG_EVERY", 0.3)
    progress = Progress()
    progress.statuses.update({"anomalies": 3, "none": 4, "partial": 1})
    budget = Budget(Limits(), Price(input=2.5, output=10), Totals(120, 40_000, 2_000, failed=1))
    with terminal.heartbeat("annotate"), commands._showing(priced=True) as show:
        for _ in range(100):
            show(progress, budget, 50)
        time.sleep(0.45)
        show(progress, budget, None)
        time.sleep(0.3)
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert first.startswith("8 of 50 pictures · 120 calls · 42,000 tokens · $0.12 · 1 with losses")
    assert second.startswith("8 pictures · 120 calls")
    assert re.search(r" · 0:00:0\d$", second)


def test_a_terminal_gets_a_bar_that_goes_away(scenes: Path, tmp_path: Path) -> None:
    """On a terminal a bar counts pictures, calls and tokens while the run goes on; at the end the summary stands alone."""
    ours, theirs = pty.openpty()
    with serve(scenes, latency=0.05) as base_url:
        command = [
            sys.executable,
            "-m",
            "anomreason",
            "annotate",
            str(scenes / "images"),
            "--out",
            str(tmp_path / "run"),
        ]
        command += ["--base-url", base_url, "--model", "simulated", "--limit", "6"]
        with subprocess.Popen(
            command, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "110"}
        ) as process:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # the other side is closed
                    break
                if not piece:
                    break
                shown += piece
            assert process.wait(120) == 0
    os.close(ours)
    text = shown.decode()
    assert "\x1b[?25l" in text  # the cursor is hidden while the bar is there
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    plain = ANSI.sub("", text)
    assert re.search(r"[\d,]+ calls · [\d,]+ tokens · 0 with losses", plain)
    assert "6/6" in plain
    assert plain.rstrip().splitlines()[-1].startswith("report: ")
