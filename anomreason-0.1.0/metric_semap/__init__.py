"""SemAP, SemF1, CSemAP, CSemF1: how well a model explains what is wrong with a picture.

Importing this package loads none of its modules; each public name loads what it needs when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import SemapError
    from .matching import greedy_match, optimal_match
    from .scoring import score_matrices
    from .semap import SemAP
    from .sentence import SentenceSimilarity
    from .similarity import BertScoreSimilarity

__all__ = [
    "BertScoreSimilarity",
    "SemAP",
    "SemapError",
    "SentenceSimilarity",
    "greedy_match",
    "optimal_match",
    "score_matrices",
]

_HOME = {
    "BertScoreSimilarity": "similarity",
    "SemAP": "semap",
    "SemapError": "errors",
    "SentenceSimilarity": "sentence",
    "greedy_match": "matching",
    "optimal_match": "matching",
    "score_matrices": "scoring",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
