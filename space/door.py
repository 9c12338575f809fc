"""What the server lets in: pictures that were sent to it, never addresses to fetch or paths to read."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio as gr
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["NoFetching", "Page", "clear", "own_folder", "sweep"]

LEFT_BEHIND = 600
"""Seconds after which an upload that nobody asked about is deleted; one that was examined is deleted at once."""

_FILE = "/gradio_api/file="


def own_folder() -> Path:
    """A folder for uploads that no other process uses. Call it before gradio is imported, which reads the variable once."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.mkdtemp(prefix="anomreason-space-"))
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def clear(folder: Path) -> None:
    """Delete what was uploaded, and the folder."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, age: float = LEFT_BEHIND, every: float = 60) -> threading.Thread:
    """Delete files older than `age` seconds, again and again, in a thread of its own."""

    def forever() -> None:
        while True:
            for path in folder.rglob("*"):
                try:
                    if path.is_file() and time.time() - path.stat().st_mtime > age:
                        path.unlink()
                except OSError:  # somebody else was faster
                    continue
            time.sleep(every)

    thread = threading.Thread(target=forever, daemon=True, name="sweep")
    thread.start()
    return thread


class NoFetching:
    """Gradio fetches web addresses for its visitors (`/file=https://…`, `/proxy=…`); this server does not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = unquote(scope.get("path", ""))
            wanted = path.partition("/file=")[2].lstrip("/").lower()
            if "/proxy=" in path or "://" in wanted or wanted.startswith(("http:", "https:", "ftp:", "data:")):
                await PlainTextResponse("This server fetches nothing.", status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Page(gr.Blocks):  # type: ignore[misc, unused-ignore]
    """Blocks that take no web address for a file, whatever the component."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        return await super().preprocess_data(block_fn, [_local(value) for value in inputs], *args, **kwargs)


def _local(value: Any) -> Any:
    """A value without web addresses in its files; those of uploads to this server become their paths."""
    if isinstance(value, list):
        return [_local(one) for one in value]
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("path"), str):
        return {key: _local(one) for key, one in value.items()}
    path = value["path"]
    if urlsplit(path).scheme in ("http", "https"):
        # An MCP client names an upload by its address here. Gradio checks afterwards that the path is one of its uploads.
        _, own, upload = urlsplit(path).path.partition(_FILE)
        if not own or not Path(unquote(upload)).is_relative_to(os.environ.get("GRADIO_TEMP_DIR", "/nowhere")):
            raise gr.Error("This server fetches no web addresses; send the picture itself.", print_exception=False)
        path = unquote(upload)
    return {key: one for key, one in value.items() if key not in ("url", "path")} | {"path": path}
