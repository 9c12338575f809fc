"""A built dataset, read back from its Parquet files, so that it can be checked like its source."""

from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from dataset_builder.building.features import FEATURES
from dataset_builder.errors import DuplicateError, InputError, RecordError, SeverityRangeError
from dataset_builder.schema import Anomaly, Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.rows import Row, Split

__all__ = ["read_built"]

_LABELS: tuple[Label, ...] = get_args(Label)


def _shards(directory: Path) -> list[Path]:
    shards = sorted((directory / "data").glob("*.parquet"))
    if not shards:
        raise InputError(f"{directory}: holds no data/*.parquet; build it again with `anomreason build`")
    return shards


def _splits(shard: Path) -> tuple[Split | None, Split | None]:
    """The splits in a shard's name, of `default` and of `deepfake`."""
    parts = [part for part in shard.name.split("-") if part in ("default", "deepfake", "mixed", "train", "test")]
    match parts:
        case ["default", split]:
            return split, None  # type: ignore[return-value]
        case ["deepfake", split]:
            return split, split  # type: ignore[return-value]
        case ["mixed", split, deepfake]:
            return split, deepfake  # type: ignore[return-value]
        case [split]:
            return split, split  # type: ignore[return-value]
    raise InputError(f"{shard}: its name has no split; build the dataset again")


def _open(shard: Path) -> pq.ParquetFile:
    if not shard.is_file():
        raise InputError(f"{shard}: is not a regular file; fetch or build it again")
    try:
        file = pq.ParquetFile(shard)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{shard}: cannot be read as Parquet ({error}); fetch or build it again") from None
    if not any(file.schema_arrow.equals(FEATURES[config].arrow_schema) for config in ("default", "deepfake")):
        raise InputError(
            f"{shard}: has other columns than this version writes; build the dataset again into another directory"
        )
    return file


def read_built(directory: Path) -> tuple[list[Row], list[Finding]]:
    """The rows of a built dataset, without their pictures.

    Raises:
        InputError: if a shard cannot be read.
    """
    rows: dict[str, Row] = {}
    findings: list[Finding] = []
    for shard in _shards(directory):
        split, deepfake = _splits(shard)
        file = _open(shard)
        columns = [name for name in file.schema_arrow.names if name != "image"]
        try:
            batches = list(file.iter_batches(columns=columns))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{shard}: cannot be read ({error}); fetch or build it again") from None
        for values in (values for batch in batches for values in batch.to_pylist()):
            name = values["image_id"]
            if name is None or values["label"] not in range(len(_LABELS)):
                raise InputError(f"{shard}: a row lacks its image_id or label; build the dataset again")
            if name in rows:
                findings.append(Finding.of(DuplicateError(f"{name}: appears more than once; build it again"), name))
                continue
            rows[name] = Row(
                image_id=name,
                picture=None,
                label=_LABELS[values["label"]],
                anomalies=_anomalies(values, name, findings),
                generator=values["generator"],
                caption=values.get("caption"),
                split=split,
                deepfake=deepfake,
            )
    return list(rows.values()), findings


def _anomalies(values: dict[str, Any], name: str, findings: list[Finding]) -> list[Anomaly] | None:
    if values["anomalies"] is None:
        return None
    anomalies = []
    for index, fields in enumerate(values["anomalies"]):
        try:
            anomalies.append(Anomaly.model_validate(fields))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            kind = SeverityRangeError if field == "severity" else RecordError
            message = f"{name}[{index}]: {field} {first['msg']}"
            findings.append(Finding.of(kind(message), name, index))
    return anomalies
