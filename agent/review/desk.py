"""What the page can ask: the next items, a verdict, to take one back, to skip, to add what was missed, the list, a picture.

All that is known of a reviewer is a name.
"""

import sqlite3
import time
from pathlib import Path
from typing import Any

from agent.review import claims
from agent.review.answers import Answer, answer_of, missed_of, name_of, token_of
from agent.review.items import added_item, gold_items, pictures_in, run_items
from agent.review.listing import LISTED, State, listed
from agent.review.shown import said_of, state_of
from agent.review.store import (
    FILE,
    Finished,
    Settings,
    Store,
    append,
    insert,
    item_of,
    settings_in,
    take_back,
)
from dataset_builder.errors import InputError, PictureError, shorten
from dataset_builder.files.tree import File
from dataset_builder.picture_header import check_structure
from dataset_builder.pictures import SHOWN_BY_BROWSERS, encode, open_picture

__all__ = ["Desk"]

_STALE = 2.0


class Desk:
    """A run under review.

    Args:
        run (`Path`): the run; its verdicts are kept in it.
        overlap (`int`, *optional*): how many people answer each item; what was set before, or 1, unless given.
        rate_severity (`bool`, *optional*): whether people rate the severity of what they accept, without seeing the model's.
        ask_missed (`bool`, *optional*): whether each picture is also asked about as a whole.
        gold (`Path`, *optional*): a scenes directory, from which items with a known answer are mixed in.

    Raises:
        InputError: if the run, the scenes or the verdicts cannot be read, or the run has no candidates.
        OutputError: if the verdicts cannot be written.
    """

    def __init__(
        self,
        run: Path,
        *,
        overlap: int | None = None,
        rate_severity: bool | None = None,
        ask_missed: bool | None = None,
        gold: Path | None = None,
    ) -> None:
        if overlap is not None and overlap < 1:
            raise InputError(f"--overlap {overlap}: every item needs at least one answer; give 1 or more")
        run_items(run, ask_missed=True)  # what is wrong with the run is told before a file is made in it
        known = gold_items(gold) if gold else []
        self.store = Store(run / FILE)
        settings = self.store.configure(overlap=overlap, rate_severity=rate_severity, ask_missed=ask_missed)
        self.store.register(run_items(run, ask_missed=settings.ask_missed) + known)
        self._run = run
        self._pictures = pictures_in(run, self.store.items())
        self._finished = 0.0, Finished(0, 0, 0.0)

    def next(self, reviewer: str, show: str | None = None) -> dict[str, Any]:
        """The reviewer's items, first the one to show, and how far the review is.

        Args:
            reviewer (`str`): who asks.
            show (`str`, *optional*): the item to show, one that this reviewer has answered or may still be asked.

        Raises:
            InputError: if the item is not one of those.
        """
        reviewer = name_of(reviewer)
        now = time.time()
        with self.store.write() as db:
            settings = settings_in(db)
            if show is not None and not claims.take(db, show, reviewer, settings.overlap, now):
                raise InputError(f"item {shorten(show)}: is not yours to answer; choose one from the list")
            held = claims.hand(db, reviewer, settings.overlap, now)
            state = state_of(db, reviewer, settings, held, show)
        return self._told(state)

    def verdict(
        self,
        reviewer: str,
        item: str,
        verdict: str,
        token: str,
        *,
        replaces: int = 0,
        reason: str | None = None,
        rating: int | None = None,
        seconds: float = 0.0,
        note: str = "",
        edit: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Store a verdict; when this returns, it is on the disk. Then as `next`, with the event's number as `saved`.

        The same `token` is stored once. An answer replaces another of this reviewer only if it says so: `replaces` is that one's
        event number, 0 where there is none.

        Raises:
            InputError: if a value cannot be taken, or there is no such item.
            Conflict: if the current answer is not the one to be replaced.
        """
        answer = answer_of(reviewer, item, verdict, token, reason, rating, edit, note, seconds)
        now = time.time()
        self._check_box(item, (answer.edit or {}).get("bbox"))
        with self.store.write() as db:
            settings = settings_in(db)
            row = db.execute("SELECT * FROM items WHERE item = ?", (item,)).fetchone()
            if row is None:
                raise InputError(f"item {shorten(item)}: is not an item of this run; reload the page")
            self._check_rating(answer, settings, row["asks"] == "candidate")
            saved = append(db, answer, replaces)
            claims.answered(db, item, answer.reviewer, answer.verdict, now)
            held = claims.hand(db, answer.reviewer, settings.overlap, now)
            state = state_of(db, answer.reviewer, settings, held) | {"saved": saved}
        return self._told(state)

    def undo(self, reviewer: str, token: str, last: int | None = None) -> dict[str, Any]:
        """Take the reviewer's last answer back; its item is the first again. As `next`, with that answer as `undone`.

        Args:
            reviewer (`str`), token (`str`): as of a verdict.
            last (`int`, *optional*): the event number of what is thought to be the last answer, 0 for none.

        Raises:
            Conflict: if it is another one.
        """
        reviewer, token, now = name_of(reviewer), token_of(token), time.time()
        with self.store.write() as db:
            settings = settings_in(db)
            undone = take_back(db, token, reviewer, last)
            if undone:
                claims.give_back(db, undone.item, reviewer, now)
            held = claims.hand(db, reviewer, settings.overlap, now)
            state = state_of(db, reviewer, settings, held) | {"undone": undone and said_of(undone)}
        return self._told(state)

    def skip(self, reviewer: str, picture: str) -> dict[str, Any]:
        """Put aside what is unanswered about a picture: others get it, and this reviewer after everything else. As `next`."""
        reviewer = name_of(reviewer)
        with self.store.write() as db:
            settings = settings_in(db)
            claims.put_aside(db, picture, reviewer)
            held = claims.hand(db, reviewer, settings.overlap, time.time())
            state = state_of(db, reviewer, settings, held)
        return self._told(state)

    def add(
        self,
        reviewer: str,
        beside: str,
        token: str,
        *,
        name: str = "",
        phenomenon: str = "",
        reasoning: str = "",
        severity: int | None = None,
        bbox: list[float] | None = None,
        seconds: float = 0.0,
    ) -> dict[str, Any]:
        """Store an anomaly that the agent missed, in the picture of the item `beside`. Its finder's answer is an accept; others are
        asked about it as about any candidate. As `next`, with the item's key as `added`.

        Raises:
            InputError: if a field cannot be taken, or the box is not within the picture.
        """
        fields = {"name": name, "phenomenon": phenomenon, "reasoning": reasoning, "severity": severity, "bbox": bbox}
        anomaly, now = missed_of(fields), time.time()
        self._check_box(beside, anomaly.bbox)
        with self.store.write() as db:
            settings = settings_in(db)
            row = db.execute("SELECT * FROM items WHERE item = ? AND position IS NOT NULL", (beside,)).fetchone()
            if row is None:
                raise InputError(f"item {shorten(beside)}: is not an item of this run; reload the page")
            answer = answer_of(reviewer, "", "accept", token, None, None, None, "", seconds)
            found = added_item(item_of(row), anomaly, answer.reviewer)
            insert(db, found, _last_position(db, found.picture))
            standing = db.execute(
                "SELECT id FROM standing WHERE item = ? AND reviewer = ?", (found.key, answer.reviewer)
            ).fetchone()
            if standing is None:  # the same, sent twice, is one
                own = Answer(answer.token, found.key, answer.reviewer, "accept", seconds=answer.seconds)
                append(db, own)
                claims.answered(db, found.key, answer.reviewer, "accept", now)
            held = claims.hand(db, answer.reviewer, settings.overlap, now)
            state = state_of(db, answer.reviewer, settings, held) | {"added": found.key}
        return self._told(state)

    def search(self, reviewer: str, words: str = "", state: State = "all", start: int = 0) -> dict[str, Any]:
        """What this reviewer has answered, the last first, and what may still be asked of them: `total`, and from `start` on as
        many `items` as a page of the list has (`LISTED`), each with its key, name, phenomenon and `state`.

        Args:
            reviewer (`str`): who asks.
            words (`str`): words that all occur in the candidate's texts.
            state (`str`): `all`, `open`, `skipped`, `accept`, `reject` or `unsure`.
            start (`int`): from which one on.
        """
        reviewer = name_of(reviewer)
        with self.store.read() as db:
            found = listed(db, reviewer, settings_in(db).overlap, time.time(), words, state)
        return {"total": len(found), "items": found[start : start + LISTED]}

    def leave(self, reviewer: str) -> dict[str, Any]:
        """Give what is in the reviewer's hand to others at once."""
        with self.store.write() as db:
            claims.drop(db, name_of(reviewer))
        return {"reviewer": None}

    def picture(self, key: str) -> tuple[bytes, str]:
        """A picture and its media type. Only keys of this run's items lead anywhere, and only to whole picture files.

        Raises:
            InputError: if there is no such picture.
            PictureError: if it is damaged.
        """
        file = self._file(key)
        kind = SHOWN_BY_BROWSERS.get(check_structure(file).format)
        return (file.read(), kind) if kind else (_as_png(file), "image/png")

    def _file(self, key: str) -> File:
        if key not in self._pictures and key in {item.picture for item in self.store.items()}:
            self._pictures = pictures_in(self._run, self.store.items())  # another process has added gold
        file = self._pictures.get(key)
        if file is None or (file.member is None and Path(file.place).is_symlink()):
            raise InputError("there is no such picture in this run")
        return file

    def _check_box(self, item: str, box: Any) -> None:
        """Raise `InputError` for a box without an area or beyond the picture of an item."""
        if box is None:
            return
        with self.store.read() as db:
            row = db.execute("SELECT picture FROM items WHERE item = ?", (item,)).fetchone()
        if row is None:
            raise InputError(f"item {shorten(item)}: is not an item of this run; reload the page")
        file = self._file(row["picture"])
        width, height = open_picture(file.path, file.read()).size
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise InputError(
                f"bbox {list(box)}: is not a box in a picture of {width} × {height} pixels; give [x0, y0, x1, y1] within it"
            )

    @staticmethod
    def _check_rating(answer: Answer, settings: Settings, is_candidate: bool) -> None:
        wanted = settings.rate_severity and answer.verdict == "accept" and is_candidate
        if wanted and answer.rating is None:
            raise InputError("rating: is missing; rate the severity of what you accept, 0 irrational to 100 realistic")
        if answer.rating is not None and not wanted:
            raise InputError(f"rating {answer.rating}: a rating needs an accept and --rate-severity; leave it out")

    def _told(self, state: dict[str, Any]) -> dict[str, Any]:
        """A reviewer's state with how far the whole review is."""
        at, finished = self._finished
        # Counting over everything costs as much as an answer itself, and nobody sees two seconds of it.
        if time.monotonic() - at > _STALE or not state["items"]:
            finished = self.store.finished()
            self._finished = time.monotonic(), finished
        state["progress"] |= {"finished": finished.items, "total": finished.total, "share": finished.share}
        return state


def _last_position(db: sqlite3.Connection, picture: str) -> int:
    (last,) = db.execute("SELECT max(position) FROM items WHERE picture = ?", (picture,)).fetchone()
    return int(last)


def _as_png(file: File) -> bytes:
    """A picture of a format that browsers do not show, such as TIFF."""
    data, _ = encode(open_picture(file.path, file.read()), lossless=True)
    if len(data) > 2**27:
        raise PictureError(f"{file.name}: is too large to be shown; make the picture smaller")
    return data
