"""The generators of a dataset, ranked by what the models of a bench say of their pictures, and by the dataset's own annotations.

A generator is what the column `generator` says of a generated picture. It may be any number of them, and each model need not have
looked at all: a model is ranked over the generators it answered about.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dataset_builder.errors import InputError
from dataset_builder.preflight import Check
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import of_config
from dataset_builder.stored import load_split
from metric_semap.anomalies import Picture, check_anomalies
from trainer.evaluation.audit_answers import Answers, Reviewed
from trainer.evaluation.bench import Bench
from trainer.evaluation.bench_run import answered, as_picture
from trainer.examples import evenly
from trainer.predict import Progress
from trainer.reproduce.benched import Setting
from trainer.reproduce.experiment import Cost
from trainer.reproduce.generators import Generators

__all__ = ["ANNOTATED", "of_dataset"]

ANNOTATED = "the dataset's annotations"
"""The reviewer that costs nothing: what the dataset itself says of its pictures."""


class _Made(NamedTuple):
    """A picture of a known generator; `anomalies` as the dataset has them, `None` where nobody looked."""

    image_id: str
    generator: str
    anomalies: list[dict[str, Any]] | None


def of_dataset(setting: Setting, quality: Path | None, seed: int) -> tuple[Generators, list[Check]]:
    """The experiment over a dataset's or release's generators, and what it needs on this machine and of endpoints."""
    look = partial(_reviewed, setting)
    experiment = Generators(look, setting.data, quality=quality, seed=seed, asked=partial(_cost, setting))
    return experiment, setting.checks(scored=False)


def _cost(setting: Setting) -> Cost:
    """What asking every model about the pictures will need."""
    if setting.release is None:
        number = len(_made(setting.bench)[0])
    else:
        config: Any = setting.bench.config or "default"
        rows = of_config(open_source(setting.release).rows, config, setting.bench.split)  # type: ignore[arg-type]
        number = sum(row.label == "fake" and row.generator is not None for row in rows)
        _check_any(number, str(setting.release))
        number = min(number, setting.bench.limit or number)
    return setting.cost(number, verdict=False)


def _made(bench: Bench) -> tuple[list[_Made], int]:
    """The generated pictures whose generator is known, at most the bench's limit, and how many others there are.

    Raises:
        InputError: if there are none, or the dataset has no column of generators.
    """
    columns = ["image_id", "label", "generator", "anomalies"]
    rows = load_split(bench.dataset, bench.split, set(columns), bench.config).select_columns(columns)
    fake = rows.features["label"].str2int("fake")
    made = [at for at, row in enumerate(rows) if row["label"] == fake]
    known = [at for at, name in zip(made, rows.select(made)["generator"], strict=True) if name is not None]
    _check_any(len(known), f"{bench.dataset} [{bench.split}]")
    chosen = rows.select(known)
    if bench.limit is not None:
        chosen = evenly(chosen, bench.limit)
    found = [_Made(row["image_id"], row["generator"], row["anomalies"]) for row in chosen]
    return found, len(made) - len(known)


def _check_any(number: int, place: str) -> None:
    if not number:
        raise InputError(
            f"{place}: does not say which generator made its pictures; put a manifest.csv (image,label,generator,split) into "
            "the source and build again"
        )


def _reviewed(setting: Setting, out: Path, progress: Progress) -> Reviewed:
    """What every model, and the dataset itself, says of each generator's pictures."""
    bench = setting.prepared(out, progress)
    made, others = _made(bench)
    answers = answered(bench, frozenset(one.image_id for one in made), out, setting.predictor(progress), verdict=False)
    said: dict[str, dict[str, Picture]] = {
        name: {row.image_id: as_picture(row) for row in rows} for name, rows in answers.rows.items()
    }
    annotated = {
        one.image_id: Picture(check_anomalies(one.anomalies, f'{bench.dataset}: "{one.image_id}"', "reference"))
        for one in made
        if one.anomalies is not None
    }
    if annotated:
        said[ANNOTATED] = annotated
    notes = [f"{others} generated pictures whose generator is not known are left out."] if others else []
    unfinished = dict(answers.unfinished)
    generators: dict[str, Answers] = {}
    for generator in sorted({one.generator for one in made}):
        names = [one.image_id for one in made if one.generator == generator]
        by: dict[str, dict[str, Picture]] = {}
        for reviewer, pictures in said.items():
            of = {name: pictures[name] for name in names if name in pictures and pictures[name].answered}
            if len(of) < len(names):
                notes.append(
                    f"{generator}: {reviewer} gave no answer about {len(names) - len(of)} of {len(names)} pictures."
                )
            if of:
                by[reviewer] = of
        generators[generator] = Answers(by, lambda _: None)
    for reviewer in said:
        if not any(reviewer in one.by_reviewer for one in generators.values()):
            unfinished[reviewer] = "it gave no answer about any picture"
    return Reviewed(generators, None, notes, unfinished)
