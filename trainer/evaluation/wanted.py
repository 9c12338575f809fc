"""Anomalies that a prompt asked for: a man who walks on the ceiling is not a fault of a generator that was told to draw one."""

from collections.abc import Mapping

from metric_semap.anomalies import Picture, Quadruplet
from trainer.evaluation.audit_answers import Answers, Reviewed
from trainer.evaluation.kinds import kind_of

__all__ = ["without_wanted"]


def without_wanted(reviewed: Reviewed, wanted: Mapping[str, frozenset[str]]) -> Reviewed:
    """The answers without the anomalies whose kind or name the picture's prompt asked for; how many these are is noted.

    Args:
        reviewed (`Reviewed`): all answers.
        wanted (mapping): picture → kinds and names, in lower case.
    """
    if not wanted:
        return reviewed
    left_out = 0

    def of(pictures: Mapping[str, Picture]) -> dict[str, Picture]:
        nonlocal left_out
        found = {}
        for image_id, picture in pictures.items():
            asked = wanted.get(image_id, frozenset())
            kept = [one for one in picture.anomalies if not _is_wanted(one, asked)]
            left_out += len(picture.anomalies) - len(kept)
            found[image_id] = picture._replace(anomalies=kept)
        return found

    generators = {
        name: Answers({who: of(pictures) for who, pictures in answers.by_reviewer.items()}, answers.picture)
        for name, answers in reviewed.generators.items()
    }
    note = f"{left_out} anomalies that the prompts asked for are left out"
    return reviewed._replace(generators=generators, notes=[*reviewed.notes, note])


def _is_wanted(anomaly: Quadruplet, asked: frozenset[str]) -> bool:
    name = " ".join(anomaly.name.split()).casefold()
    return bool(asked) and (name in asked or kind_of(anomaly.name, anomaly.phenomenon) in asked)
