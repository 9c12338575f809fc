"""What several experiments share: models over a dataset, as `anomreason benchmark` runs them, and what that will cost."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dataset_builder.building.build import build
from dataset_builder.contestants import Contestant, Outcome
from dataset_builder.predictions import Prediction, read_predictions
from dataset_builder.preflight import Check
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import TEST_SHARE, of_config
from dataset_builder.stored import StoredPictures, open_split
from trainer.evaluation.bench import Bench, read_bench
from trainer.evaluation.bench_run import Job, Predictor, Result, local, run
from trainer.evaluation.names import file_name
from trainer.predict import Progress
from trainer.reproduce import embedded
from trainer.reproduce.experiment import Cost

__all__ = ["GPU_SECONDS", "TINY_SECONDS", "Served", "Setting", "billions", "cost_of", "rows_of"]

TINY_SECONDS = 0.5
"""Seconds of one core for a picture that the tiny model is asked about twice."""
GPU_SECONDS = 0.06
"""Seconds of one GPU for a picture and each billion of parameters: 2,049 tokens per second with 7B in batches of 16
(docs/training.md), answers of 550 tokens, and as long again for reading pictures."""
BILLIONS = 7.0
"""Billions of parameters of a local model whose name does not say."""


class Served(Protocol):
    """What asks endpoints, and says what that costs: `agent.served`, which this package may not import."""

    answer_split: Callable[..., Outcome]
    answer: Callable[..., Outcome]
    contestant_checks: Callable[..., list[Check]]
    expected_cost: Callable[..., tuple[int, int, float | None, str]]


@dataclass(frozen=True)
class Setting:
    """Models over a split: those of a bench file, or the tiny model over scenes.

    Attributes:
        bench (`Bench`): the models; its dataset is read only where `pictures` is 0.
        pictures (`int`): how many scenes are rendered where no data are given; 0 where they are.
        release (`Path`, *optional*): a release to build the dataset from.
    """

    bench: Bench
    served: Served
    pictures: int = 0
    release: Path | None = None

    @classmethod
    def of(
        cls,
        served: Served,
        models: Path | None,
        dataset: str | None,
        release: Path | None,
        pictures: int,
        *,
        deepfake: bool = False,
    ) -> "Setting":
        """The setting of a command's options; without data, `pictures` scenes."""
        bench = read_bench(models) if models else Bench(models={"tiny": Contestant(model="tiny")}, encoder="minilm")
        changes: dict[str, Any] = {}
        if dataset is not None:
            changes["dataset"] = dataset
        if release is not None and deepfake:
            changes["config"] = "deepfake"
        given = (
            dataset is not None or release is not None or (models is not None and "dataset" in bench.model_fields_set)
        )
        if not given:
            changes |= {"split": embedded.SPLIT, "config": None}
        return cls(bench.model_copy(update=changes), served, 0 if given else pictures, release)

    @property
    def data(self) -> str:
        """The data, in words."""
        if self.pictures:
            return embedded.DATA
        return f"{self.release or self.bench.dataset}, split {self.bench.split}"

    def checks(self, *, scored: bool = True) -> list[Check]:
        """What it needs on this machine and of endpoints; with `scored`, an encoder, too."""
        from trainer.evaluation.readiness import model_checks
        from trainer.readiness import check_encoder, split_check

        bench = self.bench
        there: list[Check] = []
        if not self.pictures and self.release is None:
            there.append(lambda: split_check(bench.dataset, bench.split, bench.config))
        if scored:
            there.append(lambda: check_encoder(bench.encoder))
        return [*there, *model_checks(bench), *self.served.contestant_checks(bench.models, bench.prices)]

    def prepared(self, out: Path, progress: Progress) -> Bench:
        """The bench with its dataset in place."""
        if self.pictures:
            return self.bench.model_copy(update={"dataset": str(embedded.dataset(out, self.pictures, progress))})
        if self.release is not None:
            progress.step(f"build a dataset from {self.release}")
            build(self.release, out / "dataset", recipe=None)
            return self.bench.model_copy(update={"dataset": str(out / "dataset")})
        return self.bench

    def run(self, out: Path, progress: Progress, bench: Bench) -> Result:
        """Ask every model about the pictures, and score them; answers that are there are not asked for again."""
        return run(bench, out, self.predictor(progress))

    def cost(self, asked: int | None = None, *, verdict: bool = True) -> Cost:
        """What asking the models will need; `asked` pictures each, where the dataset's own number does not hold, with `verdict`
        for a verdict, too."""
        pictures = self._pictures()
        number = asked if asked is not None else self._number(pictures)
        total = Cost(seconds=0.05 * self.pictures)
        for one in self.bench.models.values():
            total = total.plus(cost_of(one, number, pictures, self.served, self.bench.prices, verdict=verdict))
        return total

    def _number(self, pictures: StoredPictures | None) -> int:
        """How many pictures the split has, or will have."""
        if pictures is not None:
            number = len(pictures)
        elif self.release is not None:
            config: Any = self.bench.config or "default"
            number = len(of_config(open_source(self.release).rows, config, self.bench.split))  # type: ignore[arg-type]
        else:
            number = round((1 - TEST_SHARE) * self.pictures)
        return number if self.bench.limit is None else min(number, self.bench.limit)

    def _pictures(self) -> StoredPictures | None:
        if self.pictures or self.release is not None:
            return None
        return open_split(self.bench.dataset, self.bench.split, self.bench.config)

    def predictor(self, progress: Progress) -> Predictor:
        """What asks one of the models, here or at its endpoint."""
        here = local(progress)

        def predict(job: Job) -> Outcome:
            progress.step(f"{job.name} on {job.bench.split}")
            if not job.contestant.is_remote:
                return here(job)
            return self.served.answer_split(
                job.contestant,
                job.bench.dataset,
                job.bench.config,
                job.bench.split,
                job.images,
                job.path,
                progress,
                job.budget,
                self.bench.prices,
                verdict=job.verdict,
            )

        return predict


def cost_of(
    one: Contestant, number: int, pictures: StoredPictures | None, served: Served, prices: Path | None, *, verdict: bool
) -> Cost:
    """What asking one model about `number` pictures like `pictures` will need; with `verdict`, for a verdict, too."""
    if one.predictions is not None:
        return Cost()
    if one.is_remote:
        calls, tokens, usd, assumed = served.expected_cost(one, pictures, number, prices, verdict=verdict)
        return Cost(number, calls, tokens, usd, assumed=(assumed,))
    if one.model in (None, "tiny"):
        assumed = f"{TINY_SECONDS} s per picture and tiny model, on a free core"
        return Cost(number, seconds=TINY_SECONDS * number, assumed=(assumed,))
    hours = number * GPU_SECONDS * billions(one.model or "") / 3600
    assumed = f"{GPU_SECONDS} s of a GPU like an H100 per picture and billion of parameters"
    return Cost(number, gpu_hours=hours, assumed=(assumed,))


def billions(model: str) -> float:
    """Billions of parameters, as a model's name tells them.

    >>> billions("Qwen/Qwen2.5-VL-72B-Instruct"), billions("mine")
    (72.0, 7.0)
    """
    told = re.search(r"(\d+(?:\.\d+)?)[bB]\b", model)
    return float(told[1]) if told else BILLIONS


def rows_of(bench: Bench, out: Path, name: str) -> dict[str, Prediction]:
    """A model's own rows after a run, by picture: with `p_fake`, which scores do not keep."""
    given = bench.models[name].predictions
    path = given if given is not None else out / "predictions" / file_name(name) / "preds.json"
    rows = path.with_suffix(".jsonl")
    return read_predictions(rows if rows.is_file() else path)
