"""Quickstart, on fewer pictures: its files, and its scores recomputed from its prediction files with other code."""

import json
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import datasets
import pytest

from dataset_builder import owned
from dataset_builder.scenes import FAMILIES, read_scenes
from trainer.quickstart import FAMILY, quickstart


class Recorded:
    """Progress that notes the headings, and how far each bar came."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.bars: list[tuple[int, int]] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Any]:
        reached = [0]
        yield lambda done: reached.__setitem__(0, done)
        self.bars.append((reached[0], total))


class Ran(NamedTuple):
    """Where quickstart ran, and what it told."""

    place: Path
    metrics: dict[str, Any]
    progress: Recorded


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Quickstart on 48 scenes in an empty directory, with a cache of its own."""
    place, progress = tmp_path_factory.mktemp("quickstart"), Recorded()
    with chdir(place), mock.patch.object(datasets.config, "HF_DATASETS_CACHE", place / "cache"):
        metrics = quickstart(progress, pictures=48)
    return Ran(place, json.loads(json.dumps(metrics)), progress)


def test_it_leaves_what_it_promises(ran: Ran) -> None:
    """Dataset, metrics, both prediction files, adapter and report are there, and every bar came to its end."""
    place, metrics, progress = ran
    expected = {"metrics.json", "preds_base.json", "preds_tuned.json", "report.html", "adapter", "scenes"}
    assert expected <= {path.name for path in (place / "demo").iterdir()}
    assert json.loads((place / "demo" / "metrics.json").read_text()) == metrics
    assert {"base", "tuned", "constant", "chance", "hits", "false_alarms", "signature"} <= metrics.keys()
    assert metrics["signature"].startswith("semap:")
    assert len(progress.steps) == 6
    assert all(reached == total for reached, total in progress.bars)
    assert len(progress.bars) == 3


def test_its_counts_follow_from_its_prediction_files(ran: Ran) -> None:
    """Hits and false alarms, counted again from the official-form files and the scenes' truth."""
    place, metrics, _ = ran
    names = FAMILIES[FAMILY].names
    rows = {row.image_id: row for row in read_scenes(place / "demo" / "scenes")}
    for key in ("base", "tuned"):
        predictions = json.loads((place / "demo" / f"preds_{key}.json").read_text())
        told = {name: any(record["Name"] in names for record in records) for name, records in predictions.items()}
        scenes = [name for name in predictions if any(a.family == FAMILY for a in rows[name].anomalies)]
        twins = [str(rows[name].twin_id) for name in scenes]
        assert metrics[key]["hits"] == [sum(told[name] for name in scenes), len(scenes)]
        assert metrics[key]["false_alarms"] == [sum(told[name] for name in twins), len(twins)]
    assert metrics["hits"] == metrics["tuned"]["hits"]


def test_its_semap_follows_from_bert_score_itself(ran: Ran) -> None:
    """SemAP_Full of the tuned predictions, pair by pair with bert-score's own scorer and a plain greedy loop."""
    from bert_score import BERTScorer

    from metric_semap.encoder import resolve_encoder

    place, metrics, _ = ran
    scorer = BERTScorer(model_type=str(resolve_encoder("minilm").source), num_layers=5)
    rows = {row.image_id: row for row in read_scenes(place / "demo" / "scenes")}
    predictions = json.loads((place / "demo" / "preds_tuned.json").read_text())
    per_image = []
    for name, records in predictions.items():
        truth = rows[name].anomalies
        if not truth:
            continue
        pairs = []
        for p, record in enumerate(records):
            for r, anomaly in enumerate(truth):
                texts = [(record["Observed Phenomenon"], anomaly.phenomenon), (record["Reasoning"], anomaly.reasoning)]
                # An empty text is similar to nothing; bert-score itself fails on one.
                f1 = [float(scorer.score([a], [b])[2].clamp(0, 1)) if a else 0.0 for a, b in texts]
                pairs.append((-sum(f1) / 2, p, r))
        matched: list[float] = []
        used_p: set[int] = set()
        used_r: set[int] = set()
        for negative, p, r in sorted(pairs):
            if p not in used_p and r not in used_r:
                used_p.add(p)
                used_r.add(r)
                matched.append(-negative)
        precision = [sum(s >= t for s in matched) / len(records) if records else 0.0 for t in (0.7, 0.8, 0.9)]
        per_image.append(sum(precision) / 3)
    assert metrics["tuned"]["SemAP_Full"] == pytest.approx(sum(per_image) / len(per_image), abs=1e-4)


def test_the_report_holds_everything_it_shows(ran: Ran) -> None:
    """The page names no file or address outside itself."""
    page = (ran[0] / "demo" / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "http://" not in page
    assert "https://" not in page
    assert 'src="/' not in page


def test_it_can_be_run_again(ran: Ran) -> None:
    """The dataset it made is recognised as its own and may be replaced."""
    for name in ("anomreason", "demo"):
        owned.check(ran[0] / name, "quickstart")
    owned.check(ran[0] / "demo" / "adapter", "train")
    owned.check(ran[0] / "demo" / "scenes", "scenes")
