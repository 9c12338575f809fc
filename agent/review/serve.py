"""Serves the review page: on this machine for whoever is at it, elsewhere only behind a login."""

import threading
from collections.abc import Callable
from pathlib import Path

from agent.review.accounts import Accounts, check_host
from agent.review.app import review_page
from agent.review.desk import Desk
from dataset_builder.errors import UnavailableError

__all__ = ["serve"]


def serve(
    desk: Desk,
    run: Path,
    *,
    host: str,
    port: int,
    accounts: Accounts | None,
    reviewer: str | None,
    begun: Callable[[], None],
) -> None:
    """Serve until interrupted.

    Args:
        desk (`Desk`): the run under review.
        run (`Path`): its directory, of which no file is served.
        host (`str`), port (`int`): where.
        accounts (`Accounts`, *optional*): who may log in; needed for a host that others can reach.
        reviewer (`str`, *optional*): who reviews, when nobody logs in.
        begun (callable): called once the page can be opened.

    Raises:
        InputError: if others could reach the page and nobody would have to log in.
        UnavailableError: if the host and port cannot be had.
    """
    check_host(host, accounts)
    import gradio as gr

    page = review_page(desk, reviewer)
    fonts = ["system-ui", "sans-serif"]  # Gradio's own would be fetched from the network
    try:
        page.launch(
            server_name=host,
            server_port=port,
            auth=accounts.admits if accounts else None,
            auth_message="AnomReason review",
            theme=gr.themes.Default(font=fonts, font_mono=["ui-monospace", "monospace"]),
            blocked_paths=[str(run.resolve())],
            max_file_size=1,  # nothing is uploaded here
            prevent_thread_lock=True,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            share=False,
            quiet=True,
        )
    except OSError:
        raise UnavailableError(f"--port {port}: cannot be had on {host}; give another one") from None
    try:
        begun()
        threading.Event().wait()
    finally:
        page.close(verbose=False)
        desk.store.close()
