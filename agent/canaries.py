"""Asks some pictures of an earlier run again, and says whether the answers drifted.

A model behind a paid API can change while its name stays the same. What is asked again is journalled like all calls, under keys of
its own; the results of the run stay as they were.

Two samples of one model differ as well. Two signs tell drift from that: another model or fingerprint in the server's own words, and
paired differences over the pictures, in the number of anomalies and in their mean severity, that chance would rarely give
(Wilcoxon's signed-rank test, p below 0.05 with Bonferroni's correction for two tests).
"""

import hashlib
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.asking import Asker, Services
from agent.journal import Journal
from agent.pictures import SentPicture
from agent.plans import PLANS, Annotation, Settings
from agent.sources import Listed
from dataset_builder.errors import PictureError
from dataset_builder.textform import identity

__all__ = ["Drift", "ask_again", "chosen"]

SIGNIFICANT = 0.05 / 2


class Drift(NamedTuple):
    """How answers to the same pictures compare with those of an earlier run.

    Attributes:
        pictures (`int`): that were asked again.
        same_status (`int`): of them with the status that they had.
        anomalies_before, anomalies_now (`int`), found_again (`int`): those of before that an answer of now has, word for word.
        severity (`float`): mean difference of the pictures' mean severities, now less before, over those that have one.
        p (`float`): the smaller p of the two tests.
        before, now (`list[str]`): who answered, in the server's words.
        drifted (`bool`): whether another model answered, or the differences are significant.
        told (`str`): all that in a sentence.
    """

    pictures: int
    same_status: int
    anomalies_before: int
    anomalies_now: int
    found_again: int
    severity: float
    p: float
    before: list[str]
    now: list[str]
    drifted: bool
    told: str


def chosen(listed: Iterable[Listed], journal: Journal, fingerprint: str, count: int) -> list[tuple[Listed, Annotation]]:
    """The canaries among a run's finished pictures: always the same ones, spread evenly by a hash of their names."""
    kept = []
    for item in listed:
        found = journal.result(item.image_id, fingerprint)
        if found is not None and found[1] in ("anomalies", "none"):
            kept.append((item, Annotation.model_validate_json(found[2])))
    kept.sort(key=lambda one: hashlib.sha256(one[0].image_id.encode()).digest())
    return kept[:count]


async def ask_again(
    canaries: Sequence[tuple[Listed, Annotation]], services: Services, settings: Settings
) -> Drift | None:
    """Annotate pictures again with calls of their own, one after the other; `None` if there are none.

    Raises:
        BudgetReached, UnavailableError, OutputError: as asking does.
    """
    before, now = [], []
    answered = services.journal.answered_by()
    round_ = f"canary {services.journal.rounds() + 1}"
    for rank, (item, earlier) in enumerate(canaries):
        try:
            picture = SentPicture.read(item.path, item.image_id)
        except PictureError:
            continue
        asker = Asker(picture, services, settings.stance, rank, settings.boxes, round=round_, texts=settings.texts)
        annotation = await PLANS[settings.plan](asker, settings)
        if annotation.status in ("anomalies", "none"):
            before.append(earlier)
            now.append(annotation)
    if not now:
        return None
    by_now = services.journal.answered_by(round_)
    return compared(before, now, [name for name in answered if name], list(by_now))


def compared(before: list[Annotation], now: list[Annotation], models: list[str], models_now: list[str]) -> Drift:
    """How two annotations of the same pictures compare; see `Drift`."""
    again = sum(
        len({identity(one) for one in earlier.anomalies} & {identity(one) for one in later.anomalies})
        for earlier, later in zip(before, now, strict=True)
    )
    counts = [len(later.anomalies) - len(earlier.anomalies) for earlier, later in zip(before, now, strict=True)]
    means = [(_severity(earlier), _severity(later)) for earlier, later in zip(before, now, strict=True)]
    severities = [later - earlier for earlier, later in means if earlier is not None and later is not None]
    p = min(_p(counts), _p(severities))
    same = sum(earlier.status == later.status for earlier, later in zip(before, now, strict=True))
    drifted = p < SIGNIFICANT or bool(models and set(models_now) - set(models))
    numbers = (sum(len(one.anomalies) for one in before), sum(len(one.anomalies) for one in now))
    severity = statistics.fmean(severities) if severities else 0.0
    who = (
        "the same model"
        if set(models_now) <= set(models)
        else f"{', '.join(models_now)} instead of {', '.join(models)}"
    )
    told = (
        f"canaries: {'the answers drifted' if drifted else 'no drift found'}: {same} of {len(now)} pictures ended as before, "
        f"{numbers[1]} anomalies now and {numbers[0]} before, mean severity {severity:+.1f}, p = {p:.3f}, answered by {who}"
    )
    return Drift(len(now), same, *numbers, again, round(severity, 2), round(p, 4), models, models_now, drifted, told)


def _severity(annotation: Annotation) -> float | None:
    found = [one.severity for one in annotation.anomalies if one.severity is not None]
    return statistics.fmean(found) if found else None


def _p(differences: Sequence[float]) -> float:
    """Wilcoxon's signed-rank test of paired differences against none; 1 where they are all nought."""
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)
