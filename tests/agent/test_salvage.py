"""Journals that were damaged: told, kept aside, and what is readable is not paid for twice."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.errors import InputError
from tests.annotating import outputs, stats, summary

PAGE = 4096


@pytest.fixture(scope="module")
def base_url(scenes: Path) -> Iterator[str]:
    with serve(scenes) as url:
        yield url


@pytest.fixture(scope="module")
def finished(scenes: Path, base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    annotate(str(scenes / "images"), run, Endpoint("simulated", base_url), Settings(), limit=12)
    return run


def pages(run: Path, table: str) -> list[int]:
    """The pages that hold a table's rows, by number from 1."""
    with sqlite3.connect(run / "journal.sqlite") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            found = db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,))
            return [row[0] for row in found]
        except (
            sqlite3.OperationalError
        ):  # a SQLite without dbstat: the last pages of the file are of the table that grew last
            return list(range(4, (run / "journal.sqlite").stat().st_size // PAGE, 5))


def damage(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def test_a_damaged_journal_is_told_and_what_is_readable_is_saved(
    finished: Path, scenes: Path, base_url: str, tmp_path: Path
) -> None:
    """With a page of its calls destroyed the run ends in the same bytes, and only what was lost is asked again."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    damage(run / "journal.sqlite", pages(run, "calls")[2])
    before, asked = outputs(run), summary(run)["calls"]
    calls = stats(base_url)["calls"]
    told = annotate(str(scenes / "images"), run, Endpoint("simulated", base_url), Settings(), limit=12)
    assert outputs(run) == before
    assert stats(base_url)["calls"] - calls < asked / 2
    assert "the journal was damaged" in told["salvaged"]
    assert "the damaged file is journal.damaged-1.sqlite" in told["salvaged"]
    assert (run / "journal.damaged-1.sqlite").is_file()
    again = annotate(str(scenes / "images"), run, Endpoint("simulated", base_url), Settings(), limit=12)
    assert again["salvaged"] is None


def test_a_journal_that_broke_off_is_saved_as_far_as_it_goes(
    finished: Path, scenes: Path, base_url: str, tmp_path: Path
) -> None:
    """A file cut in half, as by a copy that broke off, is damaged too."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    pages(run, "calls")
    path = run / "journal.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    told = annotate(str(scenes / "images"), run, Endpoint("simulated", base_url), Settings(), limit=12)
    assert outputs(run) == outputs(finished)
    assert "the journal was damaged" in told["salvaged"]


def test_what_never_was_a_journal_is_not_touched(scenes: Path, base_url: str, tmp_path: Path) -> None:
    """A file that is not a database is an error that names it; it stays as it is."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.lock").touch()
    (run / "journal.sqlite").write_text("mine")
    with pytest.raises(InputError, match=r"journal\.sqlite"):
        annotate(str(scenes / "images"), run, Endpoint("simulated", base_url), Settings(), limit=1)
    assert (run / "journal.sqlite").read_text() == "mine"
