"""What every experiment of the paper is: its cost beforehand, and a run that gives a `trainer.evaluation.result.Result`."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from trainer.evaluation.result import Result

if TYPE_CHECKING:  # torch comes with it
    from trainer.predict import Progress

__all__ = ["NOTHING", "Cost", "Experiment"]


class Cost(NamedTuple):
    """What an experiment is expected to need before it starts.

    Attributes:
        pictures (`int`): shown to models, all models together.
        calls, tokens (`int`): of endpoints.
        usd (`float`, *optional*): what they cost; `None` where a price is not known.
        gpu_hours (`float`): of models that need a GPU.
        seconds (`float`): on this machine, endpoints and GPUs not counted.
        assumed (`tuple[str, ...]`): what the numbers rest on, in words.
    """

    pictures: int = 0
    calls: int = 0
    tokens: int = 0
    usd: float | None = 0.0
    gpu_hours: float = 0.0
    seconds: float = 0.0
    assumed: tuple[str, ...] = ()

    def plus(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(
            self.pictures + other.pictures,
            self.calls + other.calls,
            self.tokens + other.tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
            self.gpu_hours + other.gpu_hours,
            self.seconds + other.seconds,
            tuple(dict.fromkeys((*self.assumed, *other.assumed))),
        )


NOTHING = Cost()
"""What reading files costs."""


class Experiment(Protocol):
    """An experiment, ready to be forecast and run; it continues with what is in `out` already."""

    name: str

    def cost(self) -> Cost: ...

    def run(self, out: Path, progress: "Progress") -> Result: ...
