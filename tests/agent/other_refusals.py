"""Requests that the other server refuses, each in the words and the structure of some real one."""
# ruff: noqa: E501  (each wording is a line, as its server writes it)

import json
from collections.abc import Callable
from typing import Any

from tests.agent.other_server import Behaviour, Raw, Request

__all__ = ["REFUSALS", "refusal"]

When = Callable[[Request], bool]
SOME = frozenset({1, 4})
"""Pictures that are refused: a clean one and an odd one."""


def refusal(status: int, body: Any, **headers: str) -> Raw:
    """An error's reply: JSON unless it is text."""
    kind = "application/json" if not isinstance(body, str) else "text/html" if "<" in body else "text/plain"
    data = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()
    return Raw(
        status, data, {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
    )


def _openai(message: str, code: Any = None, type_: str = "invalid_request_error", param: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def _vllm(message: str, type_: str = "BadRequestError") -> dict[str, Any]:
    return {"object": "error", "message": message, "type": type_, "param": None, "code": 400}


def _anthropic(message: str, type_: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_011CUwN6c6"}


def _google(message: str, status: str = "INVALID_ARGUMENT", code: int = 400, **details: Any) -> list[Any]:
    return [{"error": {"code": code, "message": message, "status": status, "details": [details] if details else []}}]


def _openrouter(raw: Any, code: int = 400, provider: str = "Together") -> dict[str, Any]:
    quoted = raw if isinstance(raw, str) else json.dumps(raw)
    metadata = {"raw": quoted, "provider_name": provider}
    return {"error": {"message": "Provider returned error", "code": code, "metadata": metadata}, "user_id": "user_2x"}


def _fastapi(message: str, *where: str, kind: str = "value_error") -> dict[str, Any]:
    return {"detail": [{"type": kind, "loc": ["body", *where], "msg": message, "input": None}]}


def _pictures(name: str, row: int, status: int, body: Any) -> Behaviour:
    """Refuses some pictures, whatever is asked of them."""
    return Behaviour(
        name,
        row,
        "losses",
        refuse=lambda request: refusal(status, body) if request.seen.number in SOME else None,
        lost=SOME,
    )


def _unless(name: str, row: int, when: When, status: int, body: Any, **more: Any) -> Behaviour:
    """Refuses what could be said otherwise; `body` may be made from the request."""

    def refuse(request: Request) -> Raw | None:
        return refusal(status, body(request) if callable(body) else body) if when(request) else None

    return Behaviour(name, row, refuse=refuse, **more)


def _from(name: str, row: int, first: int, status: int, body: Any, **headers: str) -> Behaviour:
    """Refuses everything from some request on."""
    return Behaviour(
        name,
        row,
        "stops",
        refuse=lambda request: refusal(status, body, **headers) if request.number >= first else None,
    )


_SHAPE = "The image length and width do not meet the model restrictions. [height:4000 or width:20 must be smaller than 200:1]"
# fmt: off
_PICTURES = (
    _pictures('shape-dashscope', 1, 400, _openai(f'<400> InternalError.Algo.InvalidParameter: {_SHAPE}', 'invalid_parameter_error')),
    _pictures('shape-openai', 1, 400, _openai('Image dimensions are too small or too large for processing.', 'invalid_image_dimensions')),
    _pictures('shape-anthropic', 1, 400, _anthropic('messages.0.content.0.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels')),
    _pictures('shape-vllm', 1, 400, _vllm('absolute aspect ratio must be smaller than 200, got 300.0')),
    _pictures('picture-ollama', 1, 400, _openai('invalid image input', None, 'invalid_request_error')),
    _pictures('picture-llamacpp', 1, 400, {'error': {'code': 400, 'message': 'Failed to load image or audio file', 'type': 'invalid_request_error'}}),
    _pictures('picture-fastapi', 1, 422, _fastapi('Value error, could not read this', 'messages', '0', 'content')),
    _pictures('picture-text', 1, 400, 'Bad Request'),
    _pictures('picture-router', 1, 400, _openrouter(_openai('Unable to process input image. Please retry or report.'))),
    _pictures('inspected-dashscope', 2, 400, _openai('Input data may contain inappropriate content.', 'data_inspection_failed', 'data_inspection_failed')),
    _pictures('flagged-router', 2, 403, {'error': {'code': 403, 'message': 'openai/gpt-4o requires moderation on OpenRouter. Your input was flagged for "violence". No credits were charged.', 'metadata': {'reasons': ['violence'], 'flagged_input': '…', 'provider_name': 'OpenAI', 'model_slug': 'openai/gpt-4o'}}}),
    _pictures('safety-openai', 2, 400, _openai('Your request was rejected as a result of our safety system. Your request may contain content that is not allowed by our safety system.', 'content_policy_violation')),
    _pictures('filtered-azure', 2, 400, {'error': {'message': "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.", 'type': None, 'param': 'prompt', 'code': 'content_filter', 'status': 400, 'innererror': {'code': 'ResponsibleAIPolicyViolation', 'content_filter_result': {'violence': {'filtered': True, 'severity': 'medium'}}}}}),
    _pictures('filtered-anthropic', 2, 400, _anthropic('Output blocked by content filtering policy')),
    _pictures('sensitive-zhipu', 2, 400, {'contentFilter': [{'level': 1, 'role': 'user'}], 'error': {'code': '1301', 'message': '系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。'}}),
    _pictures('prohibited-gemini', 2, 400, _google('The request was blocked: PROHIBITED_CONTENT')),
)
# fmt: on

_TEXT = "Please reduce the length of the messages or completion."


def _window(name: str, size: int, status: int, body: Callable[[Request, int], Any]) -> Behaviour:
    """A context of `size` tokens for prompt and answer."""
    return _unless(
        name, 3, lambda request: request.prompt + request.limit > size, status, lambda request: body(request, size)
    )


# fmt: off
_CONTEXT = (
    _window('context-vllm', 4096, 400, lambda r, n: _vllm(f"This model's maximum context length is {n} tokens. However, you requested {r.prompt + r.limit} tokens ({r.prompt} in the messages, {r.limit} in the completion). {_TEXT}")),
    _window('context-vllm-new', 4096, 400, lambda r, n: {'error': {'message': f"'{r.limit_name}' or 'max_completion_tokens' is too large: {r.limit}. This model's maximum context length is {n} tokens and your request has {r.prompt} input tokens ({r.limit} > {n} - {r.prompt}). (parameter={r.limit_name}, value={r.limit})", 'type': 'BadRequestError', 'param': r.limit_name, 'code': 400}}),
    _window('context-vllm-newest', 4096, 400, lambda r, n: {'error': {'message': f"You passed {r.prompt} input tokens and requested {r.limit} output tokens. However, the model's context length is only {n} tokens, resulting in a maximum input length of {max(1, n - r.limit)} tokens. Please reduce the length of the input prompt.", 'type': 'BadRequestError', 'param': 'input_tokens', 'code': 400}}),
    _window('context-openai', 4096, 400, lambda r, n: _openai(f"This model's maximum context length is {n} tokens. However, you requested {r.prompt + r.limit} tokens. {_TEXT}", 'context_length_exceeded', param='messages')),
    _window('context-tgi', 4096, 422, lambda r, n: {'error': f'Input validation error: `inputs` tokens + `max_new_tokens` must be <= {n}. Given: {r.prompt} `inputs` tokens and {r.limit} `max_new_tokens`', 'error_type': 'validation'}),
    _window('context-llamacpp', 4096, 400, lambda r, n: {'error': {'code': 400, 'message': 'the request exceeds the available context size, try increasing it', 'type': 'exceed_context_size_error', 'n_prompt_tokens': r.prompt, 'n_ctx': n}}),
    _window('context-anthropic', 4096, 400, lambda r, n: _anthropic(f'input length and `max_tokens` exceed context limit: {r.prompt} + {r.limit} > {n}, decrease input length or `max_tokens` and try again')),
    _window('context-router', 4096, 400, lambda r, n: {'error': {'message': f"""This endpoint's maximum context length is {n} tokens. However, you requested about {r.prompt + r.limit} tokens ({r.prompt} of text input, {r.limit} in the output). Please reduce the length of either one, or use the "middle-out" transform to compress your prompt automatically.""", 'code': 400}}),
    _unless('answer-openai', 3, lambda r: r.limit > 1024, 400, lambda r: _openai(f'max_tokens is too large: {r.limit}. This model supports at most 1024 completion tokens, whereas you provided {r.limit}.', 'invalid_value', param='max_tokens')),
    _unless('answer-anthropic', 3, lambda r: r.limit > 1024, 400, lambda r: _anthropic(f'max_tokens: {r.limit} > 1024, which is the maximum allowed number of output tokens for claude-3-haiku-20240307')),
    _unless('answer-dashscope', 3, lambda r: r.limit > 1024, 400, _openai('<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 1024]', 'invalid_parameter_error')),
    _unless('answer-deepseek', 3, lambda r: r.limit > 1024, 400, _openai('Invalid max_tokens value, the valid range of max_tokens is [1, 1024]')),
    _unless('answer-mistral', 3, lambda r: r.limit > 1024, 422, _fastapi('Input should be less than or equal to 1024', 'max_tokens', kind='less_than_equal')),
    _pictures('prompt-vllm', 3, 400, _vllm('The prompt (total length 25938) is too long to fit into the model (context length 4096). Make sure that `max_model_len` is no smaller than the number of text tokens plus multimodal tokens.')),
)
# fmt: on


def _at_most(name: str, most: int, status: int, body: Any) -> Behaviour:
    return _unless(name, 4, lambda request: len(request.seen.forms) > most, status, body, pictures="large")


# fmt: off
_IMAGES = (
    _at_most('images-vllm', 1, 400, _vllm('At most 1 image(s) may be provided in one request.')),
    _at_most('images-vllm-new', 1, 400, {'error': {'message': 'At most 1 image(s) may be provided in one prompt. (parameter=image)', 'type': 'BadRequestError', 'param': 'image', 'code': 400}}),
    _at_most('images-ollama', 1, 500, _openai('vision model only supports a single image per message', None, 'api_error')),
    _at_most('images-groq', 1, 400, _openai('Too many images provided. This model supports up to 1 images', 'invalid_request_error')),
    _at_most('images-anthropic', 1, 400, _anthropic('too many images and documents: 2 + 0 > 1')),
    _at_most('images-exceeding', 1, 400, lambda r: _openai(f'request contains {len(r.seen.forms)} images, exceeding the maximum of 1 allowed per request')),
)
# fmt: on


def _schema(name: str, status: int, body: Any) -> Behaviour:
    return _unless(name, 5, lambda request: "response_format" in request.body, status, body)


# fmt: off
_SCHEMAS = (
    _schema('schema-xgrammar', 400, _vllm('The provided JSON schema contains features not supported by xgrammar.')),
    _schema('schema-xgrammar-500', 500, {'object': 'error', 'message': 'Failed to convert json schema to grammar: Unsupported schema: additionalProperties', 'type': 'InternalServerError', 'param': None, 'code': 500}),
    _schema('schema-llamacpp', 400, {'error': {'code': 400, 'message': 'failed to parse grammar', 'type': 'invalid_request_error'}}),
    _schema('schema-router', 404, {'error': {'message': 'No endpoints found that can handle the requested parameters. To learn more about provider routing, visit: https://openrouter.ai/docs/provider-routing', 'code': 404}}),
    _schema('schema-router-raw', 400, _openrouter(_vllm('1 validation error for ValidatorIterator: Invalid json_object'))),
    _schema('schema-gemini', 400, _google('Invalid JSON payload received. Unknown name "additionalProperties" at \'generation_config.response_schema\': Cannot find field.')),
    _schema('schema-deepseek', 400, _openai('This response_format type is unavailable now')),
    _schema('schema-lmstudio', 400, {'error': "'response_format.type' must be 'json_object' or 'text'"}),
    _schema('schema-azure', 400, _openai("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. Learn more about supported models at the Structured Outputs guide", None, param=None)),
    _schema('schema-azure-version', 400, {'error': {'code': 'BadRequest', 'message': 'response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later'}}),
    _schema('schema-fastapi', 422, _fastapi('Extra inputs are not permitted', 'response_format', kind='extra_forbidden')),
    _schema('schema-mistral', 422, {'object': 'error', 'message': {'detail': [{'type': 'literal_error', 'loc': ['body', 'response_format', 'type'], 'msg': "Input should be 'text' or 'json_object'"}]}, 'type': 'invalid_request_error', 'code': None}),
    _schema('schema-together', 400, _openai('The model does not support structured outputs', 'constraint_violation')),
    _schema('schema-cerebras', 422, {'message': "Object fields require at least one of: 'properties' or 'anyOf' with a list of possible properties.", 'type': 'invalid_request_error', 'param': 'response_format', 'code': 'wrong_api_format'}),
    _schema('schema-wordless', 400, _openai('Request contains an invalid argument.')),
    _schema('schema-nothing', 400, ''),
)
# fmt: on


def _format(name: str, status: int, body: Any, form: str = "webp") -> Behaviour:
    return _unless(name, 6, lambda request: form in request.seen.forms, status, body)


def _weight(name: str, status: int, body: Any, most: int = 60_000) -> Behaviour:
    return _unless(name, 6, lambda request: max(request.seen.weights) > most, status, body, pictures="heavy")


# fmt: off
_FORMATS = (
    _format('form-anthropic', 400, _anthropic("messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif'")),
    _format('form-openai', 400, _openai("You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif'].", 'invalid_image_format')),
    _format('form-ollama', 500, _openai('image: unknown format', None, 'api_error')),
    _format('form-ollama-400', 400, _openai('invalid image input')),
    _format('form-llamacpp', 400, {'error': {'code': 400, 'message': 'Failed to load image or audio file', 'type': 'invalid_request_error'}}),
    _format('form-xai', 412, {'code': 'Client specified an invalid argument', 'error': 'Unsupported content-type encountered when downloading image. Only image/png and image/jpeg are allowed.'}),
    _format('form-415', 415, {'detail': 'Unsupported Media Type'}),
    _format('form-png', 400, _vllm('cannot identify image file <_io.BytesIO object at 0x7f3c>'), 'png'),
    _format('form-gemini', 400, _google('Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting')),
    _weight('weight-nginx', 413, '<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n'),
    _weight('weight-anthropic', 400, lambda r: _anthropic(f'messages.0.content.0.image.source.base64: image exceeds 5 MB maximum: {max(r.seen.weights)} bytes > 60000 bytes')),
    _weight('weight-openai', 413, lambda r: _openai(f'Maximum content size limit (60000) exceeded ({max(r.seen.weights)} bytes read)', 'content_size_limit_error', 'server_error')),
    _weight('weight-dashscope', 400, _openai('<400> InternalError.Algo.InvalidParameter: Multimodal file size is too large', 'invalid_parameter_error')),
    _weight('weight-router', 400, _openrouter(_openai('Invalid image: file is over the limit of 0.06 MB'))),
)
# fmt: on

# fmt: off
_KEYS = (
    _from('key-gemini', 7, 0, 400, _google('API key not valid. Please pass a valid API key.', **{'@type': 'type.googleapis.com/google.rpc.ErrorInfo', 'reason': 'API_KEY_INVALID'})),
    _from('key-gemini-quoted', 7, 0, 400, {'error': {'message': json.dumps(_google('API key not valid. Please pass a valid API key.')[0]), 'code': 400, 'status': 'Bad Request'}}),
    _from('key-openai', 21, 30, 401, _openai('Incorrect API key provided: sk-proj-****abcd.', 'invalid_api_key')),
    _from('key-anthropic', 21, 30, 401, _anthropic('invalid x-api-key', 'authentication_error')),
    _from('key-mistral', 21, 30, 401, {'message': 'Unauthorized', 'request_id': '7f0a'}),
    _from('key-text', 21, 30, 401, 'Unauthorized'),
    _from('key-forbidden', 2, 0, 403, _openai('You do not have access to the project tied to the API key.', 'project_not_found')),
    _from('key-denied', 2, 30, 403, {'error': {'code': 403, 'message': 'Permission denied: Consumer has been suspended.', 'status': 'PERMISSION_DENIED'}}),
    _from('credit-openai', 21, 30, 429, _openai('You exceeded your current quota, please check your plan and billing details.', 'insufficient_quota', 'insufficient_quota')),
    _from('credit-openai-new', 21, 30, 429, _openai('Your credit balance is exhausted.', 'credit_balance_exhausted', 'insufficient_quota')),
    _from('credit-anthropic', 21, 30, 400, _anthropic('Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.')),
    _from('credit-anthropic-limit', 21, 30, 400, _anthropic('You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.')),
    _from('credit-router', 21, 30, 402, {'error': {'message': 'Insufficient credits. Add more using https://openrouter.ai/settings/credits', 'code': 402}}),
    _from('credit-deepseek', 21, 30, 402, _openai('Insufficient Balance', 'invalid_request_error', 'unknown_error')),
    _from('credit-moonshot', 21, 30, 429, {'error': {'message': 'Your account org-1<ak-2> is suspended, please check your plan and billing details', 'type': 'exceeded_current_quota_error'}}),
    _from('credit-dashscope', 21, 30, 400, {'error': {'code': 'Arrearage', 'message': 'Access denied, please make sure your account is in good standing.', 'type': 'Arrearage', 'param': None}}),
    _from('credit-hugging-face', 21, 30, 402, {'error': 'You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO to get 20x more monthly included credits.'}),
    _from('credit-zhipu', 21, 30, 429, {'error': {'code': '1113', 'message': '您的账户已欠费，请充值后重试。'}}),
    _from('quota-day', 16, 30, 429, _openai('Rate limit reached for requests per day (RPD): Limit 200, Used 200.', 'rate_limit_exceeded', 'requests'), Retry_After='86400'),
    _from('quota-day-words', 16, 30, 429, _openai('Rate limit reached for gpt-4o in organization org-1 on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7h12m0s.', 'rate_limit_exceeded', 'requests')),
    _from('model-openai', 21, 0, 404, _openai('The model `other` does not exist or you do not have access to it.', 'model_not_found')),
    _from('model-ollama', 21, 0, 404, _openai('model "other" not found, try pulling it first', 'model_not_found', 'api_error')),
    _from('model-blind', 21, 0, 404, {'error': {'message': 'No endpoints found that support image input', 'code': 404}}),
    _from('model-text-vllm', 21, 0, 400, _vllm('other is not a multimodal model')),
)
# fmt: on


def _parameter(name: str, when: When, status: int, body: Any) -> Behaviour:
    return _unless(name, 24, when, status, body)


def _sent(*names: str) -> When:
    return lambda request: any(name in request.body for name in names)


# fmt: off
_PARAMETERS = (
    _parameter('limit-openai', _sent('max_tokens'), 400, _openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", 'unsupported_parameter', param='max_tokens')),
    _parameter('limit-fastapi', _sent('max_tokens'), 422, _fastapi('Extra inputs are not permitted', 'max_tokens', kind='extra_forbidden')),
    _parameter('temperature-openai', lambda r: r.body.get('temperature', 1) != 1, 400, _openai("Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported.", 'unsupported_value', param='temperature')),
    _parameter('both-anthropic', lambda r: 'temperature' in r.body and 'top_p' in r.body, 400, _anthropic('`temperature` and `top_p` cannot both be specified for this model. Please use only one.')),
    _parameter('seed-mistral', _sent('seed'), 422, _fastapi('Extra inputs are not permitted', 'seed', kind='extra_forbidden')),
    _parameter('seed-gemini', _sent('seed'), 400, _google('Invalid JSON payload received. Unknown name "seed": Cannot find field.')),
    _parameter('sampling-azure', _sent('temperature', 'top_p', 'seed'), 400, _openai('Unrecognized request arguments supplied: seed, temperature, top_p')),
    _parameter('sampling-param', _sent('temperature', 'top_p', 'seed'), 400, lambda r: _openai('This parameter is not supported with this model.', 'unsupported_parameter', param=next(n for n in ('temperature', 'top_p', 'seed') if n in r.body))),
)
# fmt: on

REFUSALS = (*_PICTURES, *_CONTEXT, *_IMAGES, *_SCHEMAS, *_FORMATS, *_KEYS, *_PARAMETERS)
