"""The functions that Gradio serves: `/examine` and its kin for programs, and `/page`, which the page itself calls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from dataset_builder.errors import PictureError
from space.backend import Backend
from space.clients import client_of
from space.languages import LANGUAGES
from space.listener import Listener
from space.pane import looking, refused, restored, seen
from space.restoring import is_card, restore
from space.service import Refused, Service
from space.ways import Way, ways

__all__ = ["build_api"]


def build_api(service: Service) -> None:
    """Put the functions into the `gr.Blocks` in whose context this is called.

    Each gives its answer as far as it has come, and whole at the end.
    """
    offered = ways(service.backends)

    def api(way: Way, single: bool) -> Callable[..., AsyncIterator[dict[str, Any]]]:
        async def look(image: gr.FileData, request: gr.Request) -> AsyncIterator[dict[str, Any]]:
            listener = Listener(request.session_hash)
            try:
                sent = await service.receive(*await service.read(image))
                async for now in service.look(sent, way.models, client_of(request)):
                    failed = next((one.problem for one in now.found if one.status == "failed"), None)
                    if failed is not None:
                        raise gr.Error(failed, print_exception=False)
                    told = [dict(one.answer()) for one in now.found]
                    yield told[0] if single else dict(zip((one.name for one in way.models), told, strict=True))
                    if listener.left():
                        return
            except Refused as problem:
                raise gr.Error(str(problem), print_exception=False) from None

        return look

    for name, way in offered.items():
        if not way.paid:
            gr.api(api(way, name != "compare"), api_name=name, api_description=way.about, concurrency_limit=None)
    _page(service, offered)


def _page(service: Service, offered: dict[str, Way]) -> None:
    async def page(
        image: gr.FileData, way: str, language: str, request: gr.Request, token: gr.OAuthToken | None
    ) -> AsyncIterator[dict[str, Any]]:
        chosen = offered.get(way, offered["examine"])
        models: tuple[Backend, ...] = chosen.models
        if chosen.paid:
            if token is None or service.backends.visitors is None:
                yield refused("Please sign in with Hugging Face first: this model is paid from your own quota.")
                return
            models = (service.backends.visitors.paid_by(token.token),)
        listener = Listener(request.session_hash)
        yield looking(models)
        try:
            data, name = await service.read(image)
            if is_card(data):
                yield restored(await asyncio.to_thread(restore, data))
                return
            sent = await service.receive(data, name)
            del data  # the picture may wait
            asked = LANGUAGES.get(language, "")
            async for now in service.look(sent, models, client_of(request), language=asked, paid=chosen.paid):
                yield seen(now, models)
                if listener.left():
                    return
        except (PictureError, Refused) as problem:
            yield refused(str(problem), getattr(problem, "later", False))

    gr.api(page, api_name="page", api_visibility="private", concurrency_limit=None)
