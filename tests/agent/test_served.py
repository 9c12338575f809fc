"""The tiny model behind a real `transformers serve`: the agent speaks to a server that is not of its own making."""

from pathlib import Path

import pytest

from agent.journal_files import open_for_reading
from agent.plans import Settings
from agent.run import Endpoint, annotate
from dataset_builder.errors import UnavailableError
from dataset_builder.pictures import open_picture
from dataset_builder.predictions import Prediction
from tests.annotating import rows
from tests.serving import serve_model
from trainer.loading import TINY, load
from trainer.predict import predict


def test_the_tiny_model_annotates_through_transformers_serve(scenes: Path, tmp_path: Path) -> None:
    """One call a picture; the answers are those of the same model in this process, and they end as its predictions do."""
    with serve_model(TINY, tmp_path / "log", "--dtype", "float32") as base_url:
        endpoint = Endpoint(str(TINY), base_url, 2)
        annotate(str(scenes / "images"), tmp_path / "run", endpoint, Settings(plan="direct"), limit=4)
        wrong = Endpoint(str(TINY), base_url.removesuffix("/v1") + "/v2")
        with pytest.raises(UnavailableError, match="--base-url"):
            annotate(str(scenes / "images"), tmp_path / "wrong", wrong, Settings(plan="direct"), limit=1)
    ended = rows(tmp_path / "run")
    pictures = [(row["image_id"], open_picture(scenes / "images" / row["image_id"])) for row in ended]
    expected: list[Prediction] = list(predict(pictures, *load(str(TINY))))
    query = "SELECT image_id, answer, completion_tokens FROM calls WHERE problem IS NULL ORDER BY image_id"
    answers = [tuple(row) for row in open_for_reading(tmp_path / "run").execute(query)]
    assert [(name, answer) for name, answer, _ in answers] == [(one.image_id, one.raw) for one in expected]
    assert all(tokens > 0 for _, _, tokens in answers)
    assert [(row["status"], [one["phenomenon"] for one in row["anomalies"]]) for row in ended] == [
        (one.status, [anomaly.phenomenon for anomaly in one.anomalies]) for one in expected
    ]
