"""Predictions as `examine` shows them: on the terminal, and as JSON."""

from pathlib import Path
from typing import Any

import typer

from dataset_builder import severity
from dataset_builder.errors import InputError
from dataset_builder.pictures import is_picture
from dataset_builder.predictions import UNKNOWN, Prediction
from dataset_builder.terminal import printable

__all__ = ["answer", "picture_paths", "print_prediction"]


def picture_paths(paths: list[Path]) -> list[Path]:
    """The pictures meant by paths: a file itself, of a folder the pictures below it, sorted by path; hidden ones are left out.

    Raises:
        InputError: for a folder without pictures.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        below = [
            file
            for file in sorted(path.rglob("*"))
            if is_picture(str(file)) and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
        if not below:
            raise InputError(f"{path}: holds no pictures; give a folder with pictures, or picture files")
        found += below
    return found


def answer(prediction: Prediction) -> dict[str, Any]:
    """A prediction as `examine --json` and the page's API give it; of the status `unknown` a `message` says what to use instead."""
    fields = {"name", "phenomenon", "reasoning", "severity", "bbox"}
    told = {"message": UNKNOWN} if prediction.status == "unknown" else {}
    return {
        "image_id": prediction.image_id,
        "status": prediction.status,
        "verdict": {"label": prediction.label, "p_fake": prediction.p_fake} if prediction.label else None,
        "anomalies": [anomaly.model_dump(include=fields) for anomaly in prediction.anomalies],
        **told,
    }


def print_prediction(prediction: Prediction) -> None:
    """A prediction on the terminal."""
    typer.secho(printable(prediction.image_id), bold=True)
    if prediction.label:
        made = "generated" if prediction.label == "fake" else "real"
        probability = "" if prediction.p_fake is None else f"; probability of generated {prediction.p_fake:.2f}"
        typer.echo(f"  verdict: {made}{probability}")
    if not prediction.anomalies:
        said = {"failed": "no readable answer", "unknown": UNKNOWN}
        typer.echo(f"  {said.get(prediction.status, 'nothing wrong')}")
    for anomaly in prediction.anomalies:
        rating = "" if anomaly.severity is None else f"  {anomaly.severity}/100 {severity.word(anomaly.severity)}"
        typer.echo(f"  {printable(anomaly.name)}{rating}")
        typer.echo(f"    what  {printable(anomaly.phenomenon)}\n    why   {printable(anomaly.reasoning)}")
