"""What the server lets in: pictures that were sent to it, never addresses to fetch or paths to read."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import gradio as gr
import gradio.route_utils
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Door", "Page", "clear", "own_folder", "sweep"]

LEFT_BEHIND = 600
"""Seconds after which an upload that nobody asked about is deleted; one that somebody asks about is deleted at once."""


def own_folder() -> Path:
    """A folder for uploads that no other process uses. Call it before the page is built: Gradio reads the variable then."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.mkdtemp(prefix="anomreason-space-"))
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


class _OwnPlace(gradio.route_utils.GradioUploadFile):  # type: ignore[misc, unused-ignore]
    """An upload with a folder of its own: Gradio puts the same file, sent twice, into one, and the first to read it deletes it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sha.update(uuid4().bytes)  # the folder's name


gradio.route_utils.GradioUploadFile = _OwnPlace


def clear(folder: Path) -> None:
    """Delete what was uploaded, and the folder."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, age: float = LEFT_BEHIND, every: float = 60) -> threading.Thread:
    """Delete files and empty folders older than `age` seconds, again and again, in a thread of its own."""

    def forever() -> None:
        while True:
            for path in folder.rglob("*"):
                try:
                    if time.time() - path.stat().st_mtime > age:
                        path.rmdir() if path.is_dir() else path.unlink()
                except OSError:  # somebody else was faster, or there is something newer in it
                    continue
            time.sleep(every)

    thread = threading.Thread(target=forever, daemon=True, name="sweep")
    thread.start()
    return thread


class Door:
    """Refuses what Gradio would do for anyone and this page has no use for.

    That is fetching web addresses (`/file=https://…`, `/proxy=…`), keeping a visitor's page on the disk (`/deep_link`), running a
    video converter on what is sent to it, editing the app, and telling who did what (`/monitoring`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _unwanted(unquote(scope.get("path", ""))):
            await PlainTextResponse("This server does not do that.", status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _unwanted(path: str) -> bool:
    wanted = path.partition("/file=")[2].lstrip("/").lower()
    return (
        any(part in path for part in ("/proxy=", "/deep_link", "/process_recording", "/monitoring", "vibe-"))
        or "://" in wanted
        or wanted.startswith(("http:", "https:", "ftp:", "data:"))
    )


class Page(gr.Blocks):  # type: ignore[misc, unused-ignore]
    """Blocks that take no web address for a file, whatever the component."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        return await super().preprocess_data(block_fn, [_local(value) for value in inputs], *args, **kwargs)


def _local(value: Any) -> Any:
    """A value without web addresses in its files."""
    if isinstance(value, list):
        return [_local(one) for one in value]
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("path"), str):
        return {key: _local(one) for key, one in value.items()}
    if urlsplit(value["path"]).scheme in ("http", "https"):
        raise gr.Error("This server fetches no web addresses; send the picture itself.", print_exception=False)
    return {key: one for key, one in value.items() if key != "url"}
