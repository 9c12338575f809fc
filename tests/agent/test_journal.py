"""The journal: what is on the disk when, what is replayed, what is not, and what happens when it cannot be written."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from agent import journal_migrations as migrations
from agent import loops
from agent.budget import Price
from agent.journal import Journal
from agent.journal_files import open_for_reading
from agent.journal_rows import Attempt, Totals
from agent.ledger import by_stage, prune
from agent.outputs import begin
from agent.plans import Settings
from agent.report import write_report
from dataset_builder.errors import InputError, OutputError


def attempt(key: str = "k", **fields: Any) -> Attempt:
    usual = {
        "key": key,
        "image_id": "a.png",
        "stage": "scan",
        "object": "",
        "sample": 0,
        "request": "Task: scan",
        "answer": "{}",
        "problem": None,
        "gave_up": False,
        "finish_reason": "stop",
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "seconds": 0.1,
    }
    return Attempt(**(usual | fields))


def within(directory: Path, work: Callable[[Journal], Coroutine[Any, Any, Any]]) -> Any:
    async def opened() -> Any:
        async with Journal(directory) as journal:
            return await work(journal)

    return loops.run(opened())


def test_what_is_recorded_is_flushed_to_the_disk(tmp_path: Path) -> None:
    """The file is in WAL mode with `synchronous=FULL`, and a recorded answer is there for another connection at once."""

    async def work(journal: Journal) -> None:
        await journal.record(attempt(answer="first"))
        assert journal._opened.writer.execute("PRAGMA synchronous").fetchone() == (2,)
        with sqlite3.connect(tmp_path / "journal.sqlite") as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert other.execute("SELECT answer FROM calls").fetchall() == [("first",)]

    within(tmp_path, work)


def test_answers_that_come_together_are_flushed_together(tmp_path: Path) -> None:
    """Of two hundred answers at once most share a commit, and all are there."""
    statements: list[str] = []

    async def work(journal: Journal) -> None:
        journal._opened.writer.set_trace_callback(statements.append)
        await asyncio.gather(*(journal.record(attempt(str(number))) for number in range(200)))
        journal._opened.writer.set_trace_callback(None)
        assert journal.totals().calls == 200

    within(tmp_path, work)
    assert 1 <= statements.count("COMMIT") <= 20


def test_a_valid_answer_is_kept_and_a_bad_one_never_replayed(tmp_path: Path) -> None:
    """Under a key stands the one readable answer; bad ones count as attempts until the call was given up, and never after."""
    bad = attempt(answer="rubbish", problem="no JSON")

    async def work(journal: Journal) -> None:
        assert journal.attempts("k") == []
        await journal.record(bad)
        assert journal.attempts("k") == [bad]
        await journal.record(bad._replace(gave_up=True))
        assert journal.attempts("k") == []
        await journal.record(bad)
        await journal.record(attempt(answer="good"))
        assert [one.answer for one in journal.attempts("k")] == ["good"]

    within(tmp_path, work)
    within(tmp_path, lambda journal: _equal([one.answer for one in journal.attempts("k")], ["good"]))


async def _equal(one: Any, other: Any) -> None:
    assert one == other


def test_a_migration_takes_an_older_journal_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older version wrote is there after a migration; a migration that fails leaves the journal as it was."""

    async def record(journal: Journal) -> None:
        await journal.record(attempt())

    within(tmp_path, record)

    def adds_a_column(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE calls ADD COLUMN extra TEXT")

    def breaks(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE calls ADD COLUMN other TEXT")
        raise sqlite3.OperationalError("disk I/O error")

    present = len(migrations.MIGRATIONS)
    monkeypatch.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, adds_a_column, breaks])
    with pytest.raises(OutputError, match="disk I/O error"):
        within(tmp_path, record)
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (present + 1,)
        assert [row[1] for row in db.execute("PRAGMA table_info(calls)")][-1] == "extra"
    monkeypatch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[: present + 1])
    within(tmp_path, lambda journal: _equal(journal.attempts("k"), [attempt()]))


def test_journals_that_are_none_or_newer_are_told(tmp_path: Path) -> None:
    """A damaged file and one of a later version are errors that name it; neither is touched."""
    (tmp_path / "journal.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(InputError, match=r"journal\.sqlite: is not a journal"):
        within(tmp_path, lambda journal: _equal(1, 1))
    with pytest.raises(InputError, match="is not a journal"):
        open_for_reading(tmp_path)
    assert (tmp_path / "journal.sqlite").read_bytes() == b"no database " * 100
    (tmp_path / "journal.sqlite").unlink()
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match="newer version"):
        within(tmp_path, lambda journal: _equal(1, 1))


def test_one_run_directory_has_one_writer(tmp_path: Path) -> None:
    """A second journal on a directory is refused while the first is open, and welcome afterwards."""

    async def work(journal: Journal) -> None:
        with pytest.raises(OutputError, match="another process is annotating into it"):
            async with Journal(tmp_path):
                pass

    within(tmp_path, work)
    within(tmp_path, lambda journal: _equal(1, 1))


def test_a_full_disk_is_told_to_all_who_wait_and_loses_nothing(tmp_path: Path) -> None:
    """When a group of answers cannot be written, every one of them raises, no further call is made, what was there stays."""

    async def work(journal: Journal) -> None:
        await journal.record(attempt("before"))
        pages = journal._opened.writer.execute("PRAGMA page_count").fetchone()[0]
        journal._opened.writer.execute(f"PRAGMA max_page_count = {pages}")
        waiting = [journal.record(attempt(str(number), answer="x" * 5000)) for number in range(20)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, OutputError) for result in results)
        assert "make room there and re-run" in str(results[0])
        assert journal.attempts("before") == [attempt("before")]
        with pytest.raises(OutputError):
            journal.check()

    within(tmp_path, work)
    within(tmp_path, lambda journal: _equal(journal.totals().calls, 1))


def test_what_cannot_be_stored_does_not_leave_others_waiting(tmp_path: Path) -> None:
    """A value that no database holds is an error for its group within moments, not a wait without end."""

    async def work(journal: Journal) -> None:
        with pytest.raises(OutputError):
            await asyncio.wait_for(journal.record(attempt(prompt_tokens=2**70)), 10)

    within(tmp_path, work)


def test_the_same_question_is_asked_one_at_a_time(tmp_path: Path) -> None:
    """Who asks under a key holds it; another key is free meanwhile."""

    async def work(journal: Journal) -> None:
        async with journal.turn("k"):
            assert journal.turn("k").locked()
            assert not journal.turn("other").locked()
        assert not journal.turn("k").locked()

    within(tmp_path, work)


def test_what_waits_in_a_batch_counts_until_its_answer_is_recorded(tmp_path: Path) -> None:
    """A request handed in counts with all it may cost, is known to the next process, and gives way to its answer; one that nobody
    worked on is forgotten; one whose batch is not known any more stays in the ledger."""
    waits = attempt("k", prompt_tokens=500, completion_tokens=2000, problem="waits", lost=True, pending="k-0")

    async def hand_in(journal: Journal) -> None:
        assert journal.settled("k") == 0
        await journal.hand_in("batch", [waits, waits._replace(key="k2", pending="k2-0")])
        await journal.know("batch", file_id="file", batch_id="b1")
        spent = journal.totals()
        assert (spent.calls, spent.tokens, spent.pending, spent.lost) == (2, 5000, 2, 0)
        assert journal.attempts("k") == []

    async def go_on(journal: Journal) -> None:
        assert journal.take_up() == [("batch", "file", "b1")]
        await journal.record(attempt("k"))
        await journal.take_back([journal.waiting["k2"]])
        assert (journal.waiting, journal.take_up()) == ({}, [])
        spent = journal.totals()
        assert (spent.calls, spent.tokens, spent.pending, spent.batch_prompt_tokens) == (1, 110, 0, 100)
        assert [one.batch for one in journal.attempts("k")] == ["batch"]
        assert journal.settled("k") == 1
        await journal.hand_in("lost", [waits._replace(key="k3", pending="k3-0")])
        journal._opened.writer.execute("DELETE FROM batches")
        assert (journal.take_up(), journal.waiting, journal.settled("k3")) == ([], {}, 1)
        assert journal.totals().calls == 2

    within(tmp_path, hand_in)
    within(tmp_path, go_on)


def test_another_journal_is_taken_over_once(tmp_path: Path) -> None:
    """Calls and results of another journal are taken over, those asked for alone, and not doubled the second time."""

    async def record(journal: Journal) -> None:
        await journal.record(attempt("k1", image_id="a.png"))
        await journal.record(attempt("k2", image_id="b.png", problem="bad"))
        await journal.finish("a.png", "s", "stamp", "none", "{}")
        await journal.settle()

    within(tmp_path / "other", record)

    async def absorb(journal: Journal) -> None:
        journal.absorb(tmp_path / "other" / "journal.sqlite", ["b.png"])
        assert (journal.totals().calls, journal.result("a.png", "s")) == (1, None)
        for _ in range(2):
            journal.absorb(tmp_path / "other" / "journal.sqlite")
        assert journal.totals().calls == 2
        assert journal.result("a.png", "s") == ("stamp", "none", "{}")
        with pytest.raises(OutputError, match="cannot take over"):
            journal.absorb(tmp_path / "none.sqlite")
        with sqlite3.connect(tmp_path / "begun.sqlite") as begun:  # whoever was making it was killed
            begun.execute("PRAGMA user_version = 1")
        journal.absorb(tmp_path / "begun.sqlite")
        assert journal.totals().calls == 2
        await journal.record(attempt("k3"))

    within(tmp_path / "run", absorb)


def test_pruning_forgets_texts_and_no_spending(tmp_path: Path) -> None:
    """What earlier settings came to and what bad answers said is gone; valid answers and every token paid for stay."""
    settings = Settings()
    begin(tmp_path, settings, "m", source="photos", images=tmp_path, base_url=None)

    async def record(journal: Journal) -> None:
        await journal.record(attempt("k1", answer="good"))
        await journal.record(attempt("k2", answer="x" * 100_000, problem="bad", gave_up=True))
        await journal.record(attempt("k3", answer="x" * 100_000, problem="bad"))
        await journal.finish("a.png", settings.fingerprint("m"), "stamp", "none", "{}")
        await journal.finish("a.png", "earlier", "stamp", "none", "{}")
        await journal.settle()

    within(tmp_path, record)
    before, size = by_stage(tmp_path), (tmp_path / "journal.sqlite").stat().st_size
    assert prune(tmp_path) == 3
    assert prune(tmp_path) == 0
    assert by_stage(tmp_path) == before
    assert (tmp_path / "journal.sqlite").stat().st_size < size / 2

    async def check(journal: Journal) -> None:
        assert journal.result("a.png", settings.fingerprint("m")) is not None
        assert journal.result("a.png", "earlier") is None
        assert [one.answer for one in journal.attempts("k1")] == ["good"]
        assert journal.attempts("k2") == journal.attempts("k3") == []
        with pytest.raises(OutputError, match="another process"):
            prune(tmp_path)

    within(tmp_path, check)


def test_a_ledger_says_what_each_stage_cost(tmp_path: Path) -> None:
    """A row per stage in the order of their first calls, with what was of no use, and the sum; a later price counts for all."""

    async def record(journal: Journal) -> None:
        await journal.record(attempt("k1", stage="scan", cached_tokens=50))
        await journal.record(attempt("k2", stage="format", seconds=0.3))
        await journal.record(attempt("k3", stage="scan", problem="bad"))
        await journal.record(attempt("k3", stage="scan", problem="429", lost=True, billed=False))

    within(tmp_path, record)
    assert [row.usd for row in by_stage(tmp_path)] == [None, None, None]
    price = Price(input=10_000, output=20_000, cached=5_000)
    begin(tmp_path, Settings(), "m", source="photos", images=None, base_url=None, price=price)
    rows = [row._replace(seconds=round(row.seconds, 3)) for row in by_stage(tmp_path)]
    assert [tuple(row) for row in rows] == [
        ("scan", 2, 1, 200, 20, 2.15, 0.1),
        ("format", 1, 0, 100, 10, 1.2, 0.3),
        ("all", 3, 1, 300, 30, 3.35, 0.167),
    ]
    with pytest.raises(InputError, match=r"journal\.sqlite: does not exist"):
        by_stage(tmp_path / "none")


def test_a_run_of_version_0_1_0_opens_and_goes_on(tmp_path: Path) -> None:
    """Its journal is read without being changed, and migrated when the run goes on; nothing it paid for is lost."""
    old = tmp_path / "old"
    shutil.copytree(Path(__file__).parent / "run_0_1_0", old)
    before = (old / "journal.sqlite").read_bytes()
    *stages, everything = by_stage(old)
    assert (everything.calls, everything.prompt_tokens, everything.completion_tokens) == (17, 6165, 975)
    assert sum(stage.calls for stage in stages) == 17
    write_report(old)
    assert (old / "journal.sqlite").read_bytes() == before

    async def look(journal: Journal) -> None:
        assert journal.totals() == Totals(17, 6165, 975)
        assert journal.answered_by() == {}

    within(old, look)
    with sqlite3.connect(old / "journal.sqlite") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(migrations.MIGRATIONS),)
