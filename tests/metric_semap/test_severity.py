"""The metric's own word on a severity's direction, held equal to the project's."""

import numpy as np
import pytest

from dataset_builder import severity as project
from dataset_builder.errors import AnomReasonError
from metric_semap import severity
from metric_semap.anomalies import Anomaly, check_anomalies
from metric_semap.errors import RecordError
from metric_semap.ranking import ranking


def test_both_places_say_the_same_of_every_severity() -> None:
    """Direction and ends: the metric's intensity is the project's, and both take exactly the same whole numbers."""
    for level in range(-5, 110):
        record = {"name": "n", "phenomenon": "p", "reasoning": "r", "severity": level}
        if severity.LOWEST <= level <= severity.HIGHEST:
            assert severity.intensity(level) == project.intensity(level)
            assert project.parse(level)[0] == check_anomalies([record], "here", "reference")[0].severity == level
        else:
            with pytest.raises(RecordError, match=r"is outside 0\.\.100"):
                check_anomalies([record], "here", "reference")
            with pytest.raises(AnomReasonError, match=r"is outside 0\.\.100"):
                project.parse(level)


def test_the_words_of_both_places_agree() -> None:
    """The ends are named alike, wherever a severity cannot be read."""
    with pytest.raises(AnomReasonError) as of_project:
        project.parse("high")
    with pytest.raises(RecordError) as of_metric:
        check_anomalies([{"name": "n", "phenomenon": "p", "reasoning": "r", "severity": "high"}], "here", "reference")
    for caught in (of_project, of_metric):
        assert severity.SCALE in str(caught.value)


def test_without_scores_the_most_severe_prediction_is_the_surest() -> None:
    """Predictions are ranked as the project sorts by intensity; one without a severity comes last."""
    said = [Anomaly("n", "p", "r", level) for level in (40, None, 0, 100, 7)]
    ranked_by, (confidence,), _ = ranking([said])
    order = [said[k].severity for k in np.argsort(-confidence, kind="stable")]
    known = [one.severity for one in said if one.severity is not None]
    assert ranked_by == "severity"
    assert order == [*sorted(known, key=project.intensity, reverse=True), None]
