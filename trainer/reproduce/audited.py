"""The generators of a plan, reviewed as `anomreason audit` reviews them."""

from functools import partial
from pathlib import Path

from dataset_builder.contestants import Outcome
from dataset_builder.extras import require
from dataset_builder.preflight import Check
from trainer.evaluation.audit_answers import Reviewed, Shown, local_reviewer, review
from trainer.evaluation.audit_plan import Plan, read_plan, read_prompts
from trainer.evaluation.readiness import audit_checks
from trainer.evaluation.wanted import without_wanted
from trainer.predict import Progress
from trainer.reproduce.benched import Served
from trainer.reproduce.experiment import NOTHING
from trainer.reproduce.generators import Generators

__all__ = ["planned"]


def planned(path: Path, served: Served, quality: Path | None, seed: int) -> tuple[Generators, list[Check]]:
    """The experiment over a plan's generators, and what it needs on this machine and of endpoints.

    Raises:
        InputError: if the plan or its prompts cannot be read.
    """
    plan = read_plan(path)
    if plan.asks and not plan.reviewer.is_remote:
        require("reproduce generators with a local model", "train")
    prompts = read_prompts(plan.prompts)
    asked = {"reviewer": plan.reviewer} if plan.asks else {}
    cost = NOTHING._replace(assumed=(f"{plan.asks} sources are shown to the reviewer",)) if plan.asks else NOTHING
    look = partial(_reviewed, plan, served, prompts.wanted)
    experiment = Generators(look, path.name, prompts.texts, quality, seed, asked=cost)
    return experiment, [*audit_checks(plan), *served.contestant_checks(asked, plan.prices)]


def _reviewed(plan: Plan, served: Served, wanted: dict[str, frozenset[str]], out: Path, progress: Progress) -> Reviewed:
    here = local_reviewer(plan.reviewer, progress)

    def ask(shown: Shown) -> Outcome:
        progress.step(f"{shown.name}: {len(shown.pictures)} pictures")
        if not plan.reviewer.is_remote:
            return here(shown)
        return served.answer(plan.reviewer, shown.pictures, shown.path, progress, shown.budget, plan.prices)

    return without_wanted(review(plan, out, ask), wanted)
