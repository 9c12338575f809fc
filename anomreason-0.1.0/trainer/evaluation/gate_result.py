"""The comparison of two versions of a generator as a result: what got worse, what got better, and every measure."""

from collections.abc import Mapping

from dataset_builder.errors import InputError
from metric_semap.anomalies import Picture
from trainer.evaluation.audit_answers import HUMAN, Answers, Reviewed
from trainer.evaluation.audit_plan import prompt_of
from trainer.evaluation.gate import LEVEL, Compared, Gate, compare
from trainer.evaluation.kinds import Encode
from trainer.evaluation.result import Cell, Result, Table, percent
from trainer.evaluation.severity_map import SeverityMap, told_severity

__all__ = ["gate_result", "versions"]


def versions(
    reviewed: Reviewed, old: str, new: str, prompts: Mapping[str, str], seed: int, encode: Encode | None = None
) -> Gate:
    """Compare two generators of an audit, as the first reviewer who looked at both saw them.

    Raises:
        InputError: if nobody looked at both, or they share no prompts.
    """
    first, second = (reviewed.generators[name] for name in (old, new))
    both = [name for name in first.by_reviewer if name in second.by_reviewer and name != HUMAN]
    if not both:
        raise InputError(f"{old} and {new}: no reviewer has looked at both; give answers of the same reviewer")
    by_prompt = [_by_prompt(name, answers, both[0], prompts) for name, answers in ((old, first), (new, second))]
    return compare((old, by_prompt[0]), (new, by_prompt[1]), seed, encode)


def _by_prompt(name: str, answers: Answers, reviewer: str, prompts: Mapping[str, str]) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}
    for image_id, picture in answers.by_reviewer[reviewer].items():
        found.setdefault(prompt_of(image_id, name, dict(prompts)), []).append(picture)
    return found


def gate_result(gate: Gate, notes: list[str], people: SeverityMap | None, seed: int) -> Result:
    """A comparison as its files and the terminal show it."""
    worse = [one.measure for one in gate.measures if one.is_worse]
    better = [one.measure for one in gate.measures if one.is_better]
    nothing = f"{gate.new} is not worse than {gate.old} in anything that these prompts could show."
    findings = [f"{gate.new} is worse than {gate.old} in {', '.join(worse)}." if worse else nothing]
    if better:
        findings.append(f"It is better in {', '.join(better)}.")
    rows: list[list[Cell]] = [
        [one.measure, one.old, one.new, one.difference, one.p, _verdict(one)] for one in gate.measures
    ]
    note = (
        "AF: anomalies per picture. MAI: mean intensity, (100 − severity)/100. CAP: sum of intensities per picture. Below them, "
        "anomalies of each kind per picture. Differences are new − old, so above 0 is worse, with 95 % intervals of each by "
        f"itself; p is of a paired permutation test, corrected by Holm's method for all {len(rows)}: {percent(LEVEL, 0)} is the "
        "chance to call anything different between versions that are alike."
    )
    left_out = [f"{gate.left_out} prompts of only one version are left out."] if gate.left_out else []
    numbers: dict[str, Cell] = {f"{one.measure}: difference": one.difference for one in gate.measures}
    return Result(
        experiment="audit --compare",
        title=f"{gate.new} compared with {gate.old}",
        claim="",
        data=f"{gate.prompts:,} prompts that both were given; severities {told_severity(people)}.",
        simulated=False,
        findings=findings,
        tables=[
            Table("Every measure", ("measure", gate.old, gate.new, "difference", "p", "verdict"), rows, note),
            *_as_people_say(people),
        ],
        numbers=numbers | {f"{one.measure}: p": one.p for one in gate.measures},
        notes=[*left_out, *(f"{note[0].upper()}{note[1:]}." for note in notes)],
        settings={"seed": seed},
    )


def _as_people_say(people: SeverityMap | None) -> list[Table]:
    if people is None:
        return []
    rows: list[list[Cell]] = [[str(severity), said] for severity, said in people.told().items()]
    return [Table("Severity as people see it", ("the reviewer's severity", "what people say"), rows, "", 0)]


def _verdict(one: Compared) -> str:
    return "worse" if one.is_worse else "better" if one.is_better else "no difference shown"
