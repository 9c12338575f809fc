"""The quadruplet refuses what no file can mean."""

import pytest
from pydantic import ValidationError

from dataset_builder import Anomaly, Candidate, Example


@pytest.mark.parametrize(
    "fields",
    [
        {"severity": 101},
        {"severity": -1},
        {"severity": "25"},
        {"severity": True},
        {"score": 1.5},
        {"bbox": (5, 5, 1, 1)},
        {"bbox": (0, 0, float("inf"), 1)},
        {"bbox": (0, 0, 1)},
        {"name": "\ud800"},
        {"name": None},
        {"severty": 5},
    ],
)
def test_impossible_anomaly_is_refused(fields: dict[str, object]) -> None:
    """Ranges, types, boxes, lone surrogates and misspelt fields are checked."""
    with pytest.raises(ValidationError):
        Anomaly.model_validate(fields)


def test_candidate_carries_its_evidence() -> None:
    """A candidate is an anomaly with object, stage, support, votes and verdict."""
    candidate = Candidate(
        name="Cup", object="red cup", stage="verify", support=3, votes={"accept": 2}, verdict="accept"
    )
    assert isinstance(candidate, Anomaly)
    assert Candidate.model_validate_json(candidate.model_dump_json()) == candidate


def test_example_needs_a_name_and_a_label() -> None:
    """A row is a picture by name, labelled real or fake; no anomalies is an empty list."""
    assert Example(image_id="cup.png", label="fake").anomalies == []
    for fields in ({"image_id": "", "label": "fake"}, {"image_id": "cup.png", "label": "generated"}):
        with pytest.raises(ValidationError):
            Example.model_validate(fields)
