"""The text form of an answer: one writer, and one parser that reads what models really write."""

from dataset_builder.textform.parsing import (
    Dropped,
    Parsed,
    parse_answer,
    parse_verdict,
    write_answer,
    write_official_text,
)

__all__ = ["Dropped", "Parsed", "parse_answer", "parse_verdict", "write_answer", "write_official_text"]
