"""The simulated model as a judge of two texts: what the scenes' sentences say, else how many words they share; with errors."""

import re
from collections.abc import Mapping
from typing import Any

from agent.simulated.rates import Dice, Rates
from agent.simulated.world import read_fact
from dataset_builder.scenes import FAMILIES

__all__ = ["JUDGE", "judge_texts"]

JUDGE = "judge"
"""The first line of such a question names it, as `agent.judge` writes it."""
ALIKE = 0.5
"""The share of words from which on texts that are not the scenes' own say the same."""
_WORD = re.compile(r"\w+")


def judge_texts(given: Mapping[str, Any], rates: Rates, dice: Dice) -> dict[str, Any]:
    """The answer about the input's two descriptions, as `agent.judge` asks for it; each half of it errs by itself."""
    first, second = (_strings(given.get(name)) for name in ("first", "second"))
    facts = read_fact(first), read_fact(second)
    if facts[0] is not None and facts[1] is not None:
        anomaly = facts[0] == facts[1]
        told = FAMILIES[facts[0].family].reasonings
        reason = all(one.get("reasoning") in told for one in (first, second))
    else:
        anomaly = _alike(first.get("phenomenon", ""), second.get("phenomenon", ""))
        reason = _alike(first.get("reasoning", ""), second.get("reasoning", ""))
    anomaly ^= dice.happens(rates.misjudge, "misjudges the anomaly")
    reason ^= dice.happens(rates.misjudge, "misjudges the reason")
    said = "Both describe the same fault." if anomaly else "They describe different faults."
    return {"comparison": said, "same_anomaly": anomaly, "same_reason": anomaly and reason}


def _strings(value: Any) -> dict[str, str]:
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _alike(one: str, other: str) -> bool:
    sides = [set(_WORD.findall(text.lower())) for text in (one, other)]
    return 2 * len(sides[0] & sides[1]) >= ALIKE * (len(sides[0]) + len(sides[1])) > 0
