"""The text form of an answer: one writer, and one parser that reads what models really write."""

from dataset_builder.textform.parsing import Dropped, Parsed, identity, parse_answer, parse_verdict
from dataset_builder.textform.values import is_denial, last_value
from dataset_builder.textform.writing import write_answer, write_official_text

__all__ = [
    "Dropped",
    "Parsed",
    "identity",
    "is_denial",
    "last_value",
    "parse_answer",
    "parse_verdict",
    "write_answer",
    "write_official_text",
]
