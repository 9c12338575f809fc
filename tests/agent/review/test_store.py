"""The verdicts' file: events are only added, the last one stands, and an old file is brought up to date."""

import json
import sqlite3
from pathlib import Path

import pytest

from agent.review.desk import Desk
from agent.review.migrations import MIGRATIONS, VERSION
from agent.review.store import FILE, Store
from dataset_builder.errors import InputError


def first(desk: Desk, reviewer: str = "ann") -> str:
    return str(desk.next(reviewer)["items"][0]["item"])


def events(desk: Desk) -> list[tuple[str, str]]:
    with desk.store.read() as db:
        return [(row["item"], row["verdict"]) for row in db.execute("SELECT * FROM events ORDER BY id")]


def test_the_last_answer_stands_and_the_first_stays_on_record(desk: Desk) -> None:
    """Answering again adds an event; the state is a view over them."""
    item = first(desk)
    desk.verdict("ann", item, "accept", "1", seconds=2.5)
    before = desk.next("ann", item)["beside"][0]["answer"]["event"]
    desk.verdict("ann", item, "reject", "2", replaces=before, note="no", edit={"name": "Cup"})
    assert events(desk) == [(item, "accept"), (item, "reject")]
    (stands,) = desk.store.standing()
    assert (stands.verdict, stands.note, stands.edit) == ("reject", "no", {"name": "Cup"})


def test_a_request_sent_twice_is_stored_once(desk: Desk) -> None:
    """The token makes it so, for answers and for taking them back."""
    item = first(desk)
    saved = [desk.verdict("ann", item, "accept", "same")["saved"] for _ in range(3)]
    assert len(set(saved)) == 1
    undone = [desk.undo("ann", "back")["undone"]["item"] for _ in range(3)]
    assert undone == [item] * 3
    assert events(desk) == [(item, "accept"), (item, "undo")]
    for answer in (("ann", item, "reject", "same"), ("bob", item, "accept", "same"), ("ann", item, "accept", "back")):
        with pytest.raises(InputError, match="another answer"):  # an answer that is not stored is not acknowledged
            desk.verdict(*answer)


def test_undo_goes_back_step_by_step_and_shows_the_item_again(desk: Desk) -> None:
    """Taken back are one's own answers, the last one first; nothing is left to take back in the end."""
    asked = []
    for number in range(3):
        asked.append(first(desk))
        desk.verdict("ann", asked[-1], "accept", f"{number}")
    desk.verdict("bob", first(desk, "bob"), "reject", "bob's")
    for number, item in enumerate(reversed(asked)):
        state = desk.undo("ann", f"undo {number}")
        assert state["undone"]["item"] == item == state["items"][0]["item"]
    assert desk.undo("ann", "once more")["undone"] is None
    assert [one.reviewer for one in desk.store.standing()] == ["bob"]


@pytest.mark.parametrize("change", ["UPDATE events SET verdict = 'accept'", "DELETE FROM events"])
def test_events_cannot_be_changed_or_removed(desk: Desk, change: str) -> None:
    """The database itself refuses."""
    desk.verdict("ann", first(desk), "reject", "1")
    with sqlite3.connect(desk.store.path) as db, pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        db.execute(change)


def test_an_acknowledged_verdict_is_on_the_disk(desk: Desk) -> None:
    """Write-ahead log, flushed with every commit."""
    with desk.store.read() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_file_of_the_first_version_is_brought_up_to_date(run: Path) -> None:
    """Its events are all there afterwards, and items can be asked."""
    with sqlite3.connect(run / FILE) as old:
        MIGRATIONS[0](old)
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO events VALUES (1, 't', 'gone', 'ann', 'accept', NULL, '', 1.0, '2026-01-01', 1)")
    old.close()
    desk = Desk(run)
    assert [one.item for one in desk.store.standing()] == ["gone"]
    desk.verdict("ann", first(desk), "accept", "new")
    with desk.store.read() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == VERSION
    desk.store.close()


def test_a_file_from_the_future_or_of_another_kind_is_refused(run: Path) -> None:
    """The message names the file; it is left as it is."""
    with sqlite3.connect(run / FILE) as new:
        new.execute(f"PRAGMA user_version = {VERSION + 1}")
    new.close()
    with pytest.raises(InputError, match="update the program"):
        Store(run / FILE)
    (run / "other").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="other"):
        Store(run / "other")
    assert (run / "other").read_bytes().startswith(b"no database")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "maybe"}, "not a verdict; send accept, reject or unsure"),
        ({"item": "../../etc/passwd"}, "not an item of this run"),
        ({"reviewer": " "}, "who are you"),
        ({"reviewer": "a\u202eb"}, "printable"),
        ({"note": "n" * 2001}, "2,001"),
        ({"note": "\ud800"}, "surrogate"),
        ({"edit": {"severity": 101}}, "severity"),
        ({"edit": {"votes": "9"}}, "votes"),
        ({"edit": {"name": ""}}, "name"),
        ({"seconds": -1.0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"token": ""}, "token"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(desk: Desk, change: dict[str, object], words: str) -> None:
    """Nothing of it is stored."""
    request = {"reviewer": "ann", "item": first(desk), "verdict": "accept", "token": "1"} | change
    with pytest.raises(InputError, match=words):
        desk.verdict(**request)  # type: ignore[arg-type]
    assert events(desk) == []


def test_a_candidate_that_changed_is_asked_anew(run: Path) -> None:
    """Verdicts are on what was said. Those on what a run no longer says stay, and count no more."""
    desk = Desk(run)
    desk.verdict("ann", first(desk), "accept", "1")
    total = desk.store.finished().total
    desk.store.close()
    path = run / "annotations.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    said = json.loads(lines[0])
    said["anomalies"][0]["phenomenon"] += " Look again."
    path.write_text(f"{json.dumps(said)}\n{''.join(lines[1:])}")
    desk = Desk(run)
    assert desk.store.finished() == (0, total, 0.0)
    assert len(desk.store.standing()) == 1
    desk.store.close()
