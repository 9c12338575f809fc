"""An audit's numbers: what `audit.json` holds and the pages show."""

import math
from collections import Counter
from itertools import combinations
from typing import Any, NamedTuple

from dataset_builder.errors import InputError
from dataset_builder.severity import intensity
from metric_semap.anomalies import Picture, Quadruplet
from trainer.evaluation.audit_answers import HUMAN, Answers, Reviewed
from trainer.evaluation.audit_plan import prompt_of
from trainer.evaluation.intensity import SCORES, Severities, Tested, agreement, audit
from trainer.evaluation.kinds import Encode, by_kind
from trainer.evaluation.severity_map import SeverityMap, told_severity

__all__ = ["NOT_MEASURED", "Example", "examples", "severities_of", "summarise"]

NOT_MEASURED = "not measured"
COMMONEST = 8


class Example(NamedTuple):
    """One severe anomaly: whose picture, the anomaly, and how wrong it is."""

    generator: str
    image_id: str
    anomaly: Quadruplet
    intensity: float


def summarise(
    reviewed: Reviewed, prompts: dict[str, str], people: SeverityMap | None, seed: int, encode: Encode | None = None
) -> dict[str, Any]:
    """The audit as JSON has it: scores are `{value, low, high}` with null where undefined.

    The ranking is by the first reviewer who looked at every generator; the others' rankings and how far they agree are
    given with it. `people` is the map by which severities were calibrated, if they were; `encode`
    decides kinds that no rule knows.

    Raises:
        InputError: if no reviewer looked at every generator, or one answered about no picture of a generator.
    """
    generators = reviewed.generators
    first = next(iter(generators.values())).by_reviewer
    whole = [name for name in first if all(name in answers.by_reviewer for answers in generators.values())]
    if not whole or whole[0] == HUMAN:
        known = "; ".join(f"{name}: {', '.join(answers.by_reviewer)}" for name, answers in generators.items())
        raise InputError(f"generators: no reviewer has looked at all of them ({known}); a ranking needs one")
    reviewers = list(dict.fromkeys(name for answers in generators.values() for name in answers.by_reviewer))
    tested = {name: audit(severities_of(name, generators, prompts), seed=seed) for name in reviewers}
    main = whole[0]
    return {
        "reviewer": main,
        "generators": _rows(tested[main], generators, main),
        "ranking": tested[main].tiers,
        "pairs": [{key: _plain(value) for key, value in pair._asdict().items()} for pair in tested[main].pairs],
        "reviewers": {
            name: {"generators": _rows(one, generators, name), "ranking": one.tiers}
            for name, one in tested.items()
            if name != main
        },
        "agreement": _agreements(tested),
        "clean": _false_alarms(reviewed.clean, main),
        "severity": told_severity(people),
        "calibration": _calibration(people),
        "kinds": {name: _kinds(answers.by_reviewer[main], encode) for name, answers in generators.items()},
        "commonest": {name: _commonest(answers.by_reviewer[main]) for name, answers in generators.items()},
        "warnings": reviewed.notes + _warnings(tested[main], generators, main),
        "seed": seed,
    }


def severities_of(reviewer: str, generators: dict[str, Answers], prompts: dict[str, str]) -> dict[str, Severities]:
    """What a reviewer found: generator → prompt → pictures → severities; pictures without an answer are left out.

    Raises:
        InputError: if the reviewer failed on all pictures of a generator.
    """
    severities: dict[str, Severities] = {}
    for name, answers in generators.items():
        if reviewer in answers.by_reviewer:
            by_prompt: dict[str, list[list[int | None]]] = {}
            for image_id, picture in answers.by_reviewer[reviewer].items():
                if picture.answered:
                    found = [anomaly.severity for anomaly in picture.anomalies]
                    by_prompt.setdefault(prompt_of(image_id, name, prompts), []).append(found)
            if not by_prompt:
                raise InputError(
                    f"generators.{name}: {reviewer} gave no answer about any picture; there is nothing to rank"
                )
            severities[name] = by_prompt
    return severities


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _rows(tested: Tested, generators: dict[str, Answers], reviewer: str) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "pictures": one.pictures,
            "failed": sum(picture.failed for picture in generators[one.name].by_reviewer[reviewer].values()),
            "unknown": sum(picture.unknown for picture in generators[one.name].by_reviewer[reviewer].values()),
            "anomalies": one.anomalies,
            "without severity": one.unrated,
        }
        | {key: {part: _plain(value) for part, value in one.scores[key]._asdict().items()} for key in SCORES}
        for one in tested.generators
    ]


def _agreements(tested: dict[str, Tested]) -> list[dict[str, Any]]:
    caps = {name: {one.name: one.scores["CAP"].value for one in test.generators} for name, test in tested.items()}
    return [
        {"first": a, "second": b} | {key: _plain(value) for key, value in agreement(caps[a], caps[b])._asdict().items()}
        for a, b in combinations(caps, 2)
    ]


def _calibration(people: SeverityMap | None) -> dict[str, Any] | None:
    """What people say of the reviewer's severities, at every tenth one, and how far they agree."""
    if people is None:
        return None
    return {
        "ratings": people.ratings,
        "agreement": {part: _plain(value) for part, value in people.agreement._asdict().items()},
        "map": {severity: said._asdict() for severity, said in people.told().items()},
    }


def _false_alarms(clean: Answers | None, reviewer: str) -> Any:
    """How often the reviewer finds something where nothing is wrong, with Wilson's 95 % interval; or that nobody looked."""
    answered = [] if clean is None else [p for p in clean.by_reviewer.get(reviewer, {}).values() if p.answered]
    if not answered:
        return NOT_MEASURED
    from statsmodels.stats.proportion import proportion_confint

    alarms = sum(bool(picture.anomalies) for picture in answered)
    low, high = proportion_confint(alarms, len(answered), method="wilson")
    rate = {"value": alarms / len(answered), "low": float(low), "high": float(high)}
    return {"pictures": len(answered), "false_alarms": alarms, "rate": rate}


def _kinds(pictures: dict[str, Picture], encode: Encode | None) -> dict[str, float]:
    """Anomalies of each kind per picture that was answered, the commonest first."""
    seen = [picture for picture in pictures.values() if picture.answered]
    counts = by_kind((anomaly for picture in seen for anomaly in picture.anomalies), encode)
    return {kind: count / len(seen) for kind, count in counts.most_common()}


def _commonest(pictures: dict[str, Picture]) -> list[dict[str, Any]]:
    names = Counter(
        " ".join(anomaly.name.split()).casefold() for picture in pictures.values() for anomaly in picture.anomalies
    )
    names.pop("", None)
    ranked = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:COMMONEST]
    return [{"name": name, "count": count} for name, count in ranked]


def _warnings(tested: Tested, generators: dict[str, Answers], reviewer: str) -> list[str]:
    warnings = []
    for one in tested.generators:
        pictures = generators[one.name].by_reviewer[reviewer].values()
        if failed := sum(picture.failed for picture in pictures):
            warnings.append(f"{one.name}: no answer about {failed} pictures; they are left out")
        if unknown := sum(picture.unknown for picture in pictures):
            warnings.append(
                f"{one.name}: {unknown} pictures are of a kind that the reviewer does not know; they are left out"
            )
        if one.unrated:
            warnings.append(f"{one.name}: {one.unrated} anomalies without a severity count only in AF")
        if math.isnan(one.scores["CAP"].low):
            warnings.append(
                f"{one.name}: too few pictures ({one.pictures}, {one.anomalies} anomalies) for an interval of CAP or a test"
            )
    return warnings


def examples(generators: dict[str, Answers], reviewer: str, each: int, total: int) -> list[Example]:
    """The most severe anomalies, at most `each` per generator and one per picture, `total` in all; ties by name."""
    found: list[Example] = []
    for name, answers in generators.items():
        worst = []
        for image_id, picture in answers.by_reviewer[reviewer].items():
            rated = [
                Example(name, image_id, anomaly, intensity(anomaly.severity))
                for anomaly in picture.anomalies
                if anomaly.severity is not None
            ]
            if rated:
                worst.append(max(rated, key=lambda example: example.intensity))
        found += sorted(worst, key=_severest_first)[:each]
    return sorted(found, key=_severest_first)[:total]


def _severest_first(example: Example) -> tuple[float, str, str]:
    return -example.intensity, example.image_id, example.generator
