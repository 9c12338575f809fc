"""What an example is, and how examples become a dataset.

This page of names is what other packages and users need; the rest of a module is its own affair. Importing it is cheap:
neither torch nor datasets is loaded.
"""

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

__all__ = [
    "PROMPTS",
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
