"""What an example is: the quadruplet and the row, as pydantic models."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

__all__ = ["ADDED", "Anomaly", "Box", "Candidate", "Example", "ImageId", "Label", "Text", "Verdict"]

Label = Literal["real", "fake"]
Verdict = Literal["accept", "reject", "unsure"]
ADDED = "people"
"""The stage of a candidate that a person added because the agent had missed it."""


def _encodable(text: str) -> str:
    # A lone surrogate passes for a character until someone writes it to a file, far from where it came in.
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text holds half a character (a lone surrogate), which cannot be written") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]
"""A text that can be written as UTF-8."""

OwnText = Annotated[Text, BeforeValidator(lambda text: "" if text is None else text)]
"""A phenomenon or reasoning; null, which a dataset has where a source says nothing, is the empty text."""

ImageId = Annotated[Text, StringConstraints(min_length=1)]
"""A picture's file name."""


def _ordered(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if not all(map(math.isfinite, box)):
        raise ValueError("the corners of a box must be finite numbers")
    x0, y0, x1, y1 = box
    if x0 > x1 or y0 > y1:
        raise ValueError("a box is [x0, y0, x1, y1] with x0 <= x1 and y0 <= y1")
    return box


Box = Annotated[tuple[float, float, float, float], AfterValidator(_ordered)]
"""[x0, y0, x1, y1] in pixels of the upright picture."""


class Anomaly(BaseModel):
    """The quadruplet: what is called what, what is seen, why it cannot be, how badly.

    Attributes:
        name (`str`): a short name of the anomaly.
        phenomenon (`str`): what is wrong, as seen.
        reasoning (`str`): why it breaks common sense, physics or anatomy.
        severity (`int`, *optional*): 0 (completely irrational) to 100 (completely realistic): low is severe. `None` only in
            predictions.
        remark (`str`, *optional*): the words the annotators wrote next to the severity.
        bbox (`tuple`, *optional*): [x0, y0, x1, y1] in pixels of the upright picture.
        score (`float`, *optional*): a predictor's confidence, 0..1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text = ""
    phenomenon: OwnText = ""
    reasoning: OwnText = ""
    severity: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    remark: Text | None = None
    bbox: Box | None = None
    score: Annotated[float, Field(ge=0, le=1)] | None = None


class Candidate(Anomaly):
    """An anomaly proposed by the agent, with its evidence and, after review, its verdict.

    Attributes:
        object (`str`): the object it concerns.
        stage (`str`): the stage that found it.
        support (`int`): how many independent samples named or confirmed it.
        votes (`dict`): how many reviewers answered accept, reject and unsure.
        verdict (`str`, *optional*): the verdict those votes came to.
    """

    object: Text = ""
    stage: Text = ""
    support: Annotated[int, Field(ge=0)] = 0
    votes: dict[Verdict, int] = Field(default_factory=dict)
    verdict: Verdict | None = None


class Example(BaseModel):
    """A row: one picture, its label and its anomalies.

    Attributes:
        image_id (`str`): the original file name, unique in the dataset.
        label (`str`): `real` or `fake`.
        generator (`str`, *optional*): what made the picture, where known.
        anomalies (`list[Anomaly]`): empty when nothing is wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: ImageId
    label: Label
    generator: Text | None = None
    anomalies: list[Anomaly] = Field(default_factory=list)
