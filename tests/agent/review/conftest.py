"""A run to review: what the agent leaves behind, made from scenes of known truth."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.review.desk import Desk
from dataset_builder.scenes import read_scenes
from dataset_builder.schema import Candidate

MakeRun = Callable[..., Path]


def write_run(run: Path, scenes: Path, copies: int = 1) -> Path:
    """A run over a scenes directory: true candidates on the odd pictures, the same ones, wrongly, on their clean twins.

    With `copies`, each candidate stands more often, numbered.
    """
    run.mkdir(parents=True)
    rows = read_scenes(scenes)
    truth = {row.image_id: row.anomalies for row in rows}
    lines = []
    for row in rows:
        source = row.anomalies or truth.get(row.twin_id or "", [])
        candidates = [
            Candidate(
                **(anomaly.model_dump(exclude={"family"}) | {"name": f"{anomaly.name}{f' {n}' if n else ''}"}),
                stage="attributes" if row.anomalies else "relations",
                support=3 if row.anomalies else 1,
            ).model_dump(mode="json")
            for anomaly in source
            for n in range(copies)
        ]
        status = "anomalies" if candidates else "none"
        lines.append(json.dumps({"image_id": row.image_id, "status": status, "anomalies": candidates, "failures": []}))
    (run / "annotations.jsonl").write_text("\n".join(lines) + "\n")
    (run / "run.json").write_text(json.dumps({"version": 1, "plan": "direct", "images": str(scenes / "images")}))
    return run


@pytest.fixture
def run(scenes: Path, tmp_path: Path) -> Path:
    """A run of forty pictures, half of whose candidates are true."""
    return write_run(tmp_path / "run", scenes)


@pytest.fixture
def desk(run: Path) -> Iterator[Desk]:
    desk = Desk(run)
    yield desk
    desk.store.close()
