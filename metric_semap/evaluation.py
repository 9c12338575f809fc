"""Scoring files: one or several prediction files against one file of references, and the files of the leaderboard they
make."""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

from datasets.utils import tqdm

from .anomalies import Picture
from .baselines import baselines
from .clusters import clusters_of, read_clusters
from .embedding_cache import embedding_cache
from .encoder import resolve_encoder
from .errors import OptionError, RecordError, shorten
from .hub_results import FOLDER, hub_results
from .judgement import pair_rows
from .measurement import Options, measure
from .pairs import comparisons
from .records import read_names, read_records
from .report import render_report
from .results import ORDER, Evaluation, Leaderboard, matched_results, metrics
from .scores import Coverage
from .scoring import check_thresholds
from .similarity import BertScoreSimilarity
from .verdicts import judge

__all__ = ["score_files", "score_pictures", "write_results"]


def score_files(
    predictions: Sequence[str | os.PathLike[str]],
    references: str | os.PathLike[str],
    *,
    configuration: str = "default",
    missing: str = "count",
    subset: str | os.PathLike[str] | None = None,
    clusters: str | os.PathLike[str] | None = None,
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
    cache: bool = True,
) -> Leaderboard:
    """Score prediction files against a reference file: what `anomreason score` does.

    Args:
        predictions (`list[str]`): one or more files, in any form `records.py` reads.
        references (`str`): the ground truth.
        configuration (`str`, defaults to `"default"`): `deepfake` scores verdicts too; every picture of both sides then
            has a label.
        missing (`str`, defaults to `"count"`): a reference picture without a prediction, or about which the predictor
            gave no answer (it failed, or does not know pictures of this kind), is an empty prediction; `"ignore"` leaves it
            out, as the official evaluator does.
        subset (`str`, *optional*): a file that lists the pictures to score.
        clusters (`str`, *optional*): a file that says which pictures belong together, see `clusters.py`; else the column
            `cluster` of the references, else the pictures' names.
        encoder, num_layers, rescale_with_baseline, device, dtype: as in [`BertScoreSimilarity`].
        thresholds, alpha, matching, empty, bootstrap, seed: as in [`Options`].
        cache (`bool`, defaults to `True`): keep the references' embeddings on disk, so that scoring another model against
            them takes about half the time; otherwise they are kept for this call only.

    Returns:
        `Leaderboard`: best `SemF1_Full` first; with baselines if several files are scored.

    Raises:
        `SemapError`: one sentence naming the place, the value and the fix.
    """
    if not predictions:
        raise OptionError("predictions: no file; name at least one")
    options = Options(check_thresholds(thresholds), alpha, matching, empty, missing, bootstrap, seed)
    truth = read_records(references, "reference")
    if clusters is not None:
        given = read_clusters(clusters)
        truth = {name: picture._replace(cluster=given.get(name, name)) for name, picture in truth.items()}
    if subset is not None:
        names = read_names(subset)
        unknown = [name for name in names if name not in truth]
        if unknown:
            raise RecordError(
                f"{subset}: {shorten(unknown[0])} is not among the references of {references}; correct the list"
            )
        truth = {name: truth[name] for name in dict.fromkeys(names)}
    said = {name: read_records(path, "prediction") for name, path in zip(_names(predictions), predictions, strict=True)}
    with contextlib.ExitStack() as stack:
        kept = None
        if cache or len(said) > 1:  # several predictors have the truth encoded once in any case
            kept = stack.enter_context(embedding_cache(resolve_encoder(encoder, num_layers), lasting=cache))
        similarity = BertScoreSimilarity(
            encoder, num_layers, device=device, dtype=dtype, rescale_with_baseline=rescale_with_baseline, cache=kept
        )
        return score_pictures(said, truth, similarity, options, configuration, with_baselines=len(said) > 1)


def score_pictures(
    predictions: Mapping[str, Mapping[str, Picture]],
    references: Mapping[str, Picture],
    similarity: BertScoreSimilarity,
    options: Options,
    configuration: str = "default",
    *,
    with_baselines: bool = False,
) -> Leaderboard:
    """The same for what is already read: `predictions` maps each predictor's name to its pictures; `with_baselines` adds what
    any model has to beat (`baselines.py`)."""
    if configuration not in ("default", "deepfake"):
        raise OptionError(f"configuration: {configuration!r} is unknown; choose default or deepfake")

    def evaluated(said: Mapping[str, Mapping[str, Picture]], is_baseline: bool = False) -> list[Evaluation]:
        found = [
            _evaluate(name, pictures, references, similarity, options, configuration) for name, pictures in said.items()
        ]
        return sorted((replace(one, is_baseline=is_baseline) for one in found), key=Evaluation.best_first)

    evaluations, unseeing = evaluated(predictions), []
    if with_baselines:
        best = evaluations[0]
        scored = [best.images[picture.index] for picture in best.measurement.pictures]
        given = predictions[best.name]
        made = baselines(given, scored, references, clusters_of(references), similarity, options)
        unseeing = evaluated(made, is_baseline=True)
    return Leaderboard(
        configuration,
        evaluations,
        comparisons(combinations(evaluations, 2), options),
        unseeing,
        comparisons(product(evaluations, unseeing), options, [ORDER]),
    )


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
    answered = [image for image in shared if predictions[image].answered]
    images = list(references) if options.missing == "count" else answered
    if not images:
        raise RecordError(
            f'{name}: the predictor gave no answer about any picture; missing="count" scores them as empty'
        )
    nothing = Picture([])
    said = [predictions.get(image, nothing) for image in images]
    true = [references[image] for image in images]
    clusters = list(clusters_of({image: references[image] for image in images}).values())
    with tqdm(total=len(images), desc=name, unit="picture", disable=None, leave=False) as bar:
        if configuration == "deepfake":
            unlabelled = next(
                (image for image, picture in zip(images, true, strict=True) if picture.label is None), None
            )
            if unlabelled is not None:
                raise RecordError(
                    f'references: "{unlabelled}": label is missing; the configuration deepfake needs one per picture'
                )
            measurement = judge(said, true, similarity, options, bar.update, clusters)
        else:
            measurement = measure(
                [p.anomalies for p in said], [p.anomalies for p in true], similarity, options, bar.update, clusters
            )
    if extra := sum(image not in references for image in predictions):
        unknown = f"{extra} predicted pictures are not among the references and were left out"
        warnings = (*measurement.scores.warnings, unknown)
        measurement = replace(measurement, scores=replace(measurement.scores, warnings=warnings))
    return Evaluation(
        name,
        images,
        measurement,
        [p.anomalies for p in said],
        [p.anomalies for p in true],
        Coverage(
            missing=len(references) - len(shared),
            failed=sum(predictions[image].failed for image in shared),
            unknown=sum(predictions[image].unknown for image in shared),
        ),
        verdicts=[picture.verdicts for picture in said] if any(picture.verdicts for picture in said) else [],
    )


def write_results(
    board: Leaderboard,
    directory: str | os.PathLike[str],
    images: str | os.PathLike[str] | None = None,
    benchmark: str | None = None,
    command: str = "",
) -> list[Path]:
    """Write `metrics.json`, `matched_results.json` (of the best; `matched_results_NAME.json` of the others) and
    `report.html`, with the pictures of the folder `images` if it is given; after a judge was asked, `judged_pairs.jsonl` too.

    Args:
        benchmark (`str`, *optional*): the id on the Hub of the dataset whose truth was scored against. `metrics.json` then names
            it, and `.eval_results/NAME.yaml` has each predictor's scores as the Hub's leaderboards take them.
        command (`str`): the command line, which the report tells.

    Returns:
        `list[Path]`: the files written; each appears whole or not at all.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    measured = metrics(board) if benchmark is None else {"dataset": benchmark, **metrics(board)}
    contents = {"metrics.json": json.dumps(measured, indent=2, ensure_ascii=False, allow_nan=False) + "\n"}
    for k, evaluation in enumerate(board.evaluations):
        name = "matched_results.json" if k == 0 else f"matched_results_{_file_name(evaluation.name)}.json"
        contents[name] = json.dumps(matched_results(evaluation), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if benchmark is not None:
            place = f"{FOLDER}/{_file_name(evaluation.name)}.yaml"
            contents[place] = hub_results(benchmark, measured["results"][evaluation.name])
    if board.judgement is not None:
        rows = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in pair_rows(board.judgement))
        contents["judged_pairs.jsonl"] = "".join(f"{row}\n" for row in rows)
    contents["report.html"] = render_report(board, None if images is None else Path(images), command) + "\n"
    written = []
    for name, text in contents.items():
        target = directory / name
        target.parent.mkdir(exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        written.append(partial.replace(target))
    return written


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
