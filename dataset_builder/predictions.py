"""Prediction files.

Two files, side by side. `preds.jsonl` has one row per picture with everything known about its answer, appended while
predicting and flushed to the disk, so that what was computed survives a crash; `preds.json` is the release's own form
and nothing else, written at the end by rename. Every consumer reads either through `read_predictions`.
"""

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, model_validator

from dataset_builder.errors import AnomReasonError, OutputError
from dataset_builder.fields import repair
from dataset_builder.files.locks import hold
from dataset_builder.files.records import Place, as_object, read_records
from dataset_builder.files.strict_json import read_rows
from dataset_builder.official import ImageNames, read_merged, write_annotations
from dataset_builder.schema import Anomaly, ImageId, Label, Text
from dataset_builder.textform import Dropped, parse_answer

__all__ = ["UNKNOWN", "Prediction", "PredictionWriter", "Status", "read_predictions"]

Status = Literal["anomalies", "none", "partial", "failed", "unknown"]

UNKNOWN = (
    "This model does not know pictures like this one, so it says nothing about it. Use a Qwen2.5-VL with an adapter on a GPU, "
    "a model behind an endpoint (--base-url), or AnomAgent (anomreason annotate)."
)
"""What somebody is told whose picture has the status `unknown`."""


class Prediction(BaseModel):
    """What was predicted for one picture: a row of `preds.jsonl`.

    Attributes:
        image_id (`str`): the picture's file name.
        status (`str`): `anomalies`, `none` (nothing is wrong), `partial` (something was dropped), `failed` (no answer that
            could be read) or `unknown` (not answered, because the model does not know pictures of this kind).
        label (`str`, *optional*): the verdict, `real` or `fake`.
        p_fake (`float`, *optional*): the probability of `fake`, 0..1.
        anomalies (`list[Anomaly]`): empty for `none`, `failed` and `unknown`.
        raw (`str`, *optional*): the answer as the model gave it.
        dropped (`list[Dropped]`): the pieces of the answer that could not be read, each with the reason.
        finish_reason (`str`, *optional*): why the answer ended, e.g. `stop` or `length`.
        seconds (`float`, *optional*): the time it took.
        tokens (`int`, *optional*): the tokens generated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: ImageId
    status: Status
    label: Label | None = None
    p_fake: Annotated[float, Field(ge=0, le=1)] | None = None
    anomalies: list[Anomaly] = Field(default_factory=list)
    raw: Text | None = None
    dropped: list[Dropped] = Field(default_factory=list)
    finish_reason: Text | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    tokens: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _status_fits(self) -> Self:
        if self.anomalies and self.status in ("none", "failed", "unknown"):
            raise ValueError(f"the status {self.status} goes with no anomalies, but there are {len(self.anomalies)}")
        if not self.anomalies and self.status == "anomalies":
            raise ValueError("the status anomalies needs at least one; write none if nothing is wrong")
        return self

    @field_serializer("dropped")
    def _by_name(self, dropped: list[Dropped]) -> list[dict[str, str]]:
        return [piece._asdict() for piece in dropped]

    @classmethod
    def from_answer(
        cls,
        image_id: str,
        answer: str,
        *,
        label: Label | None = None,
        p_fake: float | None = None,
        finish_reason: str | None = None,
        seconds: float | None = None,
        tokens: int | None = None,
    ) -> "Prediction":
        """The prediction that an answer holds; the other arguments are the attributes of the same name.

        >>> Prediction.from_answer("cup.png", "[]").status
        'none'
        """
        parsed = parse_answer(answer)
        return cls(
            image_id=image_id,
            status=parsed.status,
            label=label,
            p_fake=p_fake,
            anomalies=parsed.anomalies,
            raw=repair(answer),
            dropped=parsed.dropped,
            finish_reason=finish_reason,
            seconds=seconds,
            tokens=tokens,
        )


class PredictionWriter:
    """Writes the two files of a run, row by row. Use it as a context manager.

    A row is on the disk when `append` returns. A block that ends without an error writes `preds.json` from all rows;
    one that does not leaves the rows, and a later run with `resume=True` continues after them: `done` says which pictures
    to leave out, and a line that a crash tore is cut off. A picture appended again replaces its earlier row.

    Args:
        path (`str` or path): the file in the release's form, e.g. `preds.json`; the rows go into `preds.jsonl` next to it.
        resume (`bool`, defaults to `False`): whether to keep the rows that are there; otherwise both files are overwritten.

    Attributes:
        done (`set[str]`): the image ids that have a row.

    Raises:
        OutputError: if a file cannot be written, or another process is writing it.
        InputError, RecordError: with `resume`, if the rows that are there cannot be read.

    ```python
    with PredictionWriter("preds.json", resume=True) as writer:
        for image_id, image in pictures:
            if image_id not in writer.done:
                writer.append(Prediction.from_answer(image_id, generate(image)))
    ```
    """

    def __init__(self, path: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.path = Path(path)
        self.rows_path = self.path.with_suffix(".jsonl")
        if self.path.suffix in _ROWS:
            raise OutputError(
                f"{path}: the rows are written to {self.rows_path.name} anyway; give a name that ends in .json"
            )
        self.resume = resume
        self.done: set[str] = set()

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.rows_path, "ab", buffering=0)
        except OSError as error:
            raise self._cannot(error) from error
        self._refuse_devices()
        # Two writers would mix their rows. A file of its own, because not every system lets a locked file be written.
        try:
            busy = f"{self.rows_path}: another process is writing it; wait for that one, or give another name"
            self._lock = hold(self.rows_path.with_name(f".{self.rows_path.name}.lock"), busy)
        except OutputError:
            self._file.close()
            raise
        try:
            if self.resume:
                _cut_torn_line(self.rows_path)
                self.done = set(_read_rows(self.rows_path))
            if not self.done:
                self._file.truncate(0)
                self.path.unlink(missing_ok=True)
        except AnomReasonError:
            self._close()
            raise
        except OSError as error:
            self._close()
            raise self._cannot(error) from error
        return self

    def _close(self) -> None:
        self._file.close()
        self._lock.release()

    def _refuse_devices(self) -> None:
        """A pipe or a device may be read for ever, and keeps nothing."""
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.close()
            raise OutputError(f"{self.rows_path}: cannot be written (it is not a regular file); give another name")

    def append(self, *predictions: Prediction) -> None:
        """Append rows; they are on the disk when this returns. Several at once cost one flush.

        Raises:
            OutputError: if they cannot be written, e.g. because the disk is full.
        """
        data = b"".join(prediction.model_dump_json().encode() + b"\n" for prediction in predictions)
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot(error) from error
        self.done.update(prediction.image_id for prediction in predictions)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:  # the lock is kept until both files are written
            if kind is None:
                rows = _read_rows(self.rows_path) if self.done else {}
                write_annotations(self.path, {image_id: row.anomalies for image_id, row in rows.items()})
        finally:
            self._close()

    def _cannot(self, error: OSError) -> OutputError:
        return OutputError(f"{self.rows_path}: cannot be written ({error.strerror}); make room there, then resume")


_ROWS = (".jsonl", ".ndjson")


def read_predictions(path: str | os.PathLike[str]) -> dict[str, Prediction]:
    """A prediction file of any form: image id → prediction, in the file's order.

    - `preds.jsonl`: our rows; of two for one picture the last counts.
    - `predictions.ndjson`: rows of the release's driver. Where its own parser found nothing, ours reads the response.
    - any other name: the release's form, or `responses_structured.json` (see `dataset_builder.official.read_merged`).

    A last line that a crash tore is left out. In the release's form nothing but the anomalies is known: the status is
    `anomalies`, `none` for `[]` and `failed` for no answer.

    Raises:
        InputError: if the file cannot be read.
        RecordError: if a row or record in it cannot; it names the place, the field and the value.
    """
    if Path(path).suffix in _ROWS:
        return _read_rows(path)
    return {image: _known(image, anomalies) for image, anomalies in read_merged(path).items()}


def _known(image_id: str, anomalies: list[Anomaly] | None, raw: str | None = None) -> Prediction:
    status: Status = "failed" if anomalies is None else "anomalies" if anomalies else "none"
    return Prediction(image_id=image_id, status=status, anomalies=anomalies or [], raw=raw)


def _read_rows(path: str | os.PathLike[str]) -> dict[str, Prediction]:
    names = ImageNames(path)
    predictions: dict[str, Prediction] = {}
    for place, content in read_rows(path):
        row = as_object(content, Place(place), "a row; write an object")
        if "image_id" in row:
            prediction = _row(row, place)
        elif "path" in row:
            prediction = _driver_row(row, place, names)
        else:
            raise Place(place).error("has neither image_id nor path; it is not a row of a prediction file", value=row)
        predictions[prediction.image_id] = prediction
    return predictions


def _row(row: dict[str, object], file: str) -> Prediction:
    key = row["image_id"] if isinstance(row["image_id"], str) else None
    anomalies = read_records(row.get("anomalies", []), Place(file, key), prediction=True)
    try:
        return Prediction.model_validate({**row, "anomalies": anomalies})
    except ValidationError as error:
        detail = error.errors()[0]
        field = ".".join(map(str, detail["loc"])) or None
        value = detail["input"] if field else ...
        message = detail["msg"].removeprefix("Value error, ")
        raise Place(file, key).error(f"cannot be read ({message}); fix it or remove the row", field, value) from None


def _driver_row(row: dict[str, object], file: str, names: ImageNames) -> Prediction:
    """A row of the release's inference driver: `status` (`ok`, `error`), `path`, `parsed`, `response`."""
    path = row["path"]
    place = Place(file, path if isinstance(path, str) else None)
    image_id = names.add(path, place=place, again=True)
    status, parsed, response = row.get("status"), row.get("parsed"), row.get("response")
    if status not in ("ok", "error"):
        raise place.error("is not ok or error; fix it or remove the row", "status", status)
    if response is not None and not isinstance(response, str):
        raise place.error("is not a text; write a JSON string or null", "response", response)
    anomalies = [] if parsed is None else read_records(parsed, place, prediction=True)
    if anomalies or response is None or status == "error":
        return _known(image_id, anomalies or None, response)
    # The driver stores an answer that it could not read like one that says "nothing wrong"; the answer itself tells.
    return Prediction.from_answer(image_id, response)


def _cut_torn_line(path: Path) -> None:
    """Cuts what follows the last newline: a row that was being written when the process died."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
