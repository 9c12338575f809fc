"""What servers say instead of an answer, in their own words as far as public reports quote them."""

import email.utils
import json
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from agent.simulated.dialects import Request

CONTEXT = 4096
SMALL = 4_500
"""Characters of pictures' URLs that a server of small files takes: scenes are small."""
FIRST_REFUSED = 31


def _error(status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    return JSONResponse({"error": {"message": message, **more}}, status, dict(headers or {}))


def _always(status: int, message: str, **more: Any) -> Callable[["Request"], Response]:
    return lambda request: _error(status, message, **more)


odd_shape = _always(
    400,
    "The image length and width do not meet the model restrictions. [height:8 or width:4000 must be larger than 10]",
    type="invalid_request_error",
    code="invalid_parameter_error",
)
unsupported_image = _always(
    400, "You uploaded an unsupported image. Please make sure your image is valid.", type="invalid_request_error"
)
inspection = _always(
    400,
    "Input data may contain inappropriate content.",
    type="data_inspection_failed",
    code="data_inspection_failed",
)
flagged = _always(
    403, "Input was flagged by moderation.", code=403, metadata={"reasons": ["violence"], "provider_name": "X"}
)
safety_system = _always(
    400, "Your request was rejected as a result of our safety system.", type="invalid_request_error"
)


def small_context(request: "Request") -> Response | None:
    wanted = request.prompt_tokens + request.limit
    if wanted <= CONTEXT:
        return None
    return _error(
        400,
        f"This model's maximum context length is {CONTEXT} tokens. However, you requested {wanted} tokens "
        f"({request.prompt_tokens} in the messages, {request.limit} in the completion). Please reduce the length of the "
        "messages or completion.",
        type="BadRequestError",
        code=400,
    )


def one_image(request: "Request") -> Response | None:
    return None if len(request.urls) <= 1 else _error(400, "At most 1 image(s) may be provided in one request.")


def _schema(status: int, message: str) -> Callable[["Request"], Response | None]:
    return lambda request: _error(status, message) if request.body.get("response_format") else None


no_response_format = _schema(400, "response_format is not supported by this server.")
grammar = _schema(400, "Failed to parse grammar: xgrammar raised an exception while compiling the request.")
no_structured_outputs = _schema(400, "This model does not support structured outputs.")


def jpeg_only(request: "Request") -> Response | None:
    if all(url.startswith("data:image/jpeg") for url in request.urls):
        return None
    return _error(400, "Unsupported image format. Supported formats: image/jpeg.", code="invalid_image_format")


def small_files(request: "Request") -> Response | None:
    if sum(map(len, request.urls)) <= SMALL * len(request.urls):
        return None
    return Response("<html>413 Request Entity Too Large</html>", 413, media_type="text/html")


def error_list(request: "Request") -> Response:
    said = {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}
    return JSONResponse([{"error": said}], 503)


def wrong_key_list(request: "Request") -> Response:
    said = {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID"}],
    }
    return JSONResponse([{"error": said}], 400)


def error_in_200(request: "Request") -> Response:
    raw = json.dumps({"error": {"message": "upstream connect error", "code": 502}})
    return JSONResponse(
        {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": raw}}, "user_id": "u"}
    )


def no_choices(request: "Request") -> Response:
    if request.attempt % 2:
        return JSONResponse({"id": "x", "object": "chat.completion", "choices": []})
    choice = {"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": None}
    return JSONResponse({"id": "x", "object": "chat.completion", "choices": [choice]})


def _from_then_on(reply: Callable[["Request"], Response]) -> Callable[["Request"], Response | None]:
    return lambda request: reply(request) if request.number >= FIRST_REFUSED else None


credit_in_200 = _from_then_on(
    lambda request: JSONResponse({"error": {"message": "Insufficient credits. Add more to continue.", "code": 402}})
)
key_expires = _from_then_on(_always(401, "Incorrect API key provided.", code="invalid_api_key"))
payment = _from_then_on(_always(402, "This request requires more credits."))
quota_ends = _from_then_on(
    _always(429, "You exceeded your current quota, please check your plan.", type="insufficient_quota", code=None)
)
quota_day = _from_then_on(_always(429, "Rate limit reached for requests per day.", headers={"Retry-After": "86400"}))


def _quota(
    tell: Callable[[float], tuple[str, Mapping[str, str]]],
) -> Callable[["Request"], Response | None]:
    def refuse(request: "Request") -> Response | None:
        left = request.quota.take()
        if left is None:
            return None
        more, headers = tell(left * request.clock)  # in seconds of the server's clock
        return _error(429, f"Rate limit reached for requests.{more}", type="requests", headers=headers)

    return refuse


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}m{seconds % 60:.3f}s" if seconds >= 60 else f"{seconds:.3f}s"


def _at(seconds: float) -> str:
    return email.utils.formatdate(math.ceil(time.time() + seconds), usegmt=True)


quota_seconds = _quota(lambda left: ("", {"Retry-After": str(math.ceil(left))}))
quota_date = _quota(lambda left: ("", {"Retry-After": _at(left)}))
quota_ms = _quota(lambda left: ("", {"retry-after-ms": str(math.ceil(left * 1000))}))
quota_reset = _quota(
    lambda left: ("", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": _minutes(left)})
)
quota_words = _quota(lambda left: (f" Please try again in {_minutes(left)}.", {}))
quota_silent = _quota(lambda left: ("", {}))


def flaky(request: "Request") -> Response:
    status = (500, 502, 503, 504, 529)[request.attempt % 5]
    if status in (502, 504):
        return HTMLResponse(f"<html><h1>{status}</h1></html>", status)
    return _error(status, "Overloaded", type="overloaded_error")


def html(request: "Request") -> Response:
    return HTMLResponse("<!doctype html><html><body>Welcome. Please log in.</body></html>")


def redirect(request: "Request") -> Response:
    return RedirectResponse("http://127.0.0.1:9/elsewhere", 307)


def max_completion_tokens(request: "Request") -> Response | None:
    if "max_tokens" not in request.body:
        return None
    return _error(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        type="invalid_request_error",
        param="max_tokens",
        code="unsupported_parameter",
    )


def no_sampling(request: "Request") -> Response | None:
    for name in ("temperature", "top_p", "seed"):
        if name in request.body:
            return _error(
                400,
                f"Unsupported value: '{name}' does not support this value with this model.",
                type="invalid_request_error",
                param=name,
                code="unsupported_value",
            )
    return None


def api_version(request: "Request") -> Response | None:
    return None if request.query.get("api-version") else _error(404, "Resource not found", code="404")
