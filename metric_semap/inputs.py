"""What `compute()` is given, as plain lists and dictionaries: numpy arrays, pandas' Series and DataFrames, datasets' columns and
structs are unpacked here, so that one check of records serves them all.

Nothing is imported for it: a value is asked for what these libraries' types have in common.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .anomalies import fault

__all__ = ["as_anomalies", "as_pictures"]


def as_pictures(pictures: Any, argument: str, labelled: bool) -> list[Any]:
    """The entries of `predictions` or `references`, one per picture.

    Args:
        pictures: a list, an array of objects, a Series, a column of a dataset, or a table (DataFrame, dataset) that has a row per
            picture and the column `anomalies` (and `label`, where there are verdicts).
        argument (`str`): what to call it in an error.
        labelled (`bool`): whether a picture has a label as well as its anomalies.

    Raises:
        `RecordError`: if it is none of these.
    """
    columns = getattr(pictures, "columns", getattr(pictures, "column_names", None))
    if columns is not None:
        names = list(columns)
        if "anomalies" not in names:
            raise fault(
                argument,
                None,
                names,
                "are the columns; a table has a row per picture, its anomalies in the column anomalies",
            )
        rows = _rows(pictures)
        return rows if labelled else [row["anomalies"] for row in rows]
    if isinstance(pictures, (str, bytes, Mapping)) or not _is_listed(pictures):
        raise fault(argument, None, pictures, "is not a list; give one entry per picture")
    return list(_listed(pictures))


def as_anomalies(anomalies: Any) -> Any:
    """The anomalies of a picture as a list of dictionaries, where they are an array, a table, or a dictionary of
    lists; anything else as it is, for the check of records to judge."""
    if getattr(anomalies, "columns", getattr(anomalies, "column_names", None)) is not None:
        return _rows(anomalies)
    if isinstance(anomalies, Mapping) and anomalies and all(map(_is_listed, anomalies.values())):
        columns = {key: [_plain(value) for value in _listed(column)] for key, column in anomalies.items()}
        if len(set(map(len, columns.values()))) == 1:
            return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if _is_listed(anomalies):
        return [_record(record) for record in _listed(anomalies)]
    return anomalies


def _is_listed(value: Any) -> bool:
    if isinstance(value, (str, bytes, Mapping)):
        return False
    # An array has tolist and dimensions, a Series too; a column of a dataset is a sequence.
    return isinstance(value, Sequence) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0)


def _listed(value: Any) -> Iterable[Any]:
    entries: Iterable[Any] = value.tolist() if hasattr(value, "tolist") else value
    return entries


def _record(record: Any) -> Any:
    return {key: _plain(value) for key, value in record.items()} if isinstance(record, Mapping) else record


def _plain(value: Any) -> Any:
    """A number out of an array without dimensions, as numpy-formatted datasets have them; anything else as it is."""
    if hasattr(value, "tolist") and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def _rows(table: Any) -> list[dict[str, Any]]:
    """The rows of a DataFrame or a dataset; what a DataFrame marks as missing is `None`."""
    rows = table.to_dict("records") if hasattr(table, "columns") else list(table.with_format(None))
    return [{str(key): None if _is_missing(value) else value for key, value in row.items()} for row in rows]


def _is_missing(value: Any) -> bool:
    """Whether it is NaN, NaT or NA, which alone are not equal to themselves."""
    if _is_listed(value) or isinstance(value, Mapping):
        return False
    try:
        return bool(value != value)
    except TypeError:  # pandas' NA says neither
        return True
