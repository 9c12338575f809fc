"""Quickstart's report: one self-contained page with the scores, and the pictures with predicted against true quadruplets."""

from pathlib import Path
from typing import Any

from dataset_builder import atomic, severity
from dataset_builder.data_url import data_url
from dataset_builder.predictions import Prediction
from dataset_builder.scenes import SceneRow
from dataset_builder.templates import environment

__all__ = ["write_report"]

PICTURES = 48


def write_report(
    path: Path,
    images: Path,
    truth: list[SceneRow],
    base: dict[str, Prediction],
    tuned: dict[str, Prediction],
    metrics: dict[str, Any],
) -> Path:
    """Write the page. It shows the family that was taught first, then the rest, each scene beside its clean twin.

    Args:
        path (`Path`): the HTML file; everything it shows is inside it.
        images (`Path`): where the pictures are, by `image_id`.
        truth (`list[SceneRow]`): the test pictures.
        base, tuned (`dict[str, Prediction]`): the predictions by `image_id`.
        metrics (`dict`): as written to `metrics.json`.
    """
    by_id = {row.image_id: row for row in truth}
    odd = [row for row in truth if row.anomalies]
    odd.sort(
        key=lambda row: all(anomaly.family != metrics["family"] for anomaly in row.anomalies)
    )  # stable: taught first
    shown = [by_id[name] for row in odd[: PICTURES // 2] for name in (row.image_id, row.twin_id) if name in by_id]
    cards = [
        {
            "row": row,
            "source": data_url((images / row.image_id).read_bytes(), "image/png"),
            "columns": [
                ("truth", row.anomalies, None),
                ("base", base[row.image_id].anomalies, base[row.image_id].status),
                ("tuned", tuned[row.image_id].anomalies, tuned[row.image_id].status),
            ],
        }
        for row in shown
    ]
    page = (
        environment(Path(__file__).parent)
        .get_template("report.html.jinja")
        .render(cards=cards, metrics=metrics, severity=severity, total=len(truth))
    )
    return atomic.write(path, page)
