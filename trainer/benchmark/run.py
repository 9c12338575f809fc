"""The paper's tables as one command: several predictors over one split, each scored, in a leaderboard.

What predicts lies in packages that know nothing of each other, so the caller hands it in as a `Predictor`. Every predictor goes on
where it stopped, so running the same command again continues, and files given as `predictions` are only scored.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_builder import atomic
from dataset_builder.errors import InputError
from dataset_builder.predictions import Prediction, PredictionWriter, read_predictions
from metric_semap.evaluation import Leaderboard, score_pictures
from metric_semap.measurement import Options
from metric_semap.records import Picture, read_records
from metric_semap.similarity import BertScoreSimilarity
from trainer.benchmark.bench import Bench, Budget, Contestant
from trainer.loading import load, load_split
from trainer.predict import Progress, predict

__all__ = ["Outcome", "Predictor", "Result", "Standing", "local", "run"]

BATCH = 16


@dataclass(frozen=True)
class Outcome:
    """What predicting used, as far as it is known; `finished` is false when a budget ended it."""

    finished: bool = True
    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None


Predictor = Callable[[str, Contestant, Bench, Budget, Path], Outcome]
"""(name, contestant, bench, what is left of the budget, the prediction file to write or go on with) → what it used."""


def local(progress: Progress) -> Predictor:
    """Predicts with a model on this machine, a batch at a time, going on after the pictures that have a row already."""

    def answer(name: str, contestant: Contestant, bench: Bench, _: Budget, path: Path) -> Outcome:
        if contestant.is_remote:
            raise InputError(f"models.{name}: names an endpoint, and this benchmark was started with local models only")
        _claim(path.with_name("settings.json"), contestant, bench)
        rows = load_split(bench.dataset, bench.split, {"image", "image_id"}, bench.config)
        if bench.limit is not None:
            rows = rows.select(range(min(bench.limit, len(rows))))
        with PredictionWriter(path, resume=True) as writer, progress.bar(name, len(rows)) as done:
            open_rows = [at for at, image in enumerate(rows["image_id"]) if image not in writer.done]
            if open_rows:
                pictures = ((row["image_id"], row["image"]) for row in rows.select(open_rows))
                model = load(str(contestant.model), contestant.adapter)
                for prediction in predict(pictures, *model, batch_size=BATCH):
                    writer.append(prediction)
                    done(len(writer.done))
            done(len(rows))
        return Outcome()

    return answer


def _claim(path: Path, contestant: Contestant, bench: Bench) -> None:
    """Answers of another model or about other pictures are never taken for these."""
    settings = contestant.model_dump(mode="json", exclude_none=True) | bench.model_dump(
        mode="json", include={"dataset", "config", "split", "limit"}
    )
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise InputError(f"{path.parent}: holds answers under other settings; remove it or give another --out")
    atomic.write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class Standing:
    """A predictor beside its scores: shares in 0..1, `seconds` and `tokens` are means over pictures."""

    failed: float
    seconds: float | None
    tokens: float | None
    outcome: Outcome


@dataclass(frozen=True)
class Result:
    """A finished benchmark: `explained` scores what is said of the pictures, `judged` the verdicts as well, where there are any.

    `unfinished` names the predictors that a budget stopped; they are not scored.
    """

    bench: Bench
    explained: Leaderboard
    judged: Leaderboard | None
    standings: dict[str, Standing]
    unfinished: list[str]


def run(bench: Bench, out: Path, predict: Predictor) -> Result:
    """Predict with every model, score all of them on the same pictures; what is in `out` already is not predicted again.

    Raises:
        InputError: if the dataset cannot be loaded, or every model was stopped by the budget.
        SemapError: if predictions cannot be scored.
    """
    truth = _truth(bench, out / "truth.jsonl")
    said: dict[str, dict[str, Picture]] = {}
    standings: dict[str, Standing] = {}
    unfinished = []
    left = bench.budget
    for name, contestant in bench.models.items():
        path, outcome = contestant.predictions, Outcome()
        if path is None:
            path = out / "predictions" / _file_name(name) / "preds.json"
            outcome = predict(name, contestant, bench, left, path)
            left = _rest(left, outcome)
            if not outcome.finished:
                unfinished.append(name)
                continue
        rows = path.with_suffix(".jsonl")
        path = rows if rows.is_file() else path
        said[name] = read_records(path, "prediction")
        predictions = read_predictions(path)
        standings[name] = _standing([predictions[image] for image in truth if image in predictions], outcome)
    if not said:
        raise InputError(
            "budget: it ended every model before its last picture; raise it and run again, nothing is paid twice"
        )
    similarity = BertScoreSimilarity(bench.encoder)
    options = Options(empty="skip", bootstrap=bench.bootstrap, seed=bench.seed)
    explained = score_pictures(said, truth, similarity, options)
    judging = {name: pictures for name, pictures in said.items() if any(picture.label for picture in pictures.values())}
    both = {picture.label for picture in truth.values()} == {"real", "fake"}
    judged = score_pictures(judging, truth, similarity, options, "deepfake") if both and judging else None
    return Result(bench, explained, judged, standings, unfinished)


def _truth(bench: Bench, path: Path) -> dict[str, Picture]:
    """The split's pictures as the metric reads them, kept beside the results."""
    rows = load_split(bench.dataset, bench.split, {"image_id", "label", "anomalies"}, bench.config)
    rows = rows.select_columns(["image_id", "label", "anomalies"])
    label = rows.features["label"]
    if bench.limit is not None:
        rows = rows.select(range(min(bench.limit, len(rows))))
    named = (row | {"label": label.int2str(row["label"])} for row in rows)
    atomic.write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in named))
    return read_records(path, "reference")


def _rest(budget: Budget, outcome: Outcome) -> Budget:
    used = {"usd": outcome.usd, "tokens": outcome.tokens, "calls": outcome.calls}
    # Never 0 or less: a limit that is used up still lets answers that are already paid for be read.
    smallest = {"usd": 1e-9, "tokens": 1, "calls": 1}
    return budget.model_copy(
        update={
            key: max(limit - (used[key] or 0), smallest[key])
            for key, limit in budget.model_dump().items()
            if limit is not None
        }
    )


def _standing(predictions: list[Prediction], outcome: Outcome) -> Standing:
    def mean(values: list[Any]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    return Standing(
        failed=mean([prediction.status == "failed" for prediction in predictions]) or 0.0,
        seconds=mean([prediction.seconds for prediction in predictions]),
        tokens=mean([prediction.tokens for prediction in predictions]),
        outcome=outcome,
    )


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
