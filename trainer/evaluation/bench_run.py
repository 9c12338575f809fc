"""The paper's tables as one command: several predictors over one split, each scored, in a leaderboard.

What predicts lies in packages that know nothing of each other, so the caller hands it in as a `Predictor`. Every predictor
resumes where it stopped, so running the same command again continues, and files given as `predictions` are only scored.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dataset_builder import atomic
from dataset_builder.contestants import Contestant, Limits, Outcome, claim, rest
from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.predictions import Prediction, read_predictions
from metric_semap.anomalies import Picture, check_anomalies
from metric_semap.embedding_cache import embedding_cache
from metric_semap.encoder import resolve_encoder
from metric_semap.evaluation import score_pictures
from metric_semap.measurement import Options
from metric_semap.results import Leaderboard
from metric_semap.similarity import BertScoreSimilarity
from trainer.asked import questions
from trainer.evaluation.bench import Bench
from trainer.evaluation.names import file_name
from trainer.examples import evenly
from trainer.loading import load_split
from trainer.predict import Progress, predict_dataset

__all__ = ["Answered", "Job", "Predictor", "Result", "Standing", "answered", "as_picture", "local", "run"]

BATCH = 16


@dataclass(frozen=True)
class Job:
    """What one predictor has to do.

    Attributes:
        name (`str`), contestant (`Contestant`): as the bench has them.
        bench (`Bench`): the data.
        images (`frozenset[str]`): the pictures to predict, by name.
        budget (`Limits`): what the predictors before it left.
        verdict (`bool`): whether pictures are of both kinds, real and fake, so that verdicts are asked for too.
        path (`Path`): the prediction file to write or continue.
    """

    name: str
    contestant: Contestant
    bench: Bench
    images: frozenset[str]
    budget: Limits
    verdict: bool
    path: Path


Predictor = Callable[[Job], Outcome]


def local(progress: Progress) -> Predictor:
    """Predicts with a model on this machine, a batch at a time, as `anomreason predict` does."""

    def answer(job: Job) -> Outcome:
        contestant, bench = job.contestant, job.bench
        predict_dataset(
            bench.dataset,
            bench.split,
            None,
            contestant.model,
            contestant.adapter,
            BATCH,
            job.path,
            progress,
            config=bench.config,
            images=job.images,
            task="both" if job.verdict else "anomalies",
        )
        return Outcome()

    return answer


@dataclass(frozen=True)
class Standing:
    """A predictor without its scores: `seconds` and `tokens` are means over pictures.

    `failed` and `unknown` are the shares, 0..1, of pictures without an answer: it could not be read, or the predictor does not
    know pictures of this kind.
    """

    failed: float
    unknown: float
    seconds: float | None
    tokens: float | None
    outcome: Outcome


@dataclass(frozen=True)
class Result:
    """A benchmark: `explained` scores what is said of the pictures, `judged` the verdicts as well, where there are any.

    `unfinished` maps the predictors that are not scored to the reason; `answers` has the texts of the others' answers, by
    predictor and picture, where they are known.
    """

    bench: Bench
    explained: Leaderboard
    judged: Leaderboard | None
    standings: dict[str, Standing]
    unfinished: dict[str, str]
    answers: dict[str, dict[str, str]]


def run(bench: Bench, out: Path, predict: Predictor) -> Result:
    """Predict with every model, score all of them on the same pictures; what is in `out` already is not predicted again.

    A model that is out of reach, or that the budget stops, is left out and reported; the others continue.

    Raises:
        InputError: if the dataset cannot be loaded, or no model could be scored.
        SemapError: if predictions cannot be scored.
    """
    truth = _truth(bench, out / "truth.jsonl")
    both = {picture.label for picture in truth.values()} == {"real", "fake"}
    answers = answered(bench, frozenset(truth), out, predict, verdict=both)
    said = {name: {row.image_id: as_picture(row) for row in rows} for name, rows in answers.rows.items()}
    standings = {name: _standing(rows, answers.outcomes[name]) for name, rows in answers.rows.items()}
    options = Options(empty="skip", bootstrap=bench.bootstrap, seed=bench.seed)
    judging = {name: pictures for name, pictures in said.items() if any(picture.label for picture in pictures.values())}
    with embedding_cache(resolve_encoder(bench.encoder), lasting=False) as cache:  # the truth is encoded once for all
        similarity = BertScoreSimilarity(bench.encoder, cache=cache)
        explained = score_pictures(said, truth, similarity, options, with_baselines=True)
        judged = None
        if both and judging:
            judged = score_pictures(judging, truth, similarity, options, "deepfake", with_baselines=True)
    raw = {name: {row.image_id: row.raw for row in rows if row.raw is not None} for name, rows in answers.rows.items()}
    return Result(bench, explained, judged, standings, answers.unfinished, raw)


class Answered(NamedTuple):
    """What the models of a bench answered, by model: rows, what asking used, and why some have no rows (`unfinished`)."""

    rows: dict[str, list[Prediction]]
    outcomes: dict[str, Outcome]
    unfinished: dict[str, str]


def answered(bench: Bench, images: frozenset[str], out: Path, predict: Predictor, *, verdict: bool) -> Answered:
    """Ask every model of a bench about pictures, within its budget; what is in `out` already is not asked again.

    Args:
        bench (`Bench`): the models, and the data that the pictures are in.
        images (`frozenset[str]`): the pictures' names.
        out (`Path`): where `predictions/` goes.
        predict (`Predictor`): asks one model.
        verdict (`bool`): whether to ask for a verdict, too.

    Raises:
        InputError: if no model answered, or a file of predictions cannot be read.
    """
    found = Answered({}, {}, {})
    left = bench.budget
    # Files first: what is wrong in one is told before a model is asked anything.
    for name, contestant in sorted(bench.models.items(), key=lambda one: one[1].predictions is None):
        path, outcome = contestant.predictions, Outcome()
        if path is None:
            path = out / "predictions" / file_name(name) / "preds.json"
            claim(path.with_name("model.json"), contestant)
            try:
                outcome = predict(Job(name, contestant, bench, images, left, verdict, path))
            except UnavailableError as error:
                found.unfinished[name] = str(error)
                continue
            left = rest(left, outcome)
            if outcome.unfinished:
                found.unfinished[name] = outcome.unfinished
                continue
        rows = path.with_suffix(".jsonl")
        read = read_predictions(rows if rows.is_file() else path)
        found.rows[name] = [row for row in read.values() if row.image_id in images]
        found.outcomes[name] = outcome
    if not found.rows:
        raise InputError("; ".join(f"{name}: {reason}" for name, reason in found.unfinished.items()))
    return found


def as_picture(row: Prediction) -> Picture:
    """A predictor's row as the metric and the audit take it."""
    return Picture(row.anomalies, row.label, row.status == "failed", row.status == "unknown")


def _truth(bench: Bench, path: Path) -> dict[str, Picture]:
    """The split's pictures as the metric takes them, without generated ones that nobody annotated.

    They are also written to `path`, beside the results, where `anomreason score` can read them.
    """
    rows = load_split(bench.dataset, bench.split, {"image_id", "label", "anomalies"}, bench.config)
    rows = rows.select_columns(["image_id", "label", "anomalies"])
    label = rows.features["label"]
    rows = rows.select([at for at, row in enumerate(rows) if questions(row, ["anomalies"])])
    if bench.limit is not None:
        rows = evenly(rows, bench.limit)  # a build has all generated pictures first
    named = [row | {"label": label.int2str(row["label"]), "anomalies": row["anomalies"] or []} for row in rows]
    atomic.write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in named))
    return {row["image_id"]: _true(row, bench.dataset) for row in named}


def _true(row: dict[str, Any], dataset: str) -> Picture:
    place = f'{dataset}: "{row["image_id"]}"'
    return Picture(check_anomalies(row["anomalies"], place, "reference"), row["label"])


def _standing(predictions: list[Prediction], outcome: Outcome) -> Standing:
    def mean(values: list[Any]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    return Standing(
        failed=mean([prediction.status == "failed" for prediction in predictions]) or 0.0,
        unknown=mean([prediction.status == "unknown" for prediction in predictions]) or 0.0,
        seconds=mean([prediction.seconds for prediction in predictions]),
        tokens=mean([prediction.tokens for prediction in predictions]),
        outcome=outcome,
    )
