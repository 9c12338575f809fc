"""Descriptions for judges to compare."""

from typing import NamedTuple

from dataset_builder.scenes import FAMILIES

__all__ = ["CUP", "DOG", "SAME", "WHY", "Text", "told"]


class Text(NamedTuple):
    """What a judge reads of an anomaly."""

    phenomenon: str
    reasoning: str


CUP = Text("The red cup hovers above the table.", "Nothing holds the cup up.")
SAME = Text("A red cup hovers above the table.", "Nothing holds the red cup up.")
WHY = Text("A red cup hovers above the table.", "Its shadow points towards the lamp.")
DOG = Text("A dog has five legs.", "Dogs have four legs.")


def told(n: int, family: str = "floating", wording: int = 0) -> Text:
    """What scenes say of their n-th thing."""
    of = FAMILIES[family]
    phenomenon, reasoning = (texts[wording % len(texts)] for texts in (of.phenomena, of.reasonings))
    return Text(phenomenon.format(object=f"red ball {n}"), reasoning)
