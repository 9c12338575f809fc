"""What was found wrong or odd in a source, by kind. Errors keep a row out of the dataset; warnings are told."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from dataset_builder.errors import InputError, RecordError

__all__ = ["ERRORS", "WARNINGS", "Finding", "by_kind", "errors", "of_record"]

ERRORS: dict[str, str] = {
    "unreadable picture": "no picture, or one that cannot be decoded",
    "truncated picture": "a picture file that ends too early",
    "oversized picture": "more bytes or pixels than the limit: a decompression bomb",
    "unreadable record": "a record that cannot be read",
    "severity out of range": "a severity outside 0..100",
    "duplicate id": "a picture that stands more than once in a file",
    "basename collision": "two pictures with the same file name",
}

WARNINGS: dict[str, str] = {
    "remark contradicts score": "the words beside a severity say the opposite of the number",
    "picture without annotations": "a generated picture that no annotation file names",
    "annotations without picture": "annotations of a picture that is not there",
    "split name without picture": "a split list names a picture that is not there",
    "picture in no split": "a split list is there and does not name this picture",
    "label unknown": "nothing says whether the picture is real or generated",
    "label contradiction": "two files disagree whether a picture is real",
    "link not followed": "a symbolic link in the source",
    "animated picture": "only the first frame is shown",
    "CMYK picture": "colours for print; converted on reading",
    "16-bit picture": "more than 8 bits a channel; scaled on reading",
    "HEIC picture": "opens where pillow-heif is installed and registered",
    "EXIF-rotated picture": "shown turned; pixel positions depend on the reader",
    "empty field": "a name, phenomenon or reasoning without text",
    "identical fields": "two fields of a quadruplet say the same",
    "near-duplicate anomalies": "two quadruplets of a picture say nearly the same",
    "non-English text": "a text that does not look English",
    "train picture in a test list": "the deepfake test list names a picture of train",
    "exact duplicate across splits": "the same bytes in train and in test",
    "near-duplicate across splits": "pictures that look the same in train and in test",
    "same text across splits": "a quadruplet of test whose words stand in train too",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its kind, the place, and a sentence; `image_id` and `index` where it concerns a picture's record."""

    kind: str
    place: str
    message: str
    image_id: str | None = None
    index: int | None = None

    @property
    def is_error(self) -> bool:
        return self.kind in ERRORS

    def row(self) -> dict[str, object]:
        """The finding as a row of `skipped.jsonl` or `validation.json`."""
        return asdict(self) | {"level": "error" if self.is_error else "warning"}


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.is_error]


def by_kind(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind, errors first, in the order of the tables above."""
    counts = Counter(finding.kind for finding in findings)
    return {kind: counts[kind] for kind in (*ERRORS, *WARNINGS) if counts[kind]}


def of_record(error: InputError, image_id: str | None, index: int | None = None) -> Finding:
    """The finding that an unreadable record makes."""
    kind = "unreadable record"
    if isinstance(error, RecordError):
        if error.field == "severity" and "outside" in error.problem:
            kind = "severity out of range"
        elif "same file name" in error.problem:
            kind = "basename collision"
        elif "stands more than once" in error.problem:
            kind = "duplicate id"
    return Finding(kind, str(image_id or getattr(error, "file", "")), str(error), image_id, index)


def of_picture(error: InputError, image_id: str) -> Finding:
    """The finding that a picture which is not accepted makes."""
    text = str(error)
    kind = "truncated picture" if "truncated" in text else "unreadable picture"
    if " are more than " in text or "decompression bomb" in text or "more than" in text:
        kind = "oversized picture"
    return Finding(kind, image_id, text, image_id)
