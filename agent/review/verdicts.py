"""The verdicts of a run as experiments need them: each reviewer's own on each candidate, and how right reviewers are on gold
items."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from agent.review.agreement import measure
from agent.review.export import open_store
from agent.review.items import read_rows_of
from dataset_builder.schema import Verdict

__all__ = ["Known", "verdicts_of"]


class Known(NamedTuple):
    """A reviewer: number of current answers, gold items answered, and how many of those rightly."""

    name: str
    answers: int
    gold: int
    right: int


def verdicts_of(run: Path) -> tuple[dict[tuple[str, int], dict[str, Verdict]], list[Known]]:
    """What each reviewer says of each candidate, by picture and place in its list; and the reviewers.

    Raises:
        InputError: if the run or its verdicts cannot be read.
    """
    store = open_store(run)
    try:
        standing, items = store.standing(), store.items()
    finally:
        store.close()
    said: dict[str, dict[str, Verdict]] = defaultdict(dict)
    for one in standing:
        said[one.item][one.reviewer] = one.verdict
    own = {
        (row.image_id, at): said[key]
        for row in read_rows_of(run)
        for at, (key, _) in enumerate(row.candidates)
        if key in said
    }
    people = measure(items, standing).reviewers
    return own, [Known(one.name, one.answers, one.gold, one.gold_right) for one in people]
