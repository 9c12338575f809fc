"""The page: Examine, Compare and Review, and the API and MCP tool behind it."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from dataset_builder import severity
from dataset_builder.data_url import data_url
from dataset_builder.errors import PictureError
from dataset_builder.pictures import FORMATS, SUFFIXES
from dataset_builder.templates import environment
from space.backend import SILENT, Backend
from space.backends import Backends
from space.cards import boxes, notice, results
from space.door import Page
from space.examination import Examination
from space.line import BEAT, Full, Line
from space.uploads import MAX_BYTES, Upload, take_upload

__all__ = ["build_page"]

_HERE = Path(__file__).parent
_TEMPLATES = environment(_HERE)

_SCENES = {
    "floating": "a thing in mid-air",
    "extra_arm": "a person and a table",
    "mirror": "a mirror on the wall",
    "clock": "a clock on the wall",
    "giant": "a thing out of scale",
    "clean": "nothing wrong with it",
}
CROWDED = "Too many pictures are waiting already; please try again in a minute."
BANNER = (
    "This demo runs a tiny model that knows rendered scenes like those below and nothing else. It refuses almost every other "
    "picture; what it says about one that it lets pass means nothing. It gives no verdict on whether a picture is real."
)

BANNER_OF_ONE = (
    "this model knows only rendered scenes. What it says about any other picture that it lets pass means nothing."
)


def build_page(backends: Backends, uploads: Path, run: Path | None = None) -> Page:
    """The page, not yet served.

    Args:
        backends (`Backends`): the models.
        uploads (`Path`): where Gradio puts uploads.
        run (`Path`, *optional*): a run to review, in a tab of its own.
    """
    models = [one for one in (backends.first, backends.second, backends.thorough) if one is not None]
    line = Line(min(one.at_once for one in models))
    tiny = backends.first.knows_scenes_alone
    page = Page(title="AnomReason", analytics_enabled=False)
    with page:
        head = _TEMPLATES.get_template("head.html.jinja").render()
        gr.HTML(head + (_banner(BANNER) if tiny else ""), padding=False, apply_default_css=False)
        if backends.second is None and run is None:
            _examine_tab(backends, uploads, line)
        else:
            with gr.Tabs():
                with gr.Tab("Examine", id="examine"):
                    _examine_tab(backends, uploads, line)
                if backends.second is not None:
                    with gr.Tab("Compare", id="compare"):
                        _compare_tab(backends.first, backends.second, uploads, line)
                if run is not None:
                    with gr.Tab("Review", id="review"):
                        _review_tab(run)
        _api(backends, uploads, line)
    return page


def _examine_tab(backends: Backends, uploads: Path, line: Line) -> None:
    with gr.Row(elem_classes="ar-columns"):
        with gr.Column(elem_classes="ar-sticky"):
            picture = _picture("picture", "Examine", backends.thorough is not None)
        with gr.Column():
            pane = gr.HTML(
                _welcome(), elem_id="results", elem_classes="ar-pane", padding=False, apply_default_css=False
            )

    async def examine(event: gr.EventData) -> AsyncIterator[list[Any]]:
        thorough = event._data.get("thorough") is True
        backend = (thorough and backends.thorough) or backends.first
        yield [_state("looking"), _looking(backend, "picture")]
        try:
            taken = await _take(event._data, uploads)
            async with line.join() as turn:
                async for before in turn:
                    yield [_state("looking", taken), _waiting(before, backend, "picture")]
                async for found in _steps(backend, taken):
                    yield [_seen(found, taken), results(found, "picture", taken, backend.name)]
        except (PictureError, Full) as refused:
            yield _refused(refused, "picture", 1)

    _wire(picture, examine, [picture, pane])


def _compare_tab(one: Backend, other: Backend, uploads: Path, line: Line) -> None:
    if other.knows_scenes_alone and not one.knows_scenes_alone:
        gr.HTML(_banner(f"{other.name}: {BANNER_OF_ONE}"), padding=False, apply_default_css=False)
    with gr.Row(elem_classes="ar-columns compare"):
        with gr.Column(elem_classes="ar-sticky"):
            picture = _picture("pair", "Compare", False)
        with gr.Column(), gr.Row(elem_classes="ar-pair"):
            panes = [
                gr.HTML(
                    _no_answer_yet(backend.name),
                    elem_id=f"results-{side}",
                    elem_classes="ar-pane",
                    padding=False,
                    apply_default_css=False,
                )
                for side, backend in (("left", one), ("right", other))
            ]

    async def compare(event: gr.EventData) -> AsyncIterator[list[Any]]:
        yield [_state("looking"), _looking(one, "pair"), _looking(other, "pair")]
        try:
            taken = await _take(event._data, uploads)
            async with line.join() as turn:
                async for before in turn:
                    yield [_state("looking", taken), *(_waiting(before, model, "pair") for model in (one, other))]
                yield [_state("looking", taken), _looking(one, "pair"), _looking(other, "pair")]
                # One after the other: two models that share a machine would only slow each other down.
                async for found in _steps(one, taken):
                    yield [_state("looking", taken), results(found, "pair", taken, one.name), gr.skip()]
                async for found in _steps(other, taken):
                    state = _state("ended" if found.ended else "looking", taken)
                    yield [state, gr.skip(), results(found, "pair", taken, other.name)]
        except (PictureError, Full) as refused:
            yield _refused(refused, "pair", 2)

    _wire(picture, compare, [picture, *panes])


def _review_tab(run: Path) -> None:
    from agent.review.app import review_page
    from agent.review.desk import Desk

    review_page(Desk(run))  # Blocks within Blocks are rendered where they are made


def _wire(picture: Any, step: Any, outputs: list[Any]) -> None:
    """Examining and cancelling. The line is ours: Gradio's would let nobody see a place in it but as a number in a corner."""
    asked = picture.examine(
        step,
        None,
        outputs,
        concurrency_limit=None,
        show_progress="hidden",
        api_name=f"page_{step.__name__}",  # /examine is the API's
        api_visibility="private",
        trigger_mode="multiple",
    )
    picture.cancel(
        lambda: [_state("ended"), *([_stopped()] * (len(outputs) - 1))],
        None,
        outputs,
        cancels=[asked],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def _api(backends: Backends, uploads: Path, line: Line) -> None:
    """What the page does, for programs; each is an MCP tool too, whose description is the function's own."""

    async def answers(image: Any, models: list[Backend]) -> list[dict[str, Any]]:
        try:
            picture = await _take(image, uploads)
            async with line.join() as turn:
                async for _ in turn:
                    pass
                found = [[step async for step in _steps(model, picture)][-1] for model in models]
        except (PictureError, Full) as refused:
            raise gr.Error(_why(refused), print_exception=False) from None
        for one in found:
            if one.status == "failed":
                raise gr.Error(one.problem, print_exception=False)
        return [dict(one.answer()) for one in found]

    async def examine(image: gr.FileData) -> dict[str, Any]:
        return (await answers(image, [backends.first]))[0]

    async def compare(image: gr.FileData) -> dict[str, Any]:
        models = [one for one in (backends.first, backends.second) if one is not None]
        return dict(zip((one.name for one in models), await answers(image, models), strict=True))

    async def thorough(image: gr.FileData) -> dict[str, Any]:
        return (await answers(image, [backends.thorough or backends.first]))[0]

    offered = [(examine, "List what in a picture defies common sense, physics or anatomy.", _ANSWER)]
    if backends.second is not None:
        offered.append((compare, "Ask two models what in a picture defies logic.", f"By model: {_ANSWER}"))
    if backends.thorough is not None:
        offered.append(
            (thorough, "List what in a picture defies logic, with many questions: minutes, not seconds.", _ANSWER)
        )
    for function, does, gives in offered:
        function.__doc__ = f"{does}\n\nArgs:\n    image: {_IMAGE}\n\nReturns:\n    {gives}\n"
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


_IMAGE = (
    "The picture as a data: address (data:image/png;base64,…): PNG, JPEG, WebP, HEIC or AVIF, "
    f"at most {MAX_BYTES // 2**20} MB."
)
_ACCEPTED = ",".join([*(Image.MIME[form] for form in FORMATS), *SUFFIXES])
_ANSWER = (
    "image_id, status (anomalies, none, partial, or unknown: the model does not know pictures of this kind, and message says what "
    "to use instead), verdict (label and p_fake, or null) and anomalies, a list of name, phenomenon, reasoning, severity "
    "(0 completely irrational to 100 completely realistic: low is severe) and bbox (x0, y0, x1, y1, or null)"
)


async def _take(file: Any, uploads: Path) -> Upload:
    return await asyncio.to_thread(take_upload, file, uploads)


def _why(refused: PictureError | Full) -> str:
    return str(refused) if isinstance(refused, PictureError) else CROWDED


async def _steps(backend: Backend, picture: Upload) -> AsyncIterator[Examination]:
    """An examination's steps from a thread of its own, the last again every `BEAT`. Leaving the loop soon stops the model."""
    loop, steps = asyncio.get_running_loop(), asyncio.Queue[Examination | None]()
    left = threading.Event()
    now: Examination | None = Examination(picture.image_id)

    def tell(step: Examination | None) -> None:
        with suppress(RuntimeError):  # the server is going down
            loop.call_soon_threadsafe(steps.put_nowait, step)

    def look() -> None:
        last, looking = None, iter(backend.examine(picture))
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


def _picture(owner: str, verb: str, thorough: bool) -> Any:
    scenes = [
        {
            "name": path.name,
            "about": about,
            "source": data_url(path.read_bytes(), "image/png"),
        }
        for name, about in _SCENES.items()
        if (path := _HERE / "examples" / f"{name}.png").is_file()
    ]
    template = _TEMPLATES.get_template("picture.html.jinja").render(
        owner=owner, verb=verb, thorough=thorough, scenes=scenes, limit=MAX_BYTES, accepted=_ACCEPTED
    )
    script = (_HERE / "picture.js").read_text(encoding="utf-8")
    return gr.HTML(
        "",
        html_template=template,
        js_on_load=script,
        elem_id=owner,
        padding=False,
        apply_default_css=False,
        boxes=[],
        preview="",
        state="empty",
    )


def _state(state: str, picture: Upload | None = None, placed: list[dict[str, Any]] | None = None) -> Any:
    preview = picture.jpeg().uri if picture is not None and not picture.browsers_show else ""
    return gr.update(state=state, boxes=placed or [], preview=preview)


def _refused(refused: PictureError | Full, owner: str, panes: int) -> list[Any]:
    """What an event that ends here gives: a picture that could not be read leaves the page, one that only came too late stays."""
    retry = isinstance(refused, Full)
    return [_state("ended" if retry else "refused"), *([notice(_why(refused), owner, retry)] * panes)]


def _seen(found: Examination, picture: Upload) -> Any:
    return _state("ended" if found.ended else "looking", picture, boxes(found, picture))


def _looking(backend: Backend, owner: str) -> str:
    return results(Examination("picture"), owner, model=backend.name)


def _waiting(before: int, backend: Backend, owner: str) -> str:
    return results(Examination("picture", "waiting", before=before), owner, model=backend.name)


def _banner(text: str) -> str:
    return _TEMPLATES.get_template("banner.html.jinja").render(banner=text)


def _welcome() -> str:
    return _TEMPLATES.get_template("welcome.html.jinja").render(bands=severity.BANDS)


def _no_answer_yet(name: str) -> str:
    return _TEMPLATES.from_string(
        '<section class="ar-results"><header class="ar-results-head"><h2>{{ name }}</h2></header>'
        '<p class="ar-muted">Its answer appears here once there is a picture.</p></section>'
    ).render(name=name)


def _stopped() -> str:
    return (
        '<section class="ar-results" data-status="stopped"><header class="ar-results-head"><h2>Stopped</h2></header>'
        '<p class="ar-muted">Examine the picture again, or take another one.</p></section>'
    )
