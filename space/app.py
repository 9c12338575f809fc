"""The Space: `python app.py` in its repository, `anomreason demo` anywhere else."""

import atexit
import os
import sys
from pathlib import Path
from typing import Any

# As a file of this repository it lies inside the package; in the Space's repository the packages lie beside it.
if not __package__:
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here if (here / "space").is_dir() else here.parent))

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from space.settings import Settings

__all__ = ["serve"]


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
    from space.door import Door, clear, open_tools, own_folder, sweep

    uploads = own_folder()
    atexit.register(clear, uploads)
    from starlette.middleware import Middleware

    from dataset_builder.errors import OutputError
    from space.backends import open_backends
    from space.page import build_page
    from space.theme import stylesheet, theme
    from space.uploads import MAX_BYTES

    page = build_page(open_backends(settings), uploads, settings.run)
    page.queue(max_size=200)
    sweep(uploads)
    try:
        page.launch(
            server_port=port,
            theme=theme(),
            css=stylesheet(),
            mcp_server=True,
            max_file_size=MAX_BYTES,
            footer_links=["api"],
            run_history=False,  # it would keep pictures and answers in the visitor's browser
            ssr_mode=False,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            app_kwargs={"middleware": [Middleware(Door)]},
        )
    except OSError as error:
        raise OutputError(f"--port {port}: cannot be served on ({error}); choose another one") from None
    open_tools(page, uploads)
    print(f"{page.local_url}   Ctrl-C ends it.", flush=True)
    if block:
        page.block_thread()
    return page


if __name__ == "__main__":
    serve(Settings.from_environment())
