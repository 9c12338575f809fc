"""Groups of predictors that cannot be told apart, from the pairs that are."""

from collections.abc import Iterable, Sequence

__all__ = ["groups"]


def groups(names: Sequence[str], apart: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The largest groups of names of which no two are told apart; a name may be in several.

    Whoever is told apart shares no group, and whoever is not shares at least one (Piepho, 2004,
    https://doi.org/10.1198/1061860043515).

    Args:
        names (`list[str]`): best first; groups and their members come in this order.
        apart (`list[tuple[str, str]]`): the pairs that are told apart.

    >>> groups(["a", "b", "c"], [("a", "c")])
    [['a', 'b'], ['b', 'c']]
    """
    found = [frozenset(names)]
    for one, other in apart:
        split = [
            part for group in found for part in ([group - {one}, group - {other}] if {one, other} <= group else [group])
        ]
        found = [group for group in dict.fromkeys(split) if not any(group < larger for larger in split)]
    members = [[name for name in names if name in group] for group in found]
    return sorted(members, key=lambda group: [names.index(name) for name in group])
