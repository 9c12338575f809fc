"""What `compute` takes: the forms in which numpy, pandas and datasets hold pictures, read as the same numbers."""

from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from metric_semap.errors import RecordError
from metric_semap.inputs import as_anomalies, as_pictures
from metric_semap.semap import SemAP

CUP = [{"name": "cup", "phenomenon": "A cup hovers.", "reasoning": "It should fall.", "severity": 10, "score": 0.5}]
ARM = [{"name": "arm", "phenomenon": "A man has three arms.", "reasoning": "People have two.", "severity": 5}]


def array(*entries: Any) -> np.ndarray:
    """An array of objects."""
    held = np.empty(len(entries), dtype=object)
    held[:] = entries
    return held


def dataset(**formats: Any) -> datasets.Dataset:
    text = datasets.Value("string")
    record = {"name": text, "phenomenon": text, "reasoning": text, "severity": datasets.Value("int32")}
    features = datasets.Features({"anomalies": datasets.List(record)})
    rows = [[{key: one[key] for key in record} for one in side] for side in (CUP, ARM)]
    return datasets.Dataset.from_dict({"anomalies": rows}, features=features).with_format(**formats)


COLUMNS = datasets.Dataset.from_dict({"anomalies": [{key: [side[0][key]] for key in ARM[0]} for side in (CUP, ARM)]})
FORMS: dict[str, Callable[[], Any]] = {
    "tuple": lambda: (CUP, ARM),
    "array of lists": lambda: array(CUP, ARM),
    "arrays of records with numpy's numbers": lambda: array(
        array({**CUP[0], "severity": np.int64(10), "score": np.float32(0.5)}),
        array({**ARM[0], "severity": np.float64(5)}),
    ),
    "Series": lambda: pd.Series([CUP, ARM], index=["b", "a"]),
    "a DataFrame per picture": lambda: [pd.DataFrame(CUP), pd.DataFrame(ARM)],
    "a DataFrame of pictures": lambda: pd.DataFrame({"image": ["a", "b"], "anomalies": [CUP, ARM]}),
    "a column": lambda: dataset()["anomalies"],
    "a dataset": dataset,
    "a dataset of numpy's": lambda: dataset(type="numpy")["anomalies"],
    "a dataset of pandas'": lambda: dataset(type="pandas"),
    "lists by field": lambda: COLUMNS["anomalies"],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_pictures(form: str) -> None:
    """Records come out as Python's own."""
    checked = SemAP().checked(FORMS[form](), FORMS[form]())
    expected = SemAP().checked([CUP, ARM], [CUP, ARM])
    for side in ("predictions", "references"):
        for picture, its in zip(checked[side], expected[side], strict=True):
            assert [one | {"score": None} for one in picture] == [one | {"score": None} for one in its]
            assert all(type(one["severity"]) is int for one in picture)


def test_a_frames_missing_cells_are_none() -> None:
    """pandas marks them as NaN or NA; a picture without anomalies is an empty frame."""
    frame = pd.DataFrame([{**CUP[0], "score": None}, {**ARM[0], "severity": None, "score": 0.25}])
    records = as_anomalies(frame)
    assert [(one["severity"], one["score"]) for one in records] == [(10, None), (None, 0.25)]
    assert as_anomalies(frame.convert_dtypes())[1]["severity"] is None
    assert as_anomalies(pd.DataFrame()) == []
    assert SemAP().checked([frame], [frame])["predictions"][0][1]["severity"] is None


def test_labelled_tables_keep_their_labels() -> None:
    """With the configuration deepfake a row has both."""
    frame = pd.DataFrame({"label": ["fake", "real"], "anomalies": [CUP, []]})
    assert [row["label"] for row in as_pictures(frame, "predictions", True)] == ["fake", "real"]
    assert as_pictures(frame, "predictions", False) == [CUP, []]


def test_null_is_a_clean_picture_among_references_only() -> None:
    """The official truth has null there; a prediction that is forgotten is an error."""
    assert SemAP().checked([[]], [None])["references"] == [[]]
    with pytest.raises(RecordError, match=r"predictions\[0\]: None is not a list"):
        SemAP().checked([None], [[]])


def test_a_table_without_anomalies_is_refused() -> None:
    """A long table of anomalies does not say which picture each belongs to."""
    with pytest.raises(RecordError, match=r"references: \['name', .+are the columns"):
        SemAP().checked([CUP], pd.DataFrame(CUP))
    with pytest.raises(RecordError, match=r"predictions: .+ is not a list"):
        SemAP().checked(np.array(3), [CUP])


def test_official_records_need_only_their_two_texts() -> None:
    """Neither name nor severity, on either side."""
    bare = [{key: CUP[0][key] for key in ("phenomenon", "reasoning")}]
    (record,) = SemAP().checked([bare], [bare])["references"][0]
    assert (record["name"], record["severity"]) == ("", None)
