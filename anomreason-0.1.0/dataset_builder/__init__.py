"""What an example is, and how examples become a dataset.

This page of names is what other packages and users need; the rest of a module is its own affair. Importing it is cheap:
neither torch nor datasets is loaded. `AnomReason`, which is a class of datasets', is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from dataset_builder.errors import (
    AnomReasonError,
    InputError,
    OutputError,
    PictureError,
    RecordError,
    UnavailableError,
)
from dataset_builder.official import (
    read_annotations,
    read_captions,
    read_deepfake_list,
    read_split,
    write_annotations,
)
from dataset_builder.predictions import Prediction, PredictionWriter, read_predictions
from dataset_builder.prompts import PROMPTS, chat
from dataset_builder.schema import Anomaly, Candidate, Example
from dataset_builder.textform import Dropped, Parsed, parse_answer, write_answer, write_official_text

if TYPE_CHECKING:
    from dataset_builder.builder import AnomReason

__all__ = [
    "PROMPTS",
    "AnomReason",
    "AnomReasonError",
    "Anomaly",
    "Candidate",
    "Dropped",
    "Example",
    "InputError",
    "OutputError",
    "Parsed",
    "PictureError",
    "Prediction",
    "PredictionWriter",
    "RecordError",
    "UnavailableError",
    "chat",
    "parse_answer",
    "read_annotations",
    "read_captions",
    "read_deepfake_list",
    "read_predictions",
    "read_split",
    "write_annotations",
    "write_answer",
    "write_official_text",
]


def __getattr__(name: str) -> Any:
    if name == "AnomReason":
        from dataset_builder.builder import AnomReason

        return AnomReason
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
