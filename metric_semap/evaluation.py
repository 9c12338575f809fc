"""Scoring files: one or several prediction files against one file of references, and the leaderboard they make."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets.utils import tqdm

from .errors import OptionError, RecordError, shorten
from .measurement import VIEWS, Measurement, Options, measure
from .records import Picture, read_names, read_records
from .resampling import PairedTest, paired_bootstrap
from .scoring import by_threshold, check_thresholds
from .similarity import BertScoreSimilarity
from .verdicts import judge

__all__ = ["Comparison", "Evaluation", "Leaderboard", "score_files", "score_pictures", "write_results"]


class Evaluation(NamedTuple):
    """One predictor's scores: the `images` scored, in order, their `measurement`, and both sides' records of each."""

    name: str
    images: list[str]
    measurement: Measurement
    predictions: list[list[dict[str, Any]]]
    references: list[list[dict[str, Any]]]

    @property
    def numbers(self) -> dict[str, Any]:
        """The flat keys."""
        return self.measurement.numbers


class Comparison(NamedTuple):
    """Two neighbours of a leaderboard under one score, over the pictures that both were scored on."""

    first: str
    second: str
    score: str
    pictures: int
    test: PairedTest

    def __str__(self) -> str:
        test = self.test
        found = (
            f"{self.first} over {self.second}, {self.score}: {test.difference:.3f} ({test.low:.3f} to {test.high:.3f}), "
            f"p = {test.p:.3f}, paired bootstrap over {self.pictures:,} pictures"
        )
        return found if test.p < 0.05 else f"{found}: no difference that these pictures could show"


class Leaderboard(NamedTuple):
    """Evaluations, best first, and the tests between neighbours; `configuration` is `default` or `deepfake`."""

    configuration: str
    evaluations: list[Evaluation]
    comparisons: list[Comparison]

    @property
    def prefix(self) -> str:
        """What the scores' names begin with: `C` where they are on condition of the verdict."""
        return "C" if self.configuration == "deepfake" else ""


def score_files(
    predictions: Sequence[str | os.PathLike[str]],
    references: str | os.PathLike[str],
    *,
    configuration: str = "default",
    missing: str = "count",
    subset: str | os.PathLike[str] | None = None,
    encoder: str | None = None,
    num_layers: int | None = None,
    thresholds: Sequence[float] = (0.7, 0.8, 0.9),
    alpha: float = 0.5,
    matching: str = "greedy",
    empty: str = "zero",
    rescale_with_baseline: bool = False,
    device: str | None = None,
    dtype: str = "float32",
    bootstrap: int = 1000,
    seed: int = 0,
) -> Leaderboard:
    """Score prediction files against a reference file: what `anomreason score` does.

    Args:
        predictions (`list[str]`): one or more files, in any form `records.py` reads.
        references (`str`): the ground truth.
        configuration (`str`, defaults to `"default"`): `deepfake` scores verdicts too; every picture of both sides then
            has a label.
        missing (`str`, defaults to `"count"`): a reference picture without a prediction, or on which the predictor
            failed, is an empty prediction; `"ignore"` leaves it out, as the official evaluator does.
        subset (`str`, *optional*): a file that lists the pictures to score.
        encoder, num_layers, rescale_with_baseline, device, dtype: as in [`BertScoreSimilarity`].
        thresholds, alpha, matching, empty, bootstrap, seed: as in [`Options`].

    Returns:
        `Leaderboard`: best `SemAP_Full` first.

    Raises:
        `SemapError`: one sentence naming the place, the value and the mend.
    """
    if not predictions:
        raise OptionError("predictions: no file; name at least one")
    options = Options(check_thresholds(thresholds), alpha, matching, empty, missing, bootstrap, seed)
    similarity = BertScoreSimilarity(
        encoder, num_layers, device=device, dtype=dtype, rescale_with_baseline=rescale_with_baseline
    )
    truth = read_records(references, "reference")
    if subset is not None:
        names = read_names(subset)
        unknown = [name for name in names if name not in truth]
        if unknown:
            raise RecordError(
                f"{subset}: {shorten(unknown[0])} is not among the references of {references}; mend the list"
            )
        truth = {name: truth[name] for name in dict.fromkeys(names)}
    said = {name: read_records(path, "prediction") for name, path in zip(_names(predictions), predictions, strict=True)}
    return score_pictures(said, truth, similarity, options, configuration)


def score_pictures(
    predictions: Mapping[str, Mapping[str, Picture]],
    references: Mapping[str, Picture],
    similarity: BertScoreSimilarity,
    options: Options,
    configuration: str = "default",
) -> Leaderboard:
    """The same for what is already read: `predictions` maps each predictor's name to its pictures."""
    if configuration not in ("default", "deepfake"):
        raise OptionError(f"configuration: {configuration!r} is unknown; choose default or deepfake")
    evaluations = [
        _evaluate(name, pictures, references, similarity, options, configuration)
        for name, pictures in predictions.items()
    ]
    score = "CSemAP_Full" if configuration == "deepfake" else "SemAP_Full"
    evaluations.sort(key=lambda evaluation: (-_number(evaluation.numbers[score]), evaluation.name))
    comparisons = []
    if options.bootstrap:
        for first, second in pairwise(evaluations):
            comparisons += [_compare(first, second, name, options) for name in (score, score.replace("SemAP", "SemF1"))]
    return Leaderboard(configuration, evaluations, [c for c in comparisons if c is not None])


def _number(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A name for each file: its stem, or as much of its path as tells it from the others."""
    files = [Path(path) for path in paths]
    names = [file.stem for file in files]
    return [name if names.count(name) == 1 else str(file) for name, file in zip(names, files, strict=True)]


def _evaluate(
    name: str,
    predictions: Mapping[str, Picture],
    references: Mapping[str, Picture],
    similarity: BertScoreSimilarity,
    options: Options,
    configuration: str,
) -> Evaluation:
    shared = [image for image in references if image in predictions]
    if not shared:
        raise RecordError(
            f"{name}: none of its {len(predictions)} pictures is among the {len(references)} references "
            f"(e.g. {shorten(next(iter(predictions), ''))} and {shorten(next(iter(references), ''))}); check the file names"
        )
    answered = [image for image in shared if not predictions[image].failed]
    images = list(references) if options.missing == "count" else answered
    if not images:
        raise RecordError(f'{name}: the predictor failed on every picture; missing="count" scores them as empty')
    nothing = Picture([])
    said = [predictions.get(image, nothing) for image in images]
    true = [references[image] for image in images]
    with tqdm(total=len(images), desc=name, unit="picture", disable=None, leave=False) as bar:
        if configuration == "deepfake":
            unlabelled = next(
                (image for image, picture in zip(images, true, strict=True) if picture.label is None), None
            )
            if unlabelled is not None:
                raise RecordError(
                    f'references: "{unlabelled}": label is missing; the configuration deepfake needs one a picture'
                )
            measurement = judge(
                [{"label": p.label, "anomalies": p.anomalies} for p in said],
                [{"label": p.label, "anomalies": p.anomalies} for p in true],
                similarity,
                options,
                bar.update,
            )
        else:
            measurement = measure(
                [p.anomalies for p in said], [p.anomalies for p in true], similarity, options, bar.update
            )
    measurement.numbers["missing_images"] = sum(image not in predictions for image in references)
    measurement.numbers["failed_images"] = len(shared) - len(answered)
    if extra := sum(image not in references for image in predictions):
        measurement.numbers["warnings"].append(
            f"{extra} predicted pictures are not among the references and were left out"
        )
    return Evaluation(name, images, measurement, [p.anomalies for p in said], [p.anomalies for p in true])


def _compare(first: Evaluation, second: Evaluation, score: str, options: Options) -> Comparison | None:
    values = [
        {evaluation.images[picture["index"]]: picture[score] for picture in evaluation.measurement.pictures}
        for evaluation in (first, second)
    ]
    shared = [image for image in values[0] if image in values[1]]
    if not shared:
        return None
    a, b = (np.array([value[image] for image in shared]) for value in values)
    return Comparison(
        first.name, second.name, score, len(shared), paired_bootstrap(a, b, options.bootstrap, options.seed)
    )


def _plain(value: Any) -> Any:
    """The value as JSON has it: NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def metrics(board: Leaderboard) -> dict[str, Any]:
    """Everything that was measured, as `metrics.json` holds it."""
    return {
        "configuration": board.configuration,
        "results": {evaluation.name: _plain(evaluation.numbers) for evaluation in board.evaluations},
        "comparisons": [{**_plain(c._asdict()), "test": _plain(c.test._asdict())} for c in board.comparisons],
    }


def matched_results(evaluation: Evaluation) -> dict[str, Any]:
    """The matches of each view in the official evaluator's shape, as far as it is known: headline, pooled counts, images."""
    measurement, results = evaluation.measurement, {}
    levels = [float(key.partition("@")[2]) for key in evaluation.numbers if key.startswith("TP_Full@")]
    for view in VIEWS:
        data = measurement.views[view]
        per_image = {}
        for k, picture in enumerate(measurement.pictures):
            said, true = (side[picture["index"]] for side in (evaluation.predictions, evaluation.references))
            per_image[evaluation.images[picture["index"]]] = {
                "SemAP": float(data.scored.semap[k]),
                "SemF1": float(data.scored.semf1[k]),
                "matches": [
                    {
                        "prediction": said[p]["name"],
                        "reference": true[r]["name"],
                        "pred_index": p,
                        "gt_index": r,
                        "score": s,
                    }
                    for p, r, s in data.matches[k]
                ],
            }
        results[f"SemAP_{view}"] = {
            "SemAP": float(np.mean(data.scored.semap)) if per_image else None,
            "SemF1": float(np.mean(data.scored.semf1)) if per_image else None,
            "by_threshold": {f"{t:g}": counts for t, counts in by_threshold(data.scored, levels).items()},
            "per_image": per_image,
        }
    return results


def write_results(board: Leaderboard, directory: str | os.PathLike[str]) -> list[Path]:
    """Write `metrics.json`, `matched_results.json` (of the best; `matched_results_NAME.json` of the others) and
    `report.html`.

    Returns:
        `list[Path]`: the files written; each appears whole or not at all.
    """
    from .report import render_report

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    contents = {"metrics.json": json.dumps(metrics(board), indent=2, ensure_ascii=False, allow_nan=False)}
    for k, evaluation in enumerate(board.evaluations):
        name = "matched_results.json" if k == 0 else f"matched_results_{_file_name(evaluation.name)}.json"
        contents[name] = json.dumps(_plain(matched_results(evaluation)), indent=2, ensure_ascii=False)
    contents["report.html"] = render_report(board)
    written = []
    for name, text in contents.items():
        target = directory / name
        partial = target.with_name(f".{name}.{os.getpid()}")
        partial.write_text(text + "\n", encoding="utf-8")
        written.append(partial.replace(target))
    return written


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
