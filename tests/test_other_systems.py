"""What loads, builds, checks, scores and annotates runs where POSIX is not: its modules, flags and signals are hidden here."""

import subprocess
import sys
from pathlib import Path

from dataset_builder.predictions import read_predictions

_HIDE = """
import asyncio, os, signal, sys, warnings
warnings.simplefilter("ignore")
for name in ("fcntl", "resource", "pwd", "grp"):
    sys.modules[name] = None
for name in ("O_NONBLOCK", "O_NOFOLLOW", "getuid", "geteuid", "pread", "fork", "mkfifo", "sysconf"):
    vars(os).pop(name, None)
for name in ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM", "pthread_sigmask", "setitimer"):
    vars(signal).pop(name, None)
def refused(*_, **__):
    raise NotImplementedError
asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = refused
"""


def run(code: str, place: Path) -> str:
    done = subprocess.run([sys.executable, "-c", _HIDE + code], cwd=place, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_build_validate_score_and_annotate_need_no_posix(tmp_path: Path) -> None:
    """One after the other, from scenes to a validated dataset and a simulated run over it."""
    told = run(
        """
from pathlib import Path
import dataset_builder
from dataset_builder.building.build import build
from dataset_builder.checks.validation import validate
from dataset_builder.scenes import write_scenes
import metric_semap.scoring, metric_semap.evaluation
from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
write_scenes(Path("scenes"), 4, 1)
build(Path("scenes"), Path("built"))
assert not validate(Path("built")).has_errors
with serve(Path("scenes")) as base_url:
    annotate("built", Path("run"), Endpoint("simulated", base_url), Settings(plan="direct"))
print((Path("run") / "annotations.jsonl").read_text().count(chr(10)))
""",
        tmp_path,
    )
    assert told.split() == ["4"]


def test_without_posix_two_writers_are_still_told(tmp_path: Path) -> None:
    """The second writer of a prediction file, and of a run, is one sentence; both work once the first has ended."""
    told = run(
        """
from pathlib import Path
from agent.journal_files import journal_lock
from dataset_builder import OutputError, Prediction, PredictionWriter
def refused(second):
    try:
        with second:
            return "both write"
    except OutputError as error:
        return str(error)
with PredictionWriter("preds.json") as writer:
    writer.append(Prediction(image_id="a.png", status="none"))
    print(refused(PredictionWriter("preds.json")))
with journal_lock(Path("run")):
    print(refused(journal_lock(Path("run"))))
with PredictionWriter("preds.json", resume=True) as writer, journal_lock(Path("run")):
    print(*writer.done)
""",
        tmp_path,
    )
    first, second, third = told.splitlines()
    assert first == "preds.jsonl: another process is writing it; wait for that one, or give another name"
    assert second == "run: another process is annotating into it; wait for it or choose another --out"
    assert third == "a.png"
    assert list(read_predictions(tmp_path / "preds.jsonl")) == ["a.png"]
