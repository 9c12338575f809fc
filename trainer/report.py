"""Quickstart's report: one self-contained page with the scores, and the pictures with predicted against true quadruplets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dataset_builder import atomic, severity
from dataset_builder.boxes import drawn
from dataset_builder.data_url import data_url
from dataset_builder.pictures import open_picture
from dataset_builder.predictions import Prediction
from dataset_builder.scenes import SceneRow, family_of
from dataset_builder.templates import environment

__all__ = ["Shown", "in_order", "named", "write_report"]

SCENES = 24
"""Scenes that are shown at least, where there are so many; all that are wrong are."""


class Shown(NamedTuple):
    """A scene of the family that was taught, and whether the adapter was right about it and its clean twin."""

    row: SceneRow
    right: bool


def named(prediction: Prediction, family: str) -> bool:
    """Whether a prediction names an anomaly of the family."""
    return any(family_of(anomaly.name) == family for anomaly in prediction.anomalies)


def in_order(truth: Sequence[SceneRow], tuned: Mapping[str, Prediction], family: str) -> list[Shown]:
    """The scenes of a family as the report shows them: one that the adapter got right, all that it got wrong, the others.

    It is right about a scene if it names the family there, and reports nothing on its clean twin, if there is one.
    """
    reported = {name for name, prediction in tuned.items() if prediction.anomalies}
    shown = [
        Shown(row, named(tuned[row.image_id], family) and row.twin_id not in reported)
        for row in truth
        if any(anomaly.family == family for anomaly in row.anomalies)
    ]
    right, wrong = [one for one in shown if one.right], [one for one in shown if not one.right]
    return [*right[:1], *wrong, *right[1:]]


def write_report(
    path: Path,
    images: Path,
    truth: list[SceneRow],
    base: dict[str, Prediction],
    tuned: dict[str, Prediction],
    metrics: dict[str, Any],
) -> Path:
    """Write the page. It shows scenes of the family that was taught, each with its clean twin, as `in_order`.

    Args:
        path (`Path`): the HTML file; everything it shows is inside it.
        images (`Path`): where the pictures are, by `image_id`.
        truth (`list[SceneRow]`): the test pictures.
        base, tuned (`dict[str, Prediction]`): the predictions by `image_id`.
        metrics (`dict`): as written to `metrics.json`.
    """

    def picture(name: str) -> dict[str, Any]:
        return {
            "name": name,
            "source": data_url((images / name).read_bytes(), "image/png"),
            "size": open_picture(images / name).size,
            "anomalies": tuned[name].anomalies,
        }

    scenes = in_order(truth, tuned, metrics["family"])
    wrong = sum(not one.right for one in scenes)
    cards = [
        {
            "right": right,
            "picture": (scene := picture(row.image_id)),
            "boxes": drawn(row.anomalies, scene["size"]),
            "twin": picture(row.twin_id) if row.twin_id in tuned else None,
            "columns": [
                ("truth", row.anomalies, None),
                ("base", base[row.image_id].anomalies, base[row.image_id].status),
                ("tuned", tuned[row.image_id].anomalies, tuned[row.image_id].status),
            ],
        }
        for row, right in scenes[: max(SCENES, wrong + 1)]
    ]
    page = (
        environment(Path(__file__).parent)
        .get_template("report.html.jinja")
        .render(cards=cards, metrics=metrics, severity=severity, total=len(truth), wrong=wrong, scenes=len(scenes))
    )
    return atomic.write(path, page)
