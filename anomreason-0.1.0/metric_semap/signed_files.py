"""Whether the scores of two files may be compared: their signatures, and a sentence for whatever they differ in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import RecordError
from .records import read_text
from .signature import differences
from .strict_json import parse_json

__all__ = ["compare_files"]


def compare_files(first: str | Path, second: str | Path) -> list[str]:
    """What the measurements in two files differ in.

    Args:
        first, second (`str`): `metrics.json` of `score`, `leaderboard.json` of `benchmark`, or what `evaluate.save` wrote.

    Returns:
        `list[str]`: sentences; none if every score of one may be compared with every score of the other.

    Raises:
        `RecordError`: if a file cannot be read, or has no signature.
    """
    one, other = (_signatures(path) for path in (first, second))
    sentences: dict[str, None] = {}
    for name, signature in one.items():
        for another, its in other.items():
            for sentence in differences(signature, its):
                several = len(set(one.values())) > 1 or len(set(other.values())) > 1
                sentences[f"{name} and {another}: {sentence}" if several else sentence] = None
    return list(sentences)


def _signatures(path: str | Path) -> dict[str, str]:
    """The signature of each predictor, or board, of a file."""
    content = parse_json(read_text(path), Path(path).name)
    held: dict[str, Any] = {Path(path).stem: content}
    if isinstance(content, Mapping):
        if isinstance(content.get("results"), Mapping):
            held = dict(content["results"])
        elif "signature" not in content:
            held = {key: value for key, value in content.items() if isinstance(value, Mapping) and "signature" in value}
    signatures = {name: value.get("signature") for name, value in held.items() if isinstance(value, Mapping)}
    if not signatures or not all(isinstance(signature, str) for signature in signatures.values()):
        raise RecordError(f"{path}: has no signature; give metrics.json of anomreason score")
    return {name: str(signature) for name, signature in signatures.items()}
