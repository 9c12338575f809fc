"""What page, API and tool do alike with a picture: take it in, let it wait its turn, have models look at it."""

import asyncio
import contextvars
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from dataset_builder.errors import PictureError
from space.backend import SILENT, Backend
from space.backends import Backends
from space.examination import Examination
from space.line import BEAT, Full, Line, TooMany
from space.uploads import Sent, Upload, read_upload, receive

__all__ = ["Refused", "Seen", "Service"]

CROWDED = "Too many pictures are waiting already; please try again in a minute."
ENOUGH = "You have as many pictures in line as one visitor may have; please wait until one of them is done."


class Refused(Exception):
    """A picture that nobody looks at, and why, in words for the person who sent it.

    Attributes:
        later (`bool`): whether the same picture may be taken later.
    """

    def __init__(self, problem: str, later: bool = False) -> None:
        super().__init__(problem)
        self.later = later


class Seen(NamedTuple):
    """A moment of looking at a picture: the picture, once it is decoded, and what each model has found so far."""

    picture: Upload | None
    found: tuple[Examination, ...]

    @property
    def ended(self) -> bool:
        return all(one.ended for one in self.found)


class Service:
    """The models, the folder of uploads, and the one line in front of the models.

    Args:
        backends (`Backends`): the models.
        uploads (`Path`): where uploads lie.
    """

    def __init__(self, backends: Backends, uploads: Path) -> None:
        self.backends, self._uploads = backends, uploads
        here = [one for one in (backends.first, backends.second, backends.thorough) if one is not None]
        self._line = Line(min(one.at_once for one in here))
        # What visitors pay for takes nothing from the models here, so nobody waits for them.
        self._payers = Line(backends.visitors.at_once) if backends.visitors else self._line

    def holds(self, path: str) -> bool:
        """Whether a text is the path of something below the folder of uploads, judged only by its words."""
        return len(path) < 4_096 and path.startswith(f"{self._uploads}{os.sep}")

    async def read(self, file: Any) -> tuple[bytes, str]:
        """What an upload holds, and its name. Raises `Refused`."""
        with _in_words():
            return await asyncio.to_thread(read_upload, file, self._uploads)

    async def receive(self, data: bytes, name: str) -> Sent:
        """A picture file, checked by its header. Raises `Refused`."""
        with _in_words():
            return await asyncio.to_thread(receive, data, name)

    async def look(
        self, sent: Sent, models: Sequence[Backend], client: str, *, language: str = "", paid: bool = False
    ) -> AsyncGenerator[Seen, None]:
        """Look at a picture. The last moment is told again every `BEAT`; leaving the loop soon stops the model.

        Args:
            sent (`Sent`): the picture.
            models (sequence of `Backend`): who looks, one after the other: two that share a machine would slow each other down.
            client (`str`): who asks, by whatever tells clients apart.
            language (`str`): of the answer.
            paid (`bool`): whether the visitor pays for the models.

        Raises:
            Refused: if it cannot be decoded, or there is no room in the line.
        """
        found = [Examination(sent.image_id) for _ in models]
        with _in_words(), sent.file:
            async with (self._payers if paid else self._line).join(client) as turn:
                async for before in turn:
                    yield Seen(None, tuple(Examination(sent.image_id, "waiting", before=before) for _ in models))
                yield Seen(None, tuple(found))
                picture = await asyncio.to_thread(sent.open)
                for at, model in enumerate(models):
                    async for found[at] in _steps(model, picture, language):
                        yield Seen(picture, tuple(found))


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except PictureError as problem:
        raise Refused(str(problem)) from None
    except Full:
        raise Refused(CROWDED, later=True) from None
    except TooMany:
        raise Refused(ENOUGH, later=True) from None


async def _steps(backend: Backend, picture: Upload, language: str) -> AsyncIterator[Examination]:
    """An examination's steps from a thread of its own."""
    loop, steps = asyncio.get_running_loop(), asyncio.Queue[Examination | None]()
    left = threading.Event()
    now: Examination | None = Examination(picture.image_id)

    def tell(step: Examination | None) -> None:
        with suppress(RuntimeError):  # the server is going down
            loop.call_soon_threadsafe(steps.put_nowait, step)

    def look() -> None:
        last, looking = None, iter(backend.examine(picture, language))
        try:
            for step in looking:
                if step != last:
                    tell(step)
                    last = step
                if left.is_set():
                    break
        except gr.Error as refused:  # ZeroGPU's: it tells visitors that their share is used up
            tell(Examination(picture.image_id, "failed", problem=refused.message))
        except Exception:  # whatever a model does, a visitor gets a sentence and may try again
            tell(Examination(picture.image_id, "failed", problem=SILENT))
        finally:
            getattr(looking, "close", lambda: None)()
            tell(None)

    # In the context of the request, from which ZeroGPU reads whose share of its time this is.
    threading.Thread(target=contextvars.copy_context().run, args=(look,), daemon=True).start()
    try:
        while now is not None:
            yield now
            with suppress(TimeoutError):
                now = await asyncio.wait_for(steps.get(), BEAT)
    finally:
        left.set()
