"""The review desk as a web application: the page's files, one POST per event of `Desk`, and pictures by key.

It keeps no state of its own but who has logged in: everything else is in the run's verdicts, so any number of tabs and of server
processes show the same. Paths in the page are relative, so the application can be mounted below any address.
"""

import inspect
import json
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from agent.review.accounts import Accounts, Sessions
from agent.review.desk import Desk
from agent.review.guard import Guard
from agent.review.shown import said_of
from agent.review.store import Conflict
from dataset_builder.errors import AnomReasonError, InputError, shorten
from dataset_builder.files.strict_json import loads

__all__ = ["review_app"]

PAGE = Path(__file__).parent / "page"
LARGEST = 2**18
"""Bytes of a request: the longest texts, escaped."""

COOKIE = "review_session"

_KINDS: list[tuple[type, str, set[str]]] = [
    (str, "a text", {"reviewer", "item", "beside", "picture", "show"}),
    (int, "a whole number", {"replaces", "last", "start"}),
]
"""What arguments have to be that look something up; the others are checked where they are used."""


def review_app(
    desk: Desk,
    *,
    reviewer: str | None = None,
    accounts: Accounts | None = None,
    hosts: Collection[str] | None = None,
    guidelines: str = "",
) -> Starlette:
    """The application of a run, to serve or to mount in another one.

    Events are `POST /api/EVENT` with a JSON object of the arguments of `Desk`'s methods: `next`, `verdict`, `undo`, `skip`, `add`,
    `search` and `leave`; `token` may be left out. An answer that would replace one that its sender does not know of gets the status
    409. Whoever has logged in is the reviewer, whatever a request says.

    Args:
        desk (`Desk`): the run.
        reviewer (`str`, *optional*): who reviews, when nobody has to log in and a request names nobody.
        accounts (`Accounts`, *optional*): who may log in, and must.
        hosts (collection of `str`, *optional*): the names under which it is reached; see `Guard`.
        guidelines (`str`): HTML that reviewers may open next to the picture, from `rendered`.
    """
    sessions = Sessions()
    events: dict[str, Callable[..., dict[str, Any]]] = {
        event.__name__: event
        for event in (desk.next, desk.verdict, desk.undo, desk.skip, desk.add, desk.search, desk.leave)
    }

    def logged_in(request: Request) -> str | None:
        return sessions.who(request.cookies.get(COOKIE))

    async def event(request: Request) -> Response:
        wanted = events.get(request.path_params["event"])
        if wanted is None:
            return _refusal(404, f"there is no such event; the events are {', '.join(events)}")
        fields = await _fields(request)
        if isinstance(fields, Response):
            return fields
        named = fields.pop("reviewer", "") or reviewer or ""
        who = logged_in(request) if accounts else named
        if accounts and who is None:
            return _refusal(401, "you are not logged in; log in and send it again")
        if wanted == desk.next and not who:
            return JSONResponse({"reviewer": None})
        if "token" in inspect.signature(wanted).parameters:
            fields.setdefault("token", uuid.uuid4().hex)
        try:
            inspect.signature(wanted).bind(who, **fields)
        except TypeError as error:
            return _refusal(400, f"{wanted.__name__}: {error}; see docs/review.md")
        return await run_in_threadpool(_answered, wanted, who, fields)

    async def picture(request: Request) -> Response:
        if accounts and logged_in(request) is None:
            return _refusal(401, "you are not logged in; log in and ask again")

        def read() -> Response:
            try:
                data, kind = desk.picture(request.path_params["key"])
            except AnomReasonError as error:
                return _refusal(404, str(error))
            return Response(data, media_type=kind, headers={"cache-control": "no-store"})

        return await run_in_threadpool(read)

    async def login(request: Request) -> Response:
        fields = await _fields(request)
        if isinstance(fields, Response):
            return fields
        name, password = fields.get("name"), fields.get("password")
        known = isinstance(name, str) and isinstance(password, str) and accounts is not None
        if not known or not await run_in_threadpool(accounts.admits, name, password):  # type: ignore[union-attr, arg-type]
            return _refusal(401, "the name or the password is wrong; try again")
        answer = JSONResponse({"reviewer": name})
        secure = request.url.scheme == "https"
        path = request.scope.get("root_path") or "/"
        answer.set_cookie(COOKIE, sessions.begin(str(name)), httponly=True, samesite="strict", secure=secure, path=path)
        return answer

    async def logout(request: Request) -> Response:
        name = logged_in(request)
        if name is not None:
            await run_in_threadpool(desk.leave, name)
        sessions.end(request.cookies.get(COOKIE))
        answer = JSONResponse({"reviewer": None})
        answer.delete_cookie(COOKIE, path=request.scope.get("root_path") or "/")
        return answer

    async def about(request: Request) -> Response:
        known = accounts is None or logged_in(request) is not None
        return JSONResponse({"login": accounts is not None, "guidelines": guidelines if known else ""})

    async def page(request: Request) -> Response:
        return HTMLResponse((PAGE / "index.html").read_text(encoding="utf-8"), headers={"cache-control": "no-store"})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/about", about),
            Route("/api/login", login, methods=["POST"]),
            Route("/api/logout", logout, methods=["POST"]),
            Route("/api/{event}", event, methods=["POST"]),
            Route("/pictures/{key}", picture),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
    )


async def _fields(request: Request) -> dict[str, Any] | Response:
    """The JSON object that was sent, or the refusal of what is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _refusal(415, "send JSON, with the content type application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return _refusal(413, f"more than {LARGEST:,} bytes; make the texts shorter")
    try:
        fields = loads(body.decode(), "the request")
        json.dumps(fields, ensure_ascii=False).encode()  # half a character would go astray in the database
    except UnicodeError:
        return _refusal(400, "the request is not UTF-8, or holds half a character (a lone surrogate); send whole ones")
    except InputError as error:
        return _refusal(400, str(error))
    if not isinstance(fields, dict):
        return _refusal(400, "send an object with the event's arguments")
    for kind, what, names in _KINDS:
        for name in names & fields.keys():
            if fields[name] is not None and type(fields[name]) is not kind:
                return _refusal(400, f"{name} {shorten(fields[name])}: is not {what}")
    return dict(fields)


def _answered(event: Callable[..., dict[str, Any]], who: str | None, fields: dict[str, Any]) -> Response:
    try:
        return JSONResponse(event(who, **fields))
    except Conflict as error:
        return JSONResponse(
            {"error": str(error), "standing": error.standing and said_of(error.standing)}, status_code=409
        )
    except AnomReasonError as error:
        return _refusal(400, str(error))


def _refusal(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status_code=status)
