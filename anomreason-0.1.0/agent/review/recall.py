"""How much of what is wrong the agent finds: its accepted candidates among all anomalies that people accept, the ones they added
included.

Recall counts pictures that somebody has looked over: where people were asked whether anything was missed (`--ask-missed`), those
of which somebody said that nothing else is wrong; else those whose candidates have all been answered. In the second case it is an
upper bound, because nobody had to look for more, and pictures without candidates were not shown at all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.review.decision import Rule, decide, votes_of
from agent.review.items import Item
from agent.review.store import Standing

__all__ = ["Found", "Recall", "recall"]


@dataclass(frozen=True)
class Found:
    """What one agent of the run found: `found` of the `true` anomalies, a share with a 95 % Wilson interval (`None` without any).

    The interval takes anomalies for independent of each other.
    """

    agent: str
    found: int
    true: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Recall:
    """Recall over the pictures looked over.

    Attributes:
        asked (`bool`): whether people were asked what was missed; else the shares are upper bounds.
        pictures (`int`): how many were looked over.
        added (`int`): how many anomalies people added and accepted there.
        whole (`Found`): of the whole run.
        agents (sequence of `Found`): of each stage that found something.
    """

    asked: bool
    pictures: int
    added: int
    whole: Found
    agents: Sequence[Found]


def recall(items: Iterable[Item], standing: Sequence[Standing], rule: Rule) -> Recall:
    """Recall by what a rule makes of the answers."""
    votes = votes_of(standing)
    on: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.gold is None and item.scenes is None:
            on[item.picture].append(item)
    questions = {item.key: item.picture for listed in on.values() for item in listed if item.asks == "missed"}
    asked = bool(questions)
    if asked:
        over = {questions[one.item] for one in standing if one.item in questions and one.verdict == "accept"}
    else:
        over = {
            picture
            for picture, listed in on.items()
            if all(item.key in votes for item in listed if item.added_by is None)
        }
    true = [
        item
        for picture in sorted(over)
        for item in on[picture]
        if item.asks == "candidate" and decide(votes.get(item.key, {}), rule) == "accept"
    ]
    by_agent = Counter(item.candidate.stage or "none stated" for item in true if item.added_by is None)
    return Recall(
        asked=asked,
        pictures=len(over),
        added=sum(item.added_by is not None for item in true),
        whole=_found("all", by_agent.total(), len(true)),
        agents=[_found(agent, by_agent[agent], len(true)) for agent in sorted(by_agent)],
    )


def _found(agent: str, found: int, true: int) -> Found:
    from statsmodels.stats.proportion import proportion_confint

    if not true:
        return Found(agent, found, true, None, None, None)
    low, high = proportion_confint(found, true, method="wilson")
    return Found(agent, found, true, found / true, float(low), float(high))
