"""Files and batches of the simulated model: requests by the file, answered after a while and in another order."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.simulated.rates import Dice
from agent.simulated.sending import refusing

__all__ = ["BatchRules", "Batches"]


class BatchRules(NamedTuple):
    """How batches are worked on.

    Attributes:
        seconds (`float`): from a batch's creation to its end.
        expires (`float`): share of requests that are not reached in time.
        enqueued (`int`): requests that may wait in all batches together; a batch with more is refused.
        requests (`int`): that a file may hold.
        size (`int`): bytes of a file.
    """

    seconds: float = 0.0
    expires: float = 0.0
    enqueued: int = 10**6
    requests: int = 50_000
    size: int = 200 * 10**6


class _Refused(Exception):
    """A file that is not one of requests: a code, and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Batches:
    """The files and batches of a server.

    Args:
        answer (callable): answers a request for a completion.
        rules (`BatchRules`): how batches are worked on.
        seed (`int`): of the draws and orders.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]], rules: BatchRules, seed: int) -> None:
        self._answer, self._rules, self._seed = answer, rules, seed
        self._files: dict[str, bytes] = {}
        self._kept = 0
        self._batches: dict[str, dict[str, Any]] = {}
        self._seen: Counter[str] = Counter()
        self._work: set[asyncio.Task[None]] = set()
        self.routes = [
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{id}", self._delete, methods=["DELETE"]),
            Route("/v1/files/{id}/content", self._content),
            Route("/v1/batches", self._create, methods=["POST"]),
            Route("/v1/batches", self._list),
            Route("/v1/batches/{id}", self._show),
            Route("/v1/batches/{id}/cancel", self._cancel, methods=["POST"]),
        ]

    def stats(self) -> dict[str, int]:
        """How many batches were created, with how many requests, and how many files are left."""
        requests = sum(batch["request_counts"]["total"] for batch in self._batches.values())
        return {"batches": len(self._batches), "batch_requests": requests, "files": len(self._files)}

    async def _upload(self, request: Request) -> Response:
        boundary = request.headers.get("content-type", "").partition("boundary=")[2].strip('"').encode()
        parts = {}
        for part in (await request.body()).split(b"--" + boundary) if boundary else ():
            head, _, content = part.partition(b"\r\n\r\n")
            if named := re.search(rb'[; ]name="([^"]*)"', head):
                parts[named[1].decode()] = content.removesuffix(b"\r\n")
        if parts.get("purpose") != b"batch" or "file" not in parts:
            return refusing(400, "A file is uploaded as multipart/form-data with file and purpose=batch.")
        if len(parts["file"]) > self._rules.size:
            return refusing(413, f"The file is larger than {self._rules.size:,} bytes.")
        return JSONResponse({"id": self._keep(parts["file"]), "object": "file", "purpose": "batch"})

    async def _content(self, request: Request) -> Response:
        content = self._files.get(request.path_params["id"])
        if content is None:
            return refusing(404, "No such file.")
        return Response(content, media_type="application/octet-stream")

    async def _delete(self, request: Request) -> Response:
        found = self._files.pop(request.path_params["id"], None)
        if found is None:
            return refusing(404, "No such file.")
        return JSONResponse({"id": request.path_params["id"], "object": "file", "deleted": True})

    async def _create(self, request: Request) -> Response:
        try:
            wanted = json.loads(await request.body())
            file_id, endpoint = wanted["input_file_id"], wanted["endpoint"]
        except (ValueError, TypeError, KeyError) as error:
            return refusing(400, f"The request cannot be read: {type(error).__name__}: {error}")
        if endpoint != "/v1/chat/completions" or wanted.get("completion_window") != "24h":
            return refusing(400, "This server supports only /v1/chat/completions within 24h.")
        batch = {
            "id": f"batch_{len(self._batches)}",
            "object": "batch",
            "endpoint": endpoint,
            "input_file_id": file_id,
            "status": "in_progress",
            "created_at": int(time.time()),
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
            "metadata": wanted.get("metadata"),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        self._batches[batch["id"]] = batch
        try:
            requests = self._read(file_id)
        except _Refused as refused:
            batch |= {"status": "failed", "errors": {"data": [{"code": refused.code, "message": str(refused)}]}}
            return JSONResponse(batch)
        batch["request_counts"]["total"] = len(requests)
        task = asyncio.create_task(self._work_on(batch, requests))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return JSONResponse(batch)

    def _read(self, file_id: str) -> dict[str, bytes]:
        """The bodies of a file's requests by their names."""
        content = self._files.get(file_id)
        if content is None:
            raise _Refused("invalid_file", f"The file {file_id} does not exist.")
        requests = {}
        for number, line in enumerate(content.splitlines(), 1):
            try:
                found = json.loads(line)
                name, body = found["custom_id"], json.dumps(found["body"]).encode()
            except (ValueError, TypeError, KeyError):
                raise _Refused("invalid_json_line", f"Line {number} is not a request.") from None
            if name in requests:
                raise _Refused("duplicate_custom_id", f"Line {number}: the custom_id {name} appears more than once.")
            requests[name] = body
        waiting = sum(
            batch["request_counts"]["total"] for batch in self._batches.values() if batch["status"] == "in_progress"
        )
        if len(requests) > self._rules.requests or waiting + len(requests) > self._rules.enqueued:
            raise _Refused("token_limit_exceeded", "Enqueued token limit reached; try again with a smaller batch.")
        return requests

    async def _work_on(self, batch: dict[str, Any], requests: dict[str, bytes]) -> None:
        await asyncio.sleep(self._rules.seconds)
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for name in sorted(requests, key=lambda name: Dice(self._seed, "order", name)("place")):
            if batch["status"] == "cancelled":
                break
            self._seen[name] += 1
            line: dict[str, Any] = {"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": None}
            if Dice(self._seed, "expires", name, self._seen[name])("late") < self._rules.expires:
                line["error"] = {"code": "batch_expired", "message": "This request was not reached in time."}
                bad.append(line)
                continue
            status, body = await self._answered(requests[name])
            line["response"] = {"status_code": status, "request_id": name, "body": body}
            (good if status == 200 else bad).append(line)
        for field, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[field] = self._keep(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}
        if batch["status"] != "cancelled":
            batch["status"] = "expired" if any(line["error"] for line in bad) else "completed"

    async def _answered(self, body: bytes) -> tuple[int, Any]:
        """What a request would be answered, without a connection that could break."""
        told = [{"type": "http.request", "body": body}]

        async def receive() -> dict[str, Any]:
            return told.pop() if told else {"type": "http.disconnect"}

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
        response = await self._answer(Request(scope, receive))
        if isinstance(response, StreamingResponse):
            return 500, {"error": {"message": "The answer broke off.", "type": "server_error"}}
        try:
            return response.status_code, json.loads(bytes(response.body))
        except ValueError:
            return response.status_code, None

    async def _list(self, request: Request) -> Response:
        newest = list(reversed(self._batches.values()))
        after, limit = request.query_params.get("after"), int(request.query_params.get("limit", 20))
        start = next((place + 1 for place, batch in enumerate(newest) if batch["id"] == after), 0)
        page = newest[start : start + limit]
        return JSONResponse({"object": "list", "data": page, "has_more": start + limit < len(newest)})

    async def _show(self, request: Request) -> Response:
        batch = self._batches.get(request.path_params["id"])
        return refusing(404, "No such batch.") if batch is None else JSONResponse(batch)

    async def _cancel(self, request: Request) -> Response:
        batch = self._batches.get(request.path_params["id"])
        if batch is None:
            return refusing(404, "No such batch.")
        if batch["status"] == "in_progress":
            batch["status"] = "cancelled"
        return JSONResponse(batch)

    def _keep(self, content: bytes) -> str:
        self._kept += 1
        name = f"file-{self._kept}"
        self._files[name] = content
        return name
