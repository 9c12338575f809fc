"""The page as a document: what a browser is sent before it asks anything of a model."""

import gzip
import hashlib
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dataset_builder.pictures import FORMATS, SUFFIXES
from space.cards import TEMPLATES, boxes, results
from space.programs import snippets
from space.service import Service
from space.sharing import Card
from space.style import stylesheet
from space.uploads import MAX_BYTES
from space.ways import ways

__all__ = ["routes"]

_HERE = Path(__file__).parent
_SCENES = {
    "floating": "a thing in mid-air",
    "extra_arm": "a person and a table",
    "mirror": "a mirror on the wall",
    "clock": "a clock on the wall",
    "giant": "a thing out of scale",
    "clean": "nothing wrong with it",
}
_ACCEPTED = ",".join([*(Image.MIME[form] for form in FORMATS), *SUFFIXES, ".html"])
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)
"""What the page may load: its own files. No script in it but ours can run, whatever a model or a visitor wrote."""


def routes(service: Service, models: list[str], reviewing: bool) -> list[BaseRoute]:
    """The page's document, its files, and a sign of life.

    Args:
        service (`Service`): what it offers.
        models (`list[str]`): the names of its models; those on the Hub are linked.
        reviewing (`bool`): whether a run is reviewed at `review/`.
    """
    files = _files()
    version = hashlib.sha256(b"".join(files.values())).hexdigest()[:12]
    offered, visitors = ways(service.backends), service.backends.visitors
    born = os.urandom(8).hex()
    page = TEMPLATES.get_template("index.html.jinja")
    known = {
        "tiny": service.backends.first.knows_scenes_alone,
        "visitors": visitors,
        "ways": offered,
        "speaks": any(way.speaks for way in offered.values()),
        "scenes": [{"name": f"{name}.png", "about": about} for name, about in _SCENES.items()],
        "example": _example(),
        "limit": MAX_BYTES,
        "accepted": _ACCEPTED,
        "links": _links(models),
        "reviewing": reviewing,
        "version": version,
        "scripts": [name for name in files if name.endswith(".js")],
    }

    async def index(request: Request) -> Response:
        scheme = request.query_params.get("__theme", "")  # by which Hugging Face's frame tells light from dark
        address = _address(request)
        text = page.render(
            **known,
            scheme=scheme if scheme in ("light", "dark") else "",
            address=address,
            user=_user(request),
            snippets=snippets(address),
        )
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
        return _packed(request, text.encode(), "text/html; charset=utf-8", headers)

    async def alive(_: Request) -> Response:
        return JSONResponse({"born": born}, headers={"Cache-Control": "no-store"})

    found: list[BaseRoute] = [Route("/", index), Route("/page/alive", alive)]
    # The version is in the path: a browser keeps the files for good, and asks for other ones after the next change.
    found += [Route(f"/page/{version}/{name}", _sender(name, data, _FOR_GOOD)) for name, data in files.items()]
    return [*found, Route("/page/preview.png", _sender("preview.png", files["preview.png"], "public, max-age=3600"))]


def _files() -> dict[str, bytes]:
    scripts = {path.name: path.read_bytes() for path in sorted(_HERE.glob("*.js"))}
    scenes = {f"scenes/{name}.png": (_HERE / "examples" / f"{name}.png").read_bytes() for name in _SCENES}
    preview = (_HERE / "examples" / "preview.png").read_bytes()
    return {**scripts, **scenes, "preview.png": preview, "page.css": stylesheet().encode()}


_FOR_GOOD = "public, max-age=31536000, immutable"
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png"}


def _sender(name: str, data: bytes, kept: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(request: Request) -> Response:
        return _packed(request, data, _KINDS[Path(name).suffix], {"Cache-Control": kept})

    return send


def _packed(request: Request, data: bytes, kind: str, headers: dict[str, str]) -> Response:
    headers = {**headers, "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}
    if kind != "image/png" and "gzip" in request.headers.get("accept-encoding", ""):
        data, headers["Content-Encoding"] = gzip.compress(data, 6), "gzip"
    return Response(data, media_type=kind, headers=headers)


def _address(request: Request) -> str:
    """Where the page is, as others reach it: link previews want whole addresses."""
    host = os.environ.get("SPACE_HOST", "").split(",")[0].strip()
    return f"https://{host}/" if host else str(request.base_url)


def _links(models: list[str]) -> list[dict[str, str]]:
    hub, space = "https://huggingface.co", os.environ.get("SPACE_ID", "")
    found = {"Paper": "https://arxiv.org/abs/2510.10231"}
    if space:
        found["Code"] = f"{hub}/spaces/{space}/tree/main"
        found["Dataset"] = f"{hub}/datasets/{space.split('/')[0]}/anomreason"
    found |= {
        name: f"{hub}/{name}" for name in models if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not Path(name).exists()
    }
    return [{"label": label, "address": address} for label, address in found.items()]


def _user(request: Request) -> str:
    """Who has signed in, by their own name; empty for nobody."""
    signed: Any = request.scope.get("session", {}).get("oauth_info") or {}
    return str(signed.get("userinfo", {}).get("preferred_username", ""))


def _example() -> dict[str, Any]:
    """A finished answer, shown before there is a picture: the tiny model's, of one of the scenes."""
    card = Card.model_validate_json((_HERE / "examples" / "example.json").read_text(encoding="utf-8"))
    note = f"An example: a rendered scene, and what the {card.model} model says about it."
    return {
        "name": card.image_id,
        "about": _SCENES[Path(card.image_id).stem],
        "pane": _markup(results(card.found, card.model, note=note)),
        "boxes": boxes(card.found, card.size),
    }


def _markup(html: str) -> Any:
    from markupsafe import Markup

    return Markup(html)  # our own template's, which has escaped what it shows
