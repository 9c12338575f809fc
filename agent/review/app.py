"""The review page: one Gradio component over four API events, by itself or as a tab of another app.

The page's state is the database: an event is a plain function, without queue or session, so any number of tabs and of
server processes show the same. Pictures come as data through an event too. No file is served, so there is no path
that could lead anywhere.
"""

import functools
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from agent.review.desk import Desk
from dataset_builder.errors import AnomReasonError

__all__ = ["review_page"]

HERE = Path(__file__).parent
Event = TypeVar("Event", bound=Callable[..., Any])


def review_page(desk: Desk, reviewer: str | None = None) -> gr.Blocks:
    """The page of a run, to launch or to render within another `gr.Blocks`.

    Events: `/next`, `/verdict`, `/undo`, `/picture`. Whoever has logged in is the reviewer, whatever a request says.

    Args:
        desk (`Desk`): the run.
        reviewer (`str`, *optional*): who reviews, when nobody has logged in and a request names nobody.
    """

    def who(named: str, request: gr.Request | None) -> str:
        return getattr(request, "username", None) or named or reviewer or ""

    def next(reviewer: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment, type-arg]
        """The reviewer's next items, first the one to show; `reviewer` null if nobody has said who they are."""
        name = who(reviewer, request)
        return desk.next(name) if name else {"reviewer": None}

    def verdict(
        item: str,
        verdict: str,
        reviewer: str = "",
        token: str = "",
        seconds: float = 0.0,
        note: str = "",
        edit: dict | None = None,  # type: ignore[type-arg]
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:  # type: ignore[type-arg]
        """Store accept, reject or unsure for an item; a request repeated with its token is stored once. Then as `/next`."""
        token = token or uuid.uuid4().hex
        return desk.verdict(who(reviewer, request), item, verdict, token, seconds=seconds, note=note, edit=edit)

    def undo(reviewer: str = "", token: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment, type-arg]
        """Take the reviewer's last answer back. Then as `/next`."""
        return desk.undo(who(reviewer, request), token or uuid.uuid4().hex)

    def picture(picture: str) -> str:
        """A picture of an item as a data: URL."""
        return desk.picture(picture)

    with gr.Blocks(title="AnomReason review", analytics_enabled=False) as page:
        gr.HTML(
            html_template=(HERE / "page.html").read_text(encoding="utf-8"),
            css_template=(HERE / "page.css").read_text(encoding="utf-8"),
            js_on_load=(HERE / "page.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            elem_id="review",
        )
        for event in (next, verdict, undo, picture):
            # Gradio's default would let one answer at a time through the queue.
            gr.api(_telling(event), api_name=event.__name__, queue=False, concurrency_limit=None)
    return page


def _telling(event: Event) -> Event:
    """The event with errors that were raised on purpose told to the person at the page."""

    @functools.wraps(event)
    def told(*arguments: Any, **options: Any) -> Any:
        try:
            return event(*arguments, **options)
        except AnomReasonError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return told  # type: ignore[return-value]
