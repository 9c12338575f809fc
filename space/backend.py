"""What a model behind the page is: it looks at a picture and tells what it has found so far, until it is done.

Closing the iterator stops the model: that is what Cancel does, and what happens when the visitor leaves.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from dataset_builder.boxes import rescaled
from dataset_builder.schema import Anomaly
from space.examination import Examination, VerdictAnswer
from space.reading import Reading
from space.uploads import Upload

__all__ = ["SILENT", "TIMEOUT", "Backend", "examine_text", "placed"]

TIMEOUT = 120.0
"""Seconds without any text after which a server's model counts as dead."""

STOPPED = "The model stopped in the middle of its answer. What it said so far is shown here; please try again."
SILENT = "The model cannot be reached or gave up before it said anything; please try again."
UNREADABLE = "The model answered, but not in a form that can be read."
LOST = "A part of the model's answer could not be read and is left out."


class Backend(Protocol):
    """A model that looks at pictures.

    Attributes:
        name (`str`): what a visitor calls it.
        knows_scenes_alone (`bool`): whether its output is meaningless for anything but rendered scenes.
        at_once (`int`): how many pictures it can look at at the same time.
        speaks (`bool`): whether it can be asked to answer in another language than English.
    """

    name: str
    knows_scenes_alone: bool
    at_once: int
    speaks: bool

    def examine(self, picture: Upload, language: str = "") -> Iterator[Examination]:
        """Looks at a picture; the last examination given is the answer. Raises nothing for a model that fails.

        `language`, an English name such as `German`, is heeded by a model that `speaks`.

        The same examination is given again while nothing is new, so that whoever iterates can stop the model soon.
        """
        ...


def examine_text(
    picture: Upload, pieces: Iterator[str | VerdictAnswer], place: Callable[[Anomaly], Anomaly]
) -> Iterator[Examination]:
    """An examination from the text that a model writes piece by piece.

    Args:
        picture (`Upload`): what it looks at.
        pieces (iterator of `str` or `VerdictAnswer`): the answer, and the verdict once it is known; one that ends without an error
            is complete. `ConnectionError` says that the model died.
        place (callable): brings the box of an anomaly, as the model gave it, to pixels of the upright picture, or takes it away.
    """
    started = time.monotonic()
    reading, found = Reading(), Examination(picture.image_id)
    yield found
    broken = False
    try:
        for piece in pieces:
            if not isinstance(piece, str):
                found = replace(found, verdict=piece)
            else:
                new = [place(one) for one in reading.feed(piece)]
                found = replace(found, anomalies=found.anomalies + new) if new else found
            yield found  # new or not: whoever has seen enough can leave here, and the model stops
            if reading.full:
                break
    except ConnectionError:
        broken = True
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    parsed = reading.finish()
    anomalies = [place(one) for one in parsed.anomalies]
    seconds = round(time.monotonic() - started, 2)
    if broken:
        ended = replace(found, status="partial" if anomalies else "failed", problem=STOPPED if anomalies else SILENT)
    else:
        problem = {"failed": UNREADABLE, "partial": LOST}.get(parsed.status, "")
        ended = replace(found, status=parsed.status, problem=problem)
    yield replace(ended, anomalies=anomalies, seconds=seconds)


def placed(anomaly: Anomaly, picture: Upload, shown: tuple[int, int] | None) -> Anomaly:
    """The anomaly with its box in pixels of the upright picture, or without a box."""
    if shown is None:
        return anomaly.model_copy(update={"bbox": None})
    return rescaled(anomaly, shown, picture.size)
