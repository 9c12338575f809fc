"""A prediction file (`preds.json`, `preds.jsonl`, or what the release's tools write) with the pictures it is about.

Pictures lie next to the file or where `--images` says. A severity that the model did not give is null, and a picture
without a readable answer, or of a kind that the model does not know, is left out. Lost are the model's raw answer, its confidence
and its probabilities.
"""

from pathlib import Path

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place
from dataset_builder.files.tree import open_tree
from dataset_builder.predictions import read_predictions
from dataset_builder.schema import Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.imported import Item, to_rows
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.rows import Row

__all__ = ["read_predicted"]


def read_predicted(path: Path, label: Label | None, images: Path | None) -> tuple[list[Row], list[Finding]]:
    """The rows of a prediction file; its pictures are `label`, or what the file's verdicts say, or generated.

    Raises:
        InputError: if the pictures' directory does not exist.
    """
    findings: list[Finding] = []
    pictures = picture_files(open_tree(images or path.parent), findings)
    try:
        predictions = read_predictions(path)
    except InputError as error:
        findings.append(Finding.of(InputError(str(error))))
        return [], findings
    items = []
    for name, prediction in predictions.items():
        if prediction.status in ("failed", "partial") and not prediction.anomalies:
            findings.append(Finding("picture without annotations", name, "its answer could not be read", name))
            continue
        if prediction.status == "unknown":
            findings.append(
                Finding("picture without annotations", name, "the model does not know pictures like it", name)
            )
            continue
        anomalies = [anomaly.model_copy(update={"score": None}) for anomaly in prediction.anomalies]
        known = label or ("fake" if anomalies else prediction.label or "fake")
        items.append(Item(name, Place(path, name), label=known, anomalies=anomalies))
    return to_rows(items, pictures, label, str(path.name), findings), findings
