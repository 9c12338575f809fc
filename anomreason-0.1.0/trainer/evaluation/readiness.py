"""What a benchmark and an audit need on this machine, looked at before the first picture is asked about."""

from functools import partial
from pathlib import Path

from dataset_builder.contestants import Contestant
from dataset_builder.errors import InputError
from dataset_builder.preflight import Check
from trainer.evaluation.audit_plan import Plan, read_prompts
from trainer.evaluation.bench import Bench
from trainer.readiness import check_encoder, check_model, split_check

__all__ = ["audit_checks", "bench_checks", "model_checks"]


def bench_checks(bench: Bench) -> list[Check]:
    """What a benchmark needs on this machine: the dataset, the encoder, prediction files, models and adapters."""
    return [
        lambda: split_check(bench.dataset, bench.split, bench.config),
        lambda: check_encoder(bench.encoder),
        *model_checks(bench),
    ]


def model_checks(bench: Bench) -> list[Check]:
    """What the models of a bench need on this machine: files of predictions, models and adapters."""
    files = [one.predictions for one in bench.models.values() if one.predictions is not None]
    return [
        *(partial(_check_there, str(path)) for path in files),
        *(partial(_check_contestant, one) for one in bench.models.values()),
    ]


def audit_checks(plan: Plan) -> list[Check]:
    """What an audit needs on this machine: annotations, pictures, datasets, prompts, the reviewer's model."""
    sources = [*plan.generators.values(), *([plan.clean] if plan.clean else [])]
    checks: list[Check] = [lambda: read_prompts(plan.prompts)]
    for source in sources:
        checks += [partial(_check_there, path) for path in (*source.files.values(), source.images) if path]
        if source.dataset:
            checks.append(partial(split_check, source.dataset, source.split))
    if plan.asks:
        checks.append(partial(_check_contestant, plan.reviewer))
    return checks


def _check_contestant(one: Contestant) -> None:
    if one.predictions is None and not one.is_remote:
        check_model(one.model, one.adapter)


def _check_there(path: str) -> None:
    if not Path(path).exists():
        raise InputError(f"{path}: does not exist; correct the path")
