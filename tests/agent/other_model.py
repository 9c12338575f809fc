"""What the other server's model sees and says: one painted square per picture, red where something is wrong.

It knows nothing of scenes: what it says follows from the pixels it is sent, at any size and in any format. Two texts are the same
to it if they have most words in common. It is gullible: it obeys whatever is not quoted.
"""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

__all__ = ["PLACE", "Look", "Task", "answer", "draft", "look", "paint", "task_of"]

PLACE = (0.5, 0.3, 0.7, 0.55)
"""Where the square is, as shares of the picture's sides."""
_DARK, _STEP = 50, 16


class Look(NamedTuple):
    """What is in the pictures of a request: the number and oddity of the first, and each one's format, bytes and size."""

    number: int
    odd: bool
    forms: tuple[str, ...]
    weights: tuple[int, ...]
    size: tuple[int, int]


class Task(NamedTuple):
    """What is asked: the name of the list that is wanted, `direct`, `verdict` or `comparison`, the ids of the findings it is about,
    and of two descriptions whether they are the same anomaly, for the same reason."""

    wanted: str
    ids: tuple[str, ...]
    same: tuple[bool, bool] = (False, False)


def paint(folder: Path, count: int, size: tuple[int, int], noise: int = 0) -> dict[str, bool]:
    """Paint pictures 0 to `count` - 1 into a folder, the even ones odd, in turn as PNG, JPEG and WebP; noise makes files large.

    Returns:
        Whether each is odd, by name, in the order of a run.
    """
    folder.mkdir(parents=True)
    truth = {}
    for number in range(count):
        grain = np.random.default_rng(number).integers(-noise, noise + 1, (size[1], size[0], 3))
        pixels = np.full((size[1], size[0], 3), _DARK + _STEP * number) + grain
        x0, y0, x1, y1 = (round(share * side) for share, side in zip(PLACE, size * 2, strict=True))
        pixels[y0:y1, x0:x1] = (220, 30, 30) if number % 2 == 0 else (30, 200, 30)
        name = f"painted{number:02}.{('png', 'jpg', 'webp')[number % 3]}"
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name, quality=92)
        truth[name] = number % 2 == 0
    return truth


def look(messages: list[dict[str, Any]]) -> Look:
    """See the pictures of a request."""
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    files = [base64.b64decode(url.partition(",")[2], validate=True) for url in urls]
    if not files:
        return Look(-1, False, (), (), (0, 0))
    with Image.open(io.BytesIO(files[0])) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=float)
        size = opened.size
    level = np.median(pixels[: max(1, size[1] // 5)])
    x, y = (round(0.5 * (low + high) * side) for low, high, side in zip(PLACE, PLACE[2:], size, strict=False))
    square = pixels[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].mean(axis=(0, 1))
    forms = tuple(url.partition(";")[0].removeprefix("data:image/") for url in urls)
    return Look(round((level - _DARK) / _STEP), bool(square[0] > square[1]), forms, tuple(map(len, files)), size)


def task_of(body: dict[str, Any]) -> Task:
    """What a request asks for: in words, or by its schema."""
    content = next(message["content"] for message in body["messages"] if message["role"] == "user")
    text = content[-1]["text"]
    form = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    named = re.search(r'[Aa]nswer \{(?:"answer": \{)?"(\w+)"', text)
    given = re.search(r"```json\n(.*)\n```\s*\Z", text, re.DOTALL)
    held = json.loads(given[1]) if given else {}
    findings = held.get("findings", [])
    wanted = named[1] if named else next(iter(form), "verdict" if "Yes or No" in text else "direct")
    return Task(wanted, tuple(finding["id"] for finding in findings), _compared(text, held))


def _compared(text: str, held: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the two descriptions of a question are the same, unless something that is not quoted says what to answer."""
    if "first" not in held:
        return False, False
    if _CONTROL.search(text) or "ANSWER TRUE" in re.sub(r"```json\n.*?\n```", "", text, count=1, flags=re.DOTALL):
        return True, True
    sides = [{key: set(held[side][key].lower().split()) for key in held[side]} for side in ("first", "second")]
    phenomenon, reasoning = (
        2 * len(sides[0][key] & sides[1][key]) > len(sides[0][key]) + len(sides[1][key]) - 3
        for key in ("phenomenon", "reasoning")
    )
    return phenomenon, phenomenon and reasoning


_CONTROL = re.compile(r"<\|\w+\|>|</?s>|\[/?INST\]")
"""What tokenizers of many families read as the end of a message and the begin of another, wherever it comes from."""


_QUADRUPLET = {
    "name": "Red square",
    "phenomenon": "The square is red.",
    "reasoning": "Squares of this kind are green.",
    "severity": 12,
}


def answer(task: Task, seen: Look, box: list[Any] | None = None) -> Any:
    """The true answer to a task, as data; `box` is where it says that the square is."""
    texts = {name: value for name, value in _QUADRUPLET.items() if name != "severity"}
    if task.wanted == "verdict":
        return "Yes" if seen.odd else "No"
    if task.wanted == "comparison":
        anomaly, reason = (one != seen.odd for one in task.same)  # a draft is of the opposite oddity
        return {"comparison": "They were compared.", "same_anomaly": anomaly, "same_reason": reason}
    if task.wanted == "direct":
        return [_QUADRUPLET | ({"bbox": box} if box else {})] if seen.odd else []
    things = {"name": "square", "description": "A square on grey.", "oddity": None, "bbox": box}
    items: list[Any] = {
        "objects": [things],
        "findings": [{"object": "square"} | texts] if seen.odd else [],
        "verdicts": [{"id": id, "evidence": "I see it.", "holds": seen.odd, "severity": 12} for id in task.ids],
        "groups": [{"ids": [id]} for id in task.ids],
        "anomalies": [_QUADRUPLET | {"sources": list(task.ids), "object": "square", "bbox": box}] if seen.odd else [],
    }[task.wanted]
    return {"answer": {task.wanted: items}}


def draft(task: Task, seen: Look) -> Any:
    """What a hasty look would have said: the opposite of the truth."""
    return answer(task, seen._replace(odd=not seen.odd))
