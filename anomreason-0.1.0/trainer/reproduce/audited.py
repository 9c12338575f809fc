"""The generators of a plan, reviewed as `anomreason audit` reviews them."""

from functools import partial
from pathlib import Path

from dataset_builder.contestants import Outcome
from dataset_builder.preflight import Check
from trainer.evaluation.audit_answers import Reviewed, Shown, local_reviewer, pictures_of, review
from trainer.evaluation.audit_plan import Plan, read_plan, read_prompts
from trainer.evaluation.readiness import audit_checks
from trainer.evaluation.wanted import without_wanted
from trainer.predict import Progress
from trainer.reproduce.benched import Served, cost_of
from trainer.reproduce.experiment import NOTHING, Cost
from trainer.reproduce.generators import Generators

__all__ = ["planned"]


def planned(path: Path, served: Served, quality: Path | None, seed: int) -> tuple[Generators, list[Check]]:
    """The experiment over a plan's generators, and what it needs on this machine and of endpoints.

    Raises:
        InputError: if the plan or its prompts cannot be read.
    """
    plan = read_plan(path)
    prompts = read_prompts(plan.prompts)
    asked = {"reviewer": plan.reviewer} if plan.asks else {}
    look = partial(_reviewed, plan, served, prompts.wanted)
    experiment = Generators(look, path.name, prompts.texts, quality, seed, asked=partial(_cost, plan, served))
    return experiment, [*audit_checks(plan), *served.contestant_checks(asked, plan.prices)]


def _cost(plan: Plan, served: Served) -> Cost:
    """What showing the reviewer the pictures without annotations will need."""
    total = NOTHING
    for name, source in {**plan.generators, **({"clean pictures": plan.clean} if plan.clean else {})}.items():
        if not source.files:
            pictures = pictures_of(name, source)
            total = total.plus(cost_of(plan.reviewer, len(pictures), pictures, served, plan.prices, verdict=False))
    return total


def _reviewed(plan: Plan, served: Served, wanted: dict[str, frozenset[str]], out: Path, progress: Progress) -> Reviewed:
    here = local_reviewer(plan.reviewer, progress)

    def ask(shown: Shown) -> Outcome:
        progress.step(f"{shown.name}: {len(shown.pictures)} pictures")
        if not plan.reviewer.is_remote:
            return here(shown)
        return served.answer(plan.reviewer, shown.pictures, shown.path, progress, shown.budget, plan.prices)

    return without_wanted(review(plan, out, ask), wanted)
