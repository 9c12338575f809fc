"""What one look at one picture has come to so far, and the forms it is given away in."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from dataset_builder.schema import Anomaly

__all__ = ["Answer", "Examination", "Step", "VerdictAnswer"]

Status = Literal["waiting", "looking", "anomalies", "none", "partial", "failed", "unknown"]


class VerdictAnswer(TypedDict):
    """Whether a picture was generated. `p_fake` is the model's probability, 0..1, or `None` where it gives none."""

    label: Literal["real", "fake"]
    p_fake: float | None


class Answer(TypedDict):
    """What the API, the MCP tool and `anomreason examine --json` give.

    `message` says why, where the status is `partial` or `unknown`; `before`, while it is `waiting`, how many others are served
    first.
    """

    image_id: str
    status: str
    verdict: VerdictAnswer | None
    anomalies: list[dict[str, Any]]
    message: NotRequired[str]
    before: NotRequired[int]


class Step(NamedTuple):
    """A step of an examination: what it does, and how many of its questions, as far as they are known, have an answer."""

    label: str
    answered: int
    asked: int


@dataclass(frozen=True)
class Examination:
    """A look at a picture, waited for (`waiting`), under way (`looking`) or ended.

    Attributes:
        image_id (`str`): the picture's file name.
        status (`str`): `waiting`, `looking`, or how it ended: `anomalies`, `none`, `partial` (something was lost), `failed`
            or `unknown` (the model does not know pictures of this kind).
        anomalies (`list[Anomaly]`): complete so far; boxes in pixels of the upright picture.
        verdict (`VerdictAnswer`, *optional*): where the model can give one.
        before (`int`): how many others are served first, while `waiting`.
        steps (`tuple[Step]`): how far it is, for models that ask themselves many questions.
        problem (`str`): one sentence for a person: what was lost, or why there is no answer.
        seconds (`float`, *optional*): how long it took.
    """

    image_id: str
    status: Status = "looking"
    anomalies: list[Anomaly] = field(default_factory=list)
    verdict: VerdictAnswer | None = None
    before: int = 0
    steps: tuple[Step, ...] = ()
    problem: str = ""
    seconds: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status not in ("waiting", "looking")

    def answer(self) -> Answer:
        """The contract's form."""
        fields = {"name", "phenomenon", "reasoning", "severity", "bbox"}
        anomalies = [anomaly.model_dump(mode="json", include=fields) for anomaly in self.anomalies]
        told: Answer = {
            "image_id": self.image_id,
            "status": self.status,
            "verdict": self.verdict,
            "anomalies": anomalies,
        }
        if self.status in ("partial", "unknown"):
            told["message"] = self.problem
        if self.status == "waiting":
            told["before"] = self.before
        return told
