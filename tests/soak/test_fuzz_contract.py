"""Fuzzing the data contract: the parser takes any text, the readers any file, for ten minutes.

The parser may raise nothing; a reader may raise `AnomReasonError` and nothing else. Inputs are hypothesis's: texts and bytes from
nothing, JSON of any shape, and valid answers and files with pieces cut out, doubled and swapped. `ANOMREASON_FUZZ_MINUTES` sets
another time.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataset_builder import (
    Anomaly,
    AnomReasonError,
    Prediction,
    parse_answer,
    read_annotations,
    read_captions,
    read_deepfake_list,
    read_predictions,
    read_split,
    write_answer,
    write_official_text,
)
from dataset_builder.official import dump_annotations

ANOMALIES = [
    Anomaly(name="Cup", phenomenon='It "hovers", {high}.', reasoning="Cups fall.\n1. No support.", severity=10, bbox=(1, 2, 3, 4)),
    Anomaly(name="Hand", phenomenon="Six fingers — bent.", reasoning="Hands have five.", severity=35, remark="mild"),
    Anomaly(name="Sun", phenomenon="Two suns.", reasoning="There is one.", severity=None),
]  # fmt: skip
LAYOUT = write_official_text(ANOMALIES)
BOLD = "".join(
    f"{i}. **Name:** a\n   - **Observed Phenomenon**: b\n\n   - **Reasoning:** c\n   - **Severity Score**: 25/100\n"
    for i in (1, 2)
)
RECORDS = json.loads(dump_annotations({"a.jpg": ANOMALIES}))["a.jpg"]
SEEDS = [
    write_answer(ANOMALIES, boxes=True),
    f"Sure:\n```json\n{json.dumps({'anomalies': RECORDS}, indent=2)}\n```",
    LAYOUT,
    BOLD,
    dump_annotations({"d/a.jpg": ANOMALIES[:2], "b.jpg": []}),
    json.dumps([{"/d/a.jpg": RECORDS}, {"/d/b.jpg": []}]),
    "\n".join(Prediction.from_answer(f"{i}.jpg", write_answer(ANOMALIES[:i])).model_dump_json() for i in range(3)),
    "\n".join(
        json.dumps({"status": "ok", "path": f"{i}.jpg", "parsed": RECORDS[:i], "response": LAYOUT}) for i in range(2)
    ),
    json.dumps({"train": ["1_fake/a.jpg"], "test": ["0_real/b.jpg"]}),
    json.dumps({"0_real/a.jpg": "The light is right."}),
    json.dumps({"fake": ["1_fake/a.jpg"], "real": ["b.jpg"], "c.jpg": 1}),
]
PIECES = [
    "[", "]", "{", "}", '"', "'", ",", ":", "\\", "\\u", "\\ud800", "\n", "\n\n", "**", "###", "@2. ", "1) ", "Name:", "Reasoning:",
    "Severity Score: ", "/100", "(", ")", "null", "NaN", "-Infinity", "1e999", "9" * 400, "9" * 5000, "```",
    "</think>", "<think>", "\ufeff",
    "\x00", "\ud800", "\u2028", "é", "\r", '{"name": "', "[]", "[" * 200, '{"a":' * 200, "No anomalies.",
]  # fmt: skip

KEYS = [*RECORDS[0], "name", "image_id", "path", "status", "parsed", "response", "train", "test", "bbox"]
_leaves = st.text(max_size=10) | st.sampled_from(["25/100 (x).", "fake", "a.jpg"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)  # fmt: skip


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    """A valid answer or file with a few cuts, doublings, swaps and insertions."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        piece = draw(st.sampled_from(["", text[start:end], text[start:end][::-1], *PIECES]) | st.text(max_size=5))
        cut = draw(st.sampled_from([start, end, len(text)]))
        text = (text[:start] + piece + text[cut:])[:20_000]
    return text


TEXTS = (
    _mutated()
    | st.text(max_size=200)
    | st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
    | _json.map(json.dumps)
)
BYTES = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=100)
READERS: list[tuple[Callable[[Path], Any], str]] = [
    (read_annotations, ".json"),
    (read_predictions, ".json"),
    (read_predictions, ".jsonl"),
    (read_split, ".json"),
    (read_captions, ".json"),
    (read_deepfake_list, ".json"),
]

_SETTINGS = settings(
    deadline=None, database=None, phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
def test_nothing_crashes(tmp_path: Path) -> None:
    """For ten minutes, no text crashes the parser and no file crashes a reader; the counts are printed."""
    deadline = time.monotonic() + 60 * float(os.environ.get("ANOMREASON_FUZZ_MINUTES", "10"))
    counts: Counter[str] = Counter()
    paths = {suffix: tmp_path / f"fuzz{suffix}" for suffix in (".json", ".jsonl")}

    @settings(_SETTINGS, max_examples=2000)
    @given(TEXTS)
    def parse(text: str) -> None:
        if time.monotonic() < deadline:
            status, anomalies, dropped = parse_answer(text)
            assert bool(anomalies) == (status in ("anomalies", "partial"))
            assert bool(dropped) == (status in ("partial", "failed"))
            assert write_answer(anomalies).encode()
            counts[f"parsed: {status}"] += 1

    @settings(_SETTINGS, max_examples=1000)
    @given(BYTES)
    def read(content: bytes) -> None:
        for path in paths.values():
            path.write_bytes(content)
        for reader, suffix in READERS if time.monotonic() < deadline else []:
            path = paths[suffix]
            message = str(path)
            try:
                reader(path)
            except AnomReasonError as error:
                message = str(error)
            counts[f"{reader.__name__}: {'read' if message == str(path) else 'refused'}"] += 1
            assert message.startswith(str(path))
            assert message.isprintable()

    while time.monotonic() < deadline:
        parse()
        read()
    print(f"\nfuzzing: {sum(counts.values()):,} inputs, no crash")
    for what, count in sorted(counts.items()):
        print(f"  {what}: {count:,}")
