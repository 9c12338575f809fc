"""What several verdicts on an item come to. Unsure is never an accept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from agent.review.store import Standing
from dataset_builder.schema import Verdict

__all__ = ["RULES", "Rule", "decide", "votes_of"]

Rule = Literal["majority", "unanimous"]
RULES: tuple[Rule, ...] = get_args(Rule)


def votes_of(standing: Iterable[Standing]) -> dict[str, dict[Verdict, int]]:
    """How many people say what of each item: item → verdict → count, verdicts always in the same order."""
    votes: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for one in standing:
        votes[one.item][one.verdict] += 1
    return {
        item: {verdict: counts[verdict] for verdict in get_args(Verdict) if counts[verdict]}
        for item, counts in votes.items()
    }


def decide(votes: Mapping[Verdict, int], rule: Rule) -> Verdict | None:
    """The verdict that votes come to, or `None` without any.

    `majority`: what more than half of all votes say, unsure ones counted among them; else unsure. `unanimous`: what all of
    them say; else unsure.

    >>> decide({"accept": 2, "unsure": 1}, "majority"), decide({"accept": 1, "unsure": 1}, "majority")
    ('accept', 'unsure')
    >>> decide({"accept": 2, "unsure": 1}, "unanimous"), decide({}, "majority")
    ('unsure', None)
    """
    total = sum(votes.values())
    if not total:
        return None
    verdict, count = max(votes.items(), key=lambda entry: entry[1])
    return verdict if count == total or (rule == "majority" and 2 * count > total) else "unsure"
