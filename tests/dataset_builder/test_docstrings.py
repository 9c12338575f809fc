"""The examples in the docstrings are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "errors",
        "fields",
        "files.records",
        "predictions",
        "prompts",
        "severity",
        "templates",
        "textform.denials",
        "textform.names",
        "textform.parsing",
        "textform.records",
        "textform.unwrapping",
        "textform.values",
        "textform.writing",
    ],
)
def test_examples_in_docstrings_run(name: str) -> None:
    """Every example of a module gives what it shows, and the module has some."""
    results = doctest.testmod(importlib.import_module(f"dataset_builder.{name}"))
    assert results.failed == 0
    assert results.attempted > 0
