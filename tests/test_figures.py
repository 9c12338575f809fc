"""Figures in the documents are those that were measured, of the scenes and weights that are shipped."""

import json
import re
from pathlib import Path

import pytest

from docs import make_figures

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("document", make_figures.DOCUMENTS)
def test_a_document_says_what_the_figures_files_say(document: str) -> None:
    """Every text between the marks is what its file gives; `make figures` writes both."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert make_figures.BLOCK.search(text)
    assert len(make_figures.BLOCK.findall(text)) == text.count("<!-- figures:") == text.count("<!-- end of figures")
    assert make_figures.filled(text) == text


@pytest.mark.parametrize("name", [path.stem for path in make_figures.FIGURES.glob("*.json")])
def test_a_figure_is_of_what_is_shipped(name: str) -> None:
    """Of these scenes, weights and fit; whoever changes them measures again, or removes the file, which the document tells."""
    assert make_figures.read(name)["of"] == make_figures.subject(name)


def test_every_figure_is_told_somewhere() -> None:
    """No file lies about unused, no document asks for one that is not made, and the tiny model's scores are never left out."""
    told = {
        name
        for document in make_figures.DOCUMENTS
        for _, name, _ in make_figures.BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    }
    measured = {path.stem for path in make_figures.FIGURES.glob("*.json")}
    assert told == set(make_figures.ALL)
    assert {"scores", "robustness", "unknown", "meta_scenes"} <= measured <= told


def test_a_number_that_is_changed_by_hand_or_by_measuring_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document with another number than the file is not what the file gives, whichever of both was changed."""
    figure = make_figures.read("scores")
    figure["measured"]["false_alarms"] = [1, 2]
    (tmp_path / "scores.json").write_text(json.dumps(figure))
    text = "Before.\n<!-- figures: scores -->\nold\n<!-- end of figures -->\nAfter."
    as_shipped = make_figures.filled(text)
    monkeypatch.setattr(make_figures, "FIGURES", tmp_path)
    changed = make_figures.filled(text)
    assert changed != as_shipped
    assert re.fullmatch(r"Before\.\n.*\n.*reports on clean pictures \| 1 of 2 \|.*\nAfter\.", changed, re.DOTALL)
    (tmp_path / "scores.json").unlink()
    assert "`scores` was not measured on these weights yet" in make_figures.filled(changed)
