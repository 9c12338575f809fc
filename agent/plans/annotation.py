"""What plans share: their settings, findings with their evidence, and what they come to."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.asking import Asker, Failure
from agent.boxes import GRID, Unit, boxes_of
from agent.pictures import SentPicture
from agent.prompts import LOOKS, STANCES, WORDINGS, Stance, Texts
from agent.stages import AnomalyItem, Finding
from dataset_builder.predictions import Status
from dataset_builder.schema import Candidate

__all__ = ["Annotation", "Evidence", "PlanName", "Settings", "candidate", "conclude"]

PlanName = Literal["vote", "efficient", "paper", "direct"]


class Settings(BaseModel):
    """How pictures are annotated.

    Attributes:
        plan (`str`): `vote`, `efficient`, `paper` or `direct`.
        stance (`str`): `neutral`, or `assume-generated` as in the paper.
        drafts (`int`): T, the drafts of the list of objects.
        samples (`int`): S, the samples of what is sampled: verification in `efficient` and `vote`, summaries in `paper`.
        max_objects (`int`, *optional*): only the first objects are examined.
        min_support (`int`): anomalies that fewer samples named or confirmed are left out.
        boxes (`str`, *optional*): how the model gives boxes, `pixels`, `permille` or `fraction`, if not as its family is known to.
        language (`str`, *optional*): of the texts in answers, as English calls it; English unless given.
        prompts (`dict`): wordings in the place of ours, by a stage's or stance's name; see `agent.prompt_files`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: PlanName = "vote"
    stance: Stance = "neutral"
    drafts: int = Field(default=3, ge=1)
    samples: int = Field(default=3, ge=1)
    max_objects: int | None = Field(default=None, ge=1)
    min_support: int = Field(default=1, ge=1)
    boxes: Unit | None = None
    language: str | None = Field(default=None, min_length=2, max_length=60)
    prompts: dict[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _can_be_met(self) -> "Settings":
        if self.plan == "direct" and self.min_support > 1:
            raise ValueError(
                f"min_support: {self.min_support} would drop all that direct finds, which asks once; leave it out"
            )
        return self

    @property
    def texts(self) -> Texts:
        """How the stages are asked."""
        return Texts(self.language, self.prompts)

    def fingerprint(self, model: str) -> str:
        """Changes whenever a picture's row could be another: with the settings, the model or a prompt."""
        from agent import prompts, stages

        boxes = boxes_of(model, GRID.unit, self.boxes)
        asks = {
            stage: prompts.messages(stage, self.stance, ["picture"], texts=self.texts, boxes=boxes)
            for stage in stages.ANSWERS
        }
        # What came later counts where it is used, so that earlier runs stay finished.
        chosen = {
            name: value for name, value in self.model_dump().items() if value or name not in ("language", "prompts")
        }
        content = [VERSION, chosen, model, asks, stages.schema(), WORDINGS, LOOKS, STANCES]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


VERSION = 1
"""Raised when a plan would make other rows of the same answers."""


class Annotation(BaseModel):
    """What was found out about one picture: a row of `annotations.jsonl`.

    Attributes:
        image_id (`str`): the picture's file name.
        status (`str`): `anomalies`; `none`, nothing is wrong and every call answered; `partial`, some calls were given up;
            `failed`, no statement can be made.
        anomalies (`list[Candidate]`): with their evidence.
        failures (`list[Failure]`): the calls that were given up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: str
    status: Status
    anomalies: list[Candidate] = Field(default_factory=list)
    failures: list[Failure] = Field(default_factory=list)

    @classmethod
    def failed(cls, image_id: str, stage: str, reason: str) -> "Annotation":
        return cls(
            image_id=image_id, status="failed", failures=[Failure(stage=stage, object="", sample=0, reason=reason)]
        )


@dataclass
class Evidence:
    """A finding on its way through the stages.

    Attributes:
        id (`str`): its number in this picture.
        stage (`str`): the stage that first named it.
        named (`set[str]`): the samples that named it, `<stage>#<sample>`.
        confirmed (`int`), judged (`int`): verification samples that said it holds, and all of them.
        severities (`list[int]`): what the confirming samples gave, in the plan `vote` those that named it too.
        boxes (`list`): where the samples that named it saw it, in the plan `vote`.
    """

    id: str
    stage: str
    object: str
    name: str
    phenomenon: str
    reasoning: str
    named: set[str] = field(default_factory=set)
    confirmed: int = 0
    judged: int = 0
    severities: list[int] = field(default_factory=list)
    boxes: list[list[int]] = field(default_factory=list)

    @classmethod
    def of(cls, id: str, finding: Finding, stage: str, sample: str) -> "Evidence":
        texts = (finding.object, finding.name, finding.phenomenon, finding.reasoning)
        return cls(id, stage, *texts, named={sample})

    def asked(self) -> dict[str, str]:
        """As the input of a stage has it; a suspicion without a reason has none to show."""
        fields = {name: getattr(self, name) for name in ("id", "object", "name", "phenomenon", "reasoning")}
        return fields | ({"reasoning": ""} if self.reasoning == self.phenomenon else {})


def candidate(
    item: AnomalyItem, picture: SentPicture, *, stage: str, support: int, possible: int, box: Any = None
) -> Candidate:
    """A candidate from a final item; `support` of `possible` samples named it."""
    return Candidate(
        name=item.name,
        phenomenon=item.phenomenon,
        reasoning=item.reasoning,
        severity=item.severity,
        bbox=picture.in_pixels(item.bbox or box),
        score=round(min(1.0, support / max(possible, 1)), 4),
        object=item.object,
        stage=stage,
        support=support,
    )


def conclude(asker: Asker, settings: Settings, candidates: Iterable[Candidate]) -> Annotation:
    """How the picture ends. Without all answers it is never found clean."""
    kept = [candidate for candidate in candidates if candidate.support >= settings.min_support]
    status: Status = "partial" if asker.failures else "anomalies" if kept else "none"
    # Calls end in any order; their failures are told in one.
    failures = sorted(asker.failures, key=lambda failure: (failure.stage, failure.object, failure.sample))
    return Annotation(image_id=asker.picture.image_id, status=status, anomalies=kept, failures=failures)
