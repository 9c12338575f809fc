"""AnomAgent as a library: one picture in, its annotation out."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image

from agent.asking import Asker, Services
from agent.budget import Budget
from agent.client import Chat
from agent.connection import Server, connect
from agent.journal import Journal
from agent.loops import LoopThread, wait_for
from agent.pictures import SentPicture
from agent.plans import PLANS, Annotation, Settings
from dataset_builder.contestants import Limits

__all__ = ["AnomAgent"]


class AnomAgent:
    """Annotates single pictures. Works wherever Python does, notebooks with a running event loop included.

    Calls run on the agent's own event loop, in its own thread; `annotate` may be called from several threads.

    Args:
        server (`Server`, *optional*): where the model answers; by default as `agent.connection.connect` finds it.
        model (`str`): the model's name on that server.
        base_url (`str`, *optional*): URL of an OpenAI-compatible server, instead of `server`.
        journal (path, *optional*): a directory for the journal, so that no answer is paid for twice; without it answers are
            kept only as long as the agent exists.
        concurrency (`int`, defaults to 16): calls in flight.
        timeout (`float`, defaults to 300): seconds for one attempt.
        settings: fields of `agent.plans.Settings`: `plan`, `stance`, `drafts`, `samples`, `max_objects`, `min_support`.

    ```python
    with AnomAgent(model="gpt-4o") as agent:
        for anomaly in agent.annotate("photo.jpg").anomalies:
            print(anomaly.severity, anomaly.name)
    ```
    """

    def __init__(
        self,
        server: Server | None = None,
        *,
        model: str,
        base_url: str | None = None,
        journal: str | os.PathLike[str] | None = None,
        concurrency: int = 16,
        timeout: float = 300.0,
        **settings: Any,
    ) -> None:
        self.settings = Settings(**settings)
        server = server or connect(model, base_url)
        self._under_way: set[asyncio.Task[Any]] = set()
        self._passing = None if journal else tempfile.TemporaryDirectory(prefix="anomreason-")
        self._loop = LoopThread()
        directory = Path(journal) if journal else Path(self._passing.name if self._passing else "")
        try:
            self._services = self._loop.wait(self._open(server, model, directory, concurrency, timeout))
        except BaseException:
            self._end()
            raise

    def annotate(self, image: str | os.PathLike[str] | bytes | Image.Image, image_id: str | None = None) -> Annotation:
        """Annotate one picture.

        Args:
            image (path, `bytes` or `PIL.Image.Image`): the picture.
            image_id (`str`, *optional*): its name; a file's own by default.

        Raises:
            PictureError: if it cannot be read.
            UnavailableError: if the server refuses to answer.
        """
        return wait_for(self.begin(image, image_id))

    def begin(
        self,
        image: str | os.PathLike[str] | bytes | Image.Image,
        image_id: str | None = None,
        tell: Callable[[str, bool], None] | None = None,
    ) -> "Future[Annotation]":
        """Start to annotate one picture. Cancelling the returned future stops it, including calls in flight.

        Args:
            image, image_id: as for `annotate`.
            tell (callable, *optional*): called on the agent's own thread with a question's stage and `False` when it is asked,
                and with `True` once it has ended.

        Raises:
            PictureError: if the picture cannot be read. The future raises the other errors of `annotate`.
        """
        picture = SentPicture.read(image, image_id)
        return self._loop.begin(
            self._annotate(
                Asker(
                    picture,
                    self._services,
                    self.settings.stance,
                    boxes=self.settings.boxes,
                    tell=tell,
                    texts=self.settings.texts,
                )
            )
        )

    def close(self) -> None:
        """Stop what is running, and close the connections and the journal."""
        if not self._loop.closed:
            try:
                self._loop.wait(self._close())
            finally:
                self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _open(self, server: Server, model: str, directory: Path, concurrency: int, timeout: float) -> Services:
        journal = await Journal(directory).__aenter__()
        chat = Chat(server, model, concurrency=concurrency, timeout=timeout)
        return Services(chat, journal, Budget(Limits(), None, journal.totals()))

    async def _annotate(self, asker: Asker) -> Annotation:
        under_way = asyncio.current_task()
        assert under_way is not None
        self._under_way.add(under_way)
        try:
            return await PLANS[self.settings.plan](asker, self.settings)
        finally:
            self._under_way.discard(under_way)

    async def _close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        try:
            await self._services.chat.server.close()
        finally:
            await self._services.journal.__aexit__(None, None, None)

    def _end(self) -> None:
        self._loop.close()
        if self._passing:
            self._passing.cleanup()
