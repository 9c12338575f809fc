"""The problems found in a source, by kind. Errors keep a row out of the dataset; warnings are told.

A kind of error is a class of `dataset_builder.errors`, so that nothing is guessed from the words of a message.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from dataset_builder.errors import (
    AnnotatedRealError,
    ConflictError,
    DamagedPictureError,
    DuplicateError,
    InputError,
    OversizedPictureError,
    PictureError,
    RecordError,
    SameNameError,
    SecondListError,
    SeverityRangeError,
    TestInTrainError,
    TruncatedPictureError,
    UnmatchedListError,
)

__all__ = ["ERRORS", "WARNINGS", "Finding", "by_kind", "errors"]

_ERROR_CLASSES: tuple[type[InputError], ...] = (
    InputError,
    UnmatchedListError,
    SecondListError,
    TestInTrainError,
    PictureError,
    TruncatedPictureError,
    DamagedPictureError,
    OversizedPictureError,
    RecordError,
    SeverityRangeError,
    DuplicateError,
    ConflictError,
    SameNameError,
    AnnotatedRealError,
)

ERRORS: dict[str, str] = {kind.kind: kind.meaning for kind in _ERROR_CLASSES}

WARNINGS: dict[str, str] = {
    "remark contradicts score": "the words next to a severity say the opposite of the number",
    "picture without annotations": "a generated picture that no annotation file names",
    "annotations without picture": "annotations of a picture that is not there",
    "split name without picture": "a split list names a picture that is not there",
    "name matched loosely": "a list writes a picture's name in another way than its file",
    "picture in no split": "a split list is there and does not name this picture",
    "label unknown": "nothing says whether the picture is real or generated",
    "label contradiction": "two files disagree whether a picture is real",
    "link not followed": "a symbolic link that leads out of the source, in a circle, or nowhere",
    "animated picture": "only the first frame is shown",
    "CMYK picture": "colours for print; converted on reading",
    "16-bit picture": "more than 8 bits per channel; scaled on reading",
    "HEIC picture": "opens where pillow-heif is installed and registered",
    "EXIF-rotated picture": "shown turned; pixel positions depend on the reader",
    "extreme aspect ratio": "more than 200 times as long as wide; Qwen's processors refuse such a picture",
    "box outside the picture": "a box that reaches beyond the upright picture's edges",
    "special token in a text": "a text holds a marker such as <|im_end|>, which training refuses",
    "empty field": "a name, phenomenon or reasoning without text",
    "identical fields": "two fields of a quadruplet say the same",
    "near-duplicate anomalies": "two quadruplets of a picture say nearly the same",
    "non-English text": "a text that does not look English",
    "exact duplicate across splits": "the same bytes in train and in test",
    "near-duplicate across splits": "pictures that look the same in train and in test",
    "same text across splits": "a quadruplet of test whose words are also in train",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its kind, the place, and a sentence; `image_id` and `index` where it concerns a picture's record.

    `concerns_all` is true of an error that leaving out one picture or record does not help against.
    """

    kind: str
    place: str
    message: str
    image_id: str | None = None
    index: int | None = None
    concerns_all: bool = False

    @classmethod
    def of(cls, error: InputError, image_id: str | None = None, index: int | None = None) -> "Finding":
        """The finding that an error makes; it concerns the picture `image_id`, and there the record `index`."""
        place = image_id or getattr(error, "file", None) or "source"
        return cls(error.kind, str(place), str(error), image_id, index, error.concerns_all)

    @property
    def is_error(self) -> bool:
        return self.kind in ERRORS

    def row(self) -> dict[str, object]:
        """The finding as a row of `skipped.jsonl` or `validation.json`."""
        row = asdict(self)
        del row["concerns_all"]
        return row | {"level": "error" if self.is_error else "warning"}


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.is_error]


def by_kind(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind, errors first, in the order of the tables above."""
    counts = Counter(finding.kind for finding in findings)
    return {kind: counts[kind] for kind in (*ERRORS, *WARNINGS) if counts[kind]}
