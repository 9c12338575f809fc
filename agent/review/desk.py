"""What the page can ask: the next items, a verdict, to take one back, a picture. All that is known of a reviewer is a name."""

import statistics
import time
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.review import claims
from agent.review.items import Item, gold_items, pictures_in, run_items
from agent.review.store import FILE, Answer, Finished, Store, append, item_of, overlap_in, take_back
from dataset_builder import severity
from dataset_builder.data_url import data_url
from dataset_builder.errors import InputError, PictureError, shorten
from dataset_builder.files.tree import File
from dataset_builder.picture_header import check_structure
from dataset_builder.pictures import SHOWN_BY_BROWSERS, encode, open_picture
from dataset_builder.schema import Text, Verdict

__all__ = ["Desk", "Edit"]

_NAME, _NOTE, _TOKEN = 64, 2_000, 100
_STALE = 2.0


class Edit(BaseModel):
    """Corrected fields of a quadruplet; those left out stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Text, StringConstraints(min_length=1, max_length=300)] | None = None
    phenomenon: Annotated[Text, StringConstraints(min_length=1, max_length=4_000)] | None = None
    reasoning: Annotated[Text, StringConstraints(min_length=1, max_length=4_000)] | None = None
    severity: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None


class Desk:
    """A run under review.

    Args:
        run (`Path`): the run; its verdicts are kept in it.
        overlap (`int`, *optional*): how many people answer each item; what was set before, or 1, unless given.
        gold (`Path`, *optional*): a scenes directory, from which items with a known answer are mixed in.

    Raises:
        InputError: if the run, the scenes or the verdicts cannot be read, or the run has no candidates.
        OutputError: if the verdicts cannot be written.
    """

    def __init__(self, run: Path, *, overlap: int | None = None, gold: Path | None = None) -> None:
        if overlap is not None and overlap < 1:
            raise InputError(f"--overlap {overlap}: every item needs at least one answer; give 1 or more")
        items = run_items(run) + (gold_items(gold) if gold else [])
        self.store = Store(run / FILE)
        self.store.register(items, overlap=overlap)
        self._run = run
        self._pictures = pictures_in(run, self.store.items())
        self._finished = 0.0, Finished(0, 0, 0.0)

    def next(self, reviewer: str) -> dict[str, Any]:
        """The reviewer's items, first the one to show, and how far the review is."""
        reviewer = self._name(reviewer)
        with self.store.write() as db:
            held = claims.hand(db, reviewer, overlap_in(db), time.time())
        return self._answer(reviewer, held)

    def verdict(
        self,
        reviewer: str,
        item: str,
        verdict: str,
        token: str,
        *,
        seconds: float = 0.0,
        note: str = "",
        edit: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Store a verdict; when this returns, it is on the disk. Then as `next`, with the event's number as `saved`.

        The same `token` is stored once. An item that was answered before is answered anew, and the last answer stands.

        Raises:
            InputError: if a value cannot be taken, or there is no such item.
        """
        answer = Answer(
            token=self._token(token),
            item=item,
            reviewer=self._name(reviewer),
            verdict=_verdict(verdict),
            edit=_edit(edit),
            note=_text(note, "the note", _NOTE),
            seconds=_seconds(seconds),
        )
        now = time.time()
        with self.store.write() as db:
            if not db.execute("SELECT 1 FROM items WHERE item = ?", (item,)).fetchone():
                raise InputError(f"item {shorten(item)}: is none of this run's; load the page again")
            saved = append(db, answer)
            claims.answered(db, item, answer.reviewer, now)
            held = claims.hand(db, answer.reviewer, overlap_in(db), now)
        return self._answer(answer.reviewer, held) | {"saved": saved}

    def undo(self, reviewer: str, token: str) -> dict[str, Any]:
        """Take the reviewer's last answer back; its item is the first again. As `next`, with that answer as `undone`."""
        reviewer, token, now = self._name(reviewer), self._token(token), time.time()
        with self.store.write() as db:
            last = take_back(db, token, reviewer)
            if last:
                claims.give_back(db, last.item, reviewer, now)
            held = claims.hand(db, reviewer, overlap_in(db), now)
        undone = last and {"item": last.item, "verdict": last.verdict, "note": last.note, "edit": last.edit}
        return self._answer(reviewer, held) | {"undone": undone}

    def picture(self, key: str) -> str:
        """A picture as a `data:` URL. Only keys of this run's items lead anywhere, and only to whole picture files.

        Raises:
            InputError: if there is no such picture.
            PictureError: if it is damaged.
        """
        if key not in self._pictures and key in {item.picture for item in self.store.items()}:
            self._pictures = pictures_in(self._run, self.store.items())  # another process has added gold
        file = self._pictures.get(key)
        if file is None or (file.member is None and Path(file.place).is_symlink()):
            raise InputError("there is no such picture in this run")
        kind = SHOWN_BY_BROWSERS.get(check_structure(file).format)
        data = file.read() if kind else _as_png(file)
        return data_url(data, kind or "image/png")

    def _answer(self, reviewer: str, held: list[Any]) -> dict[str, Any]:
        count, seconds, last = self.store.progress(reviewer)
        at, finished = self._finished
        # Counting over everything costs as much as the answer itself, and nobody sees two seconds of it.
        if time.monotonic() - at > _STALE or not held:
            finished = self.store.finished()
            self._finished = time.monotonic(), finished
        pace = statistics.median(seconds) if seconds else None
        return {
            "reviewer": reviewer,
            "items": [_shown(item_of(row)) for row in held],
            "progress": {
                "yours": count,
                "finished": finished.items,
                "total": finished.total,
                "share": finished.share,
                "seconds": pace,
            },
            "last": last and last.verdict,
        }

    @staticmethod
    def _name(reviewer: str) -> str:
        name = _text(reviewer, "the reviewer's name", _NAME).strip()
        if not name or not name.isprintable():
            raise InputError("who are you? give a name of printable characters")
        return name

    @staticmethod
    def _token(token: str) -> str:
        if not _text(token, "the token", _TOKEN):
            raise InputError("the token is empty; send one of your own with each request, such as a UUID")
        return token


def _shown(item: Item) -> dict[str, Any]:
    """What a reviewer sees. Not the evidence, the votes or the file's name, which would tell what to answer."""
    said = item.candidate
    level = None if said.severity is None else severity.word(said.severity)
    colour = None if said.severity is None else severity.colour(said.severity)
    fields = said.model_dump(include={"name", "phenomenon", "reasoning", "severity", "remark", "bbox"}, mode="json")
    return {"item": item.key, "picture": item.picture, "word": level, "colour": colour} | fields


def _verdict(verdict: object) -> Verdict:
    if verdict not in get_args(Verdict):
        raise InputError(f"verdict {shorten(verdict)}: is no verdict; send accept, reject or unsure")
    return verdict  # type: ignore[return-value]


def _text(value: object, what: str, limit: int) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what}: {shorten(value)} is no text; send a string")
    if len(value) > limit:
        raise InputError(f"{what}: {len(value):,} characters are more than {limit:,}; make it shorter")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(f"{what}: holds half a character (a lone surrogate); write the whole one") from None
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"seconds {shorten(value)}: is no time; send a number from 0")
    return round(min(float(value), 3_600.0), 3)  # an open page overnight is no hour of thought


def _edit(edit: object) -> dict[str, str | int]:
    try:
        return Edit.model_validate(edit or {}).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "edit"
        raise InputError(f"edit: {shorten(field)}: {first['msg']}; mend it or leave it out") from None


def _as_png(file: File) -> bytes:
    """A picture of a format that browsers do not show, such as TIFF."""
    data, _ = encode(open_picture(file.path, file.read()), lossless=True)
    if len(data) > 2**27:
        raise PictureError(f"{file.name}: is too large to be shown; make the picture smaller")
    return data
