"""The Space: `python app.py` in its repository, `anomreason demo` anywhere else."""

import atexit
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

# As a file of this repository it lies inside the package; in the Space's repository the packages lie beside it.
if not __package__:
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here if (here / "space").is_dir() else here.parent))

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Gradio asks matplotlib for its backend at each call: unless one is named, all of pyplot is loaded to choose one.
os.environ.setdefault("MPLBACKEND", "agg")

from space.settings import Settings

__all__ = ["serve"]

LOOKS_EVERY = 0.05
"""Seconds between two looks of Gradio at its queue of calls, and at the progress of those that run. By itself it looks 1,000 and
100 times per second, which costs a page that nobody uses 7 % of a core."""


def serve(settings: Settings, port: int | None = None, block: bool = True) -> Any:
    """Load the models, serve the page, its API and the MCP tool.

    Args:
        settings (`Settings`): the models and the run.
        port (`int`, *optional*): the first free one from 7860 unless given.
        block (`bool`, defaults to `True`): stay until interrupted.

    Returns:
        The page, being served.

    Raises:
        UnavailableError: if a model is out of reach.
        InputError: if settings do not fit together.
        OutputError: if the port is taken.
    """
    from space.door import Door, Page, clear, own_folder, sweep

    uploads = own_folder()
    atexit.register(clear, uploads)
    with suppress(ImportError):  # where there is one, Gradio would load it while the first visitor waits
        import_module("matplotlib")
    import gradio as gr
    from starlette.middleware import Middleware
    from starlette.routing import Mount

    from dataset_builder.errors import OutputError
    from space.api import build_api
    from space.backends import open_backends
    from space.service import Service
    from space.site import routes
    from space.tool import Tools
    from space.uploads import MAX_BYTES

    service = Service(open_backends(settings), uploads)
    tools = Tools(service, settings.fetch)
    reviewing = [_reviewing(settings.run)] if settings.run else []
    with Page(title="AnomReason", analytics_enabled=False) as page:
        build_api(service)
        if settings.visitors_model:
            gr.LoginButton()  # nobody sees it; where there is one, Gradio serves /login/huggingface
    page.queue(max_size=200)
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = LOOKS_EVERY
    sweep(uploads)

    @asynccontextmanager
    async def running(_: Any) -> AsyncIterator[None]:
        async with tools.running():
            yield

    models = [one for one in (settings.model, settings.adapter, settings.visitors_model) if one]
    ours = [*routes(service, models, bool(reviewing)), Mount("/gradio_api/mcp", tools)]
    try:
        page.launch(
            server_port=port,
            mcp_server=False,  # ours is a better one
            max_file_size=MAX_BYTES,
            max_threads=100,  # those who wait in our line among them
            run_history=False,  # it would keep pictures and answers in the visitor's browser
            ssr_mode=False,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            app_kwargs={
                "middleware": [Middleware(Door)],
                "routes": ours + reviewing,
                "lifespan": running,
            },
        )
    except OSError as error:
        raise OutputError(f"port {port} cannot be used ({error}); choose another with --port") from None
    print(f"{page.local_url}   Ctrl-C stops it.", flush=True)
    if block:
        page.block_thread()
    return page


def _reviewing(run: Path) -> Any:
    """The review of a run at `/review`; where only this machine reaches it, only under this machine's names."""
    from starlette.routing import Mount

    from agent.review.app import review_app
    from agent.review.desk import Desk
    from agent.review.guard import LOOPBACK, is_loopback

    here = is_loopback(os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    return Mount("/review", review_app(Desk(run), hosts=LOOPBACK if here else None))


if __name__ == "__main__":
    serve(Settings.from_environment())
