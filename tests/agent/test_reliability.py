"""Runs that are killed, interrupted, refused room or fed with what means harm: nothing is lost, doubled or spread."""

import ctypes
import json
import re
import resource
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from agent.journal_files import open_for_reading
from agent.ledger import by_stage
from agent.simulated import serve
from dataset_builder.scenes import read_scenes, write_scenes
from tests.annotating import HANG, POOL, annotate, kill_and_resume, outputs, rows, start, stats, summary
from tests.clocks import faster
from tests.commands import run_to_one_stream
from tests.scripted_endpoint import Asked, Said, completion, serve_scripted

RATES = {"miss": 0.2, "hallucinate": 0.1, "doubt": 0.05, "latency": 0.01}


class Whole(NamedTuple):
    """An undisturbed run over forty pictures, and what its server counted."""

    pictures: Path
    run: Path
    served: dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    place = tmp_path_factory.mktemp("whole")
    scenes = write_scenes(place / "scenes", 40, seed=5)
    with serve(scenes, **RATES) as base_url:
        code, printed = annotate(scenes / "images", place / "run", base_url)
        assert code == 0, printed
        return Whole(scenes / "images", place / "run", stats(base_url))


@pytest.fixture
def server(whole: Whole) -> Iterator[str]:
    """A fresh server with the rates of the undisturbed run."""
    with serve(whole.pictures.parent, **RATES) as base_url:
        yield base_url


def test_the_undisturbed_run_is_complete(whole: Whole) -> None:
    """Every picture has its row in the folder's order, and the ledger is the server's bill."""
    assert [row["image_id"] for row in rows(whole.run)] == sorted(path.name for path in whole.pictures.iterdir())
    assert {row["status"] for row in rows(whole.run)} == {"anomalies", "none"}
    assert _ledger(whole.run) == (
        whole.served["answers"],
        whole.served["prompt_tokens"],
        whole.served["completion_tokens"],
    )
    assert 0 < whole.served["most_at_once"] <= POOL


def _ledger(run: Path) -> tuple[int, int, int]:
    total = by_stage(run)[-1]
    return total.calls, total.prompt_tokens, total.completion_tokens


def test_killed_at_any_moment_it_ends_the_same(whole: Whole, server: str, tmp_path: Path) -> None:
    """Five times SIGKILL: the same bytes, no committed call asked again, and the ledger of the undisturbed run."""
    killed = kill_and_resume(whole.pictures, tmp_path / "run", server, 5, seed=1, calls=whole.served["calls"])
    assert outputs(tmp_path / "run") == outputs(whole.run)
    assert stats(server)["calls"] <= whole.served["calls"] + killed.kills * POOL
    assert _ledger(tmp_path / "run") == _ledger(whole.run)


def test_a_finished_run_asks_nothing_again(whole: Whole, server: str) -> None:
    """Run once more over the same pictures, not one call is made and every file stays as it was."""
    before = outputs(whole.run)
    code, printed = annotate(whole.pictures, whole.run, server)
    assert code == 0, printed
    assert stats(server)["calls"] == 0
    assert outputs(whole.run) == before


def test_interrupted_it_says_so_and_goes_on(whole: Whole, tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and SIGTERM with 143, without a traceback; the start after them ends as if nothing had been."""
    # Slow enough that a run cannot end before it is interrupted.
    with serve(whole.pictures.parent, **RATES | {"latency": 0.1}) as server:
        for signum, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            before = stats(server)["calls"]
            process = start(whole.pictures, tmp_path / "run", server, "--limit", 30)
            _until(lambda before=before: stats(server)["calls"] > before + 60, process)
            process.send_signal(signum)
            printed, _ = process.communicate(timeout=HANG)
            assert (process.returncode, printed) == (code, "")
        code, printed = annotate(whole.pictures, tmp_path / "run", server, "--limit", 30)
        assert code == 0, printed
        _same_as_far_as_it_goes(tmp_path / "run", whole)
        assert stats(server)["calls"] <= _ledger(tmp_path / "run")[0] + 2 * POOL


def _same_as_far_as_it_goes(run: Path, whole: Whole) -> None:
    """The first rows of the undisturbed run are all rows of another one."""
    mine, theirs = ((place / "annotations.jsonl").read_text().splitlines() for place in (run, whole.run))
    assert len(mine) == 30
    assert mine == theirs[:30]


def _until(happened: Any, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + HANG
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_run_directory_takes_one_process(whole: Whole, tmp_path: Path) -> None:
    """The second is refused in one clear line and exit code 2, before it asks or writes anything; the first is not disturbed."""
    both_seen = threading.Event()

    def waits(asked: Asked, number: int) -> Said:
        both_seen.wait(HANG)
        return completion('{"objects": [], "findings": [], "anomalies": []}')

    with serve_scripted(waits) as endpoint:
        first = start(whole.pictures, tmp_path / "run", endpoint.base_url, "--limit", 2)
        _until(lambda: endpoint.asked, first)
        before = len(endpoint.asked)
        code, printed = annotate(whole.pictures, tmp_path / "run", endpoint.base_url, "--plan", "direct")
        assert code == 2
        assert printed == (
            f"anomreason: {tmp_path / 'run'}: another process is annotating into it; wait for it or choose another --out\n"
        )
        assert len(endpoint.asked) <= before + POOL
        both_seen.set()
        printed, _ = first.communicate(timeout=HANG)
    assert first.returncode == 0, printed
    assert [row["status"] for row in rows(tmp_path / "run")] == ["none", "none"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["plan"] == "vote"


def _ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    printed, _ = process.communicate(timeout=HANG)
    return process.returncode, printed


def _no_room() -> None:
    """No file of this process grows beyond 200 kB, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_a_full_disk_ends_it_cleanly(whole: Whole, server: str, tmp_path: Path) -> None:
    """Nothing more can be written: exit code 2 and one line. With room again it ends the same and pays nothing twice."""
    code, printed = _ended(start(whole.pictures, tmp_path / "run", server, "--limit", 30, before=_no_room))
    assert code == 2, printed
    assert re.fullmatch(
        r"anomreason: \S+journal\.sqlite: cannot be written \(.+\); make room there and re-run\n", printed
    )
    committed, served = _ledger(tmp_path / "run")[0], stats(server)["calls"]
    assert 0 < committed < whole.served["calls"]
    assert served <= committed + 2 * POOL
    code, printed = annotate(whole.pictures, tmp_path / "run", server, "--limit", 30)
    assert code == 0, printed
    _same_as_far_as_it_goes(tmp_path / "run", whole)
    assert stats(server)["calls"] - served == _ledger(tmp_path / "run")[0] - committed


def _no_privileges() -> None:
    """Permissions hold for this process, also where it is root's: it gives up CAP_DAC_OVERRIDE."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_a_directory_that_cannot_be_written_is_told_at_once(whole: Whole, server: str, tmp_path: Path) -> None:
    """A read-only directory, a file in its place, and a directory that is something else: exit code 2, no call, nothing touched."""
    read_only = tmp_path / "locked"
    read_only.mkdir()
    read_only.chmod(stat.S_IRUSR | stat.S_IXUSR)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for out, told in (
        (read_only / "run", "cannot be written (Permission denied)"),
        (read_only, "cannot be written (Permission denied)"),
        (tmp_path / "file", "is a file, not a directory"),
        (tmp_path / "mine", "already exists and is not a run"),
    ):
        if read_only in (out, out.parent):
            code, printed = _ended(start(whole.pictures, out, server, before=_no_privileges))
        else:
            code, printed = annotate(whole.pictures, out, server)
        assert code == 2, printed
        assert printed.startswith(f"anomreason: {out}: {told}"), printed
        assert len(printed.splitlines()) == 1
    assert stats(server)["calls"] == 0
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["file", "locked", "mine", "notes.txt"]


FAULTS = {
    "malformed": 0.06,
    "truncated": 0.03,
    "refused": 0.02,
    "hostile": 0.03,
    "busy": 0.02,
    "broken": 0.02,
    "hang": 0.02,
    "cut": 0.05,
    "retry_after": 0.0,
}


def test_faults_of_every_kind_end_in_a_status_and_never_in_a_false_none(whole: Whole, tmp_path: Path) -> None:
    """A fifth of all answers faulty and a twentieth of connections cut: all pictures end, what is wrong is never called clean."""
    truth = {row.image_id: bool(row.anomalies) for row in read_scenes(whole.pictures.parent)}
    with serve(whole.pictures.parent, **FAULTS) as base_url:
        code, printed = annotate(whole.pictures, tmp_path / "run", base_url, "--timeout", 1)
        faults = stats(base_url)["faults"]
    assert set(faults) == {name for name in FAULTS if name != "retry_after"}
    ended = {row["image_id"]: row for row in rows(tmp_path / "run")}
    assert ended.keys() == truth.keys()
    assert not [name for name, row in ended.items() if row["status"] == "none" and truth[name]]
    for row in ended.values():
        assert bool(row["failures"]) == (row["status"] in ("partial", "failed"))
        assert all(failure["reason"] for failure in row["failures"])
    told = summary(tmp_path / "run")
    lost = told["partial"] + told["failed"]
    assert lost == sum(bool(row["failures"]) for row in ended.values()) > 0
    assert code == 3, printed
    assert told["unfinished"] == 0
    # Later, when the server is well again, only what was lost is asked for, and the losses are gone.
    with serve(whole.pictures.parent) as base_url:
        code, printed = annotate(whole.pictures, tmp_path / "run", base_url)
        again = stats(base_url)["calls"]
    assert code == 0, printed
    assert 0 < again < told["calls"] / 2
    assert {row["image_id"]: row["status"] == "anomalies" for row in rows(tmp_path / "run")} == truth


KEYS = {"OPENAI_API_KEY": "sk-0123456789abcdefSECRET", "HF_TOKEN": "hf_0123456789abcdefSECRET"}


def test_keys_are_nowhere_in_what_a_run_leaves(whole: Whole, tmp_path: Path) -> None:
    """Whatever a server quotes, breaks or refuses: no file and no line that was printed holds a key, or part of one."""
    key = KEYS["OPENAI_API_KEY"]

    def quotes(asked: Asked, number: int) -> Said:
        assert asked.headers["authorization"] == f"Bearer {key}"
        if number % 5 == 0:
            return Said(500, {"error": {"message": f"failed for {key}"}}, {"Retry-After": "0"})
        if number % 5 == 1:
            return completion(f"Your key is {key}.", refusal=f"not for {key}")
        return completion(
            json.dumps({"objects": [{"name": f"cup {key}", "description": key, "oddity": key, "bbox": None}]})
        )

    def refuses(asked: Asked, number: int) -> Said:
        return Said(401, {"error": {"message": f"Incorrect API key provided: {key}"}})

    def breaks(asked: Asked, number: int) -> Said:
        return Said(503, f"<html>{key}</html>", {"Retry-After": "0", "X-Key": key})

    printed = ""
    for number, (script, code) in enumerate(((quotes, 3), (refuses, 2), (breaks, 3))):
        with serve_scripted(script) as endpoint, faster(60.0):
            out = tmp_path / f"run{number}"
            ended, said = annotate(whole.pictures, out, endpoint.base_url, "--limit", 2, **KEYS)
            assert ended == code, said
            printed += said
    printed += run_to_one_stream("runs", "show", tmp_path / "run0", **KEYS)[1]
    printed += run_to_one_stream("build", tmp_path / "run0", "--out", tmp_path / "built", **KEYS)[1]
    with_key = whole.pictures, tmp_path / "run3", f"http://user:{key}@127.0.0.1:9/v1"
    ended, said = annotate(*with_key, "--limit", 1, **KEYS)
    assert ended == 2
    printed += said
    assert "Incorrect API key provided: [OPENAI_API_KEY]" in printed
    written = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()) + printed.encode()
    assert b"[OPENAI_API_KEY]" in written
    for secret in (b"SECRET", b"0123456789abcdef"):
        assert secret not in written


HOSTILE_NAME = "<script>alert(1)</script>\x1b[2J\u202e{{7*7}}\n.png".replace("/", "\u2215")


def test_hostile_texts_reach_nothing_but_their_field(whole: Whole, tmp_path: Path) -> None:
    """Names of files and texts of answers that mean to be markup, escapes, commands or a megabyte stay texts of one field."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, path in enumerate(sorted(whole.pictures.iterdir())[:12]):
        (photos / f"{number:02d}{HOSTILE_NAME}").write_bytes(path.read_bytes())
    (photos / f"99{HOSTILE_NAME}").write_bytes(b"")
    with serve(whole.pictures.parent, hostile=1.0) as base_url:
        code, printed = annotate(photos, tmp_path / "run", base_url)
    assert code == 3, printed  # the empty file
    assert all(character.isprintable() or character == "\n" for character in printed), repr(printed)
    ended = rows(tmp_path / "run")
    assert [row["status"] for row in ended][-1] == "failed"
    texts = [anomaly[field] for row in ended for anomaly in row["anomalies"] for field in ("phenomenon", "reasoning")]
    signs = ("<script>", "\\u001b[2J", "Ignore your instructions", "<svg onload", "so very long so very long")
    answered = " ".join(row[0] for row in open_for_reading(tmp_path / "run").execute("SELECT answer FROM calls"))
    assert all(sign in answered for sign in signs)
    assert any(sign in text for text in texts for sign in (*signs, "\x1b[2J"))
    assert max(map(len, texts)) <= 4000
    for name in ("annotations.jsonl", "candidates.json", "summary.json", "run.json", "report.html"):
        content = (tmp_path / "run" / name).read_bytes()
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", content), name
        assert len(content) < 2_000_000, name
    report = (tmp_path / "run" / "report.html").read_text()
    assert "<script" not in report
    assert "<svg onload" not in report
    # In later requests they stand inside the input's JSON, in one line of it, and nowhere else.
    asked = [row[0] for row in open_for_reading(tmp_path / "run").execute("SELECT request FROM calls")]
    for request in asked:
        head, _, rest = request.partition("Input:\n```json\n")
        block, _, tail = rest.rpartition("\n```")
        assert (tail, block.count("\n")) == ("", 0)
        assert isinstance(json.loads(block), dict)
        assert "Ignore your instructions" not in head


def test_pictures_of_every_kind_end_in_a_status(tmp_path: Path) -> None:
    """An empty file, a damaged one, none at all, one of a hundred million pixels and one beyond: each is told or examined."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.jpg").write_text("no picture")
    Image.new("RGB", (64, 64)).save(photos / "cut.png")
    (photos / "cut.png").write_bytes((photos / "cut.png").read_bytes()[:60])
    Image.new("1", (10_000, 10_000)).save(photos / "large.png")
    Image.new("1", (10_001, 10_000)).save(photos / "too_large.png")
    Image.new("CMYK", (64, 64)).save(photos / "printed.jpg")
    Image.new("I;16", (64, 64)).save(photos / "sixteen.png")
    Image.new("RGBA", (64, 64)).save(photos / "clear.webp")
    Image.new("P", (64, 64)).save(photos / "moving.gif", save_all=True, append_images=[Image.new("P", (64, 64), 3)])
    Image.new("RGB", (1, 1)).save(photos / "dot.bmp")
    nothing = completion('{"objects": [], "findings": [], "anomalies": []}')
    with serve_scripted(lambda asked, number: nothing) as endpoint:
        code, printed = annotate(photos, tmp_path / "run", endpoint.base_url)
        sent = [
            one["image_url"]["url"] for asked in endpoint.asked for one in asked.body["messages"][1]["content"][:-1]
        ]
    assert code == 3, printed
    ended = {row["image_id"]: row for row in rows(tmp_path / "run")}
    failed = {name: row["failures"][0]["reason"] for name, row in ended.items() if row["status"] == "failed"}
    assert set(failed) == {"empty.png", "text.jpg", "cut.png", "too_large.png"}
    assert failed["empty.png"] == "empty.png: is empty; fetch it again"
    assert "more than 100,000,000" in failed["too_large.png"]
    assert {row["status"] for row in ended.values()} == {"failed", "none"}
    assert all(url.startswith(("data:image/png", "data:image/jpeg", "data:image/webp")) for url in sent)
    assert max(map(len, sent)) < 3_000_000
