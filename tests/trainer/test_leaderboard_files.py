"""What a benchmark writes for others to read: scores for the Hub's leaderboards, and records of Every Eval Ever."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from dataset_builder.contestants import Outcome
from metric_semap.evaluation import score_pictures
from metric_semap.measurement import Options
from metric_semap.records import read_records
from tests.word_similarity import WordSimilarity
from trainer.evaluation.bench import Bench
from trainer.evaluation.bench_run import Result, Standing
from trainer.evaluation.every_eval_ever import every_eval_ever
from trainer.evaluation.leaderboard import write_leaderboard

FILES = Path(__file__).parents[1] / "metric_semap" / "score_files"
MODELS = {"good": {"model": "org/good"}, "po|or": {"predictions": "poor.jsonl"}}
RAW = '[{"name": "cup", …'


@pytest.fixture(scope="module")
def result() -> Result:
    """Two models on a dataset of the Hub, in both tasks."""
    truth = read_records(FILES / "truth.jsonl", "reference")
    said = {
        name: read_records(FILES / f"{file}.jsonl", "prediction")
        for name, file in (("good", "good"), ("po|or", "poor"))
    }
    words: Any = WordSimilarity()
    options = Options(empty="skip")
    boards = [score_pictures(said, truth, words, options, task) for task in ("default", "deepfake")]
    standings = {name: Standing(0.0, 0.0, None, None, Outcome()) for name in said}
    bench = Bench.model_validate({"dataset": "org/anomreason", "models": MODELS})
    return Result(bench, boards[0], boards[1], standings, {}, {"good": {"kitchen.jpg": RAW}})


def test_a_dataset_of_the_hub_gives_scores_for_its_leaderboards(result: Result, tmp_path: Path) -> None:
    """A file for each model, with the signature of each task; a local dataset has no leaderboard, and gives none."""
    written = [path.relative_to(tmp_path).as_posix() for path in write_leaderboard(result, tmp_path)]
    files = [name for name in written if name.startswith(".eval_results/")]
    assert len(files) == 2
    entries = parse_eval_result_entries(yaml.safe_load((tmp_path / ".eval_results" / "good.yaml").read_text()))
    assert {entry.dataset_id for entry in entries} == {"org/anomreason"}
    notes = {entry.task_id: entry.notes for entry in entries}
    assert notes.keys() == {"SemF1_Full", "SemAP_Full", "CSemF1_Full", "CSemAP_Full", "accuracy"}
    assert result.judged is not None
    assert notes["SemF1_Full"].endswith(result.explained.evaluations[0].scores.signature)
    assert notes["CSemF1_Full"].endswith(result.judged.evaluations[0].scores.signature)
    local = replace(result, bench=result.bench.model_copy(update={"dataset": str(tmp_path)}))
    assert len(write_leaderboard(local, tmp_path / "local")) == 3


def test_records_of_every_eval_ever_hold_scores_and_pictures(result: Result) -> None:
    """A log and its rows for each model: identities and checksum agree, rows have the score as their mean, and answers verbatim."""
    files = every_eval_ever(result, "My Lab")
    logs = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    assert {name.rpartition("/")[0] for name in logs} == {"data/anomreason/org/good", _ours("My Lab", "po|or")}
    for name, log in logs.items():
        detail = log["detailed_evaluation_results"]
        assert detail["file_path"] == name.removesuffix(".json") + "_samples.jsonl"
        samples = files[detail["file_path"]]
        assert detail["checksum"] == hashlib.sha256(samples.encode()).hexdigest()
        rows = [json.loads(line) for line in samples.splitlines()]
        assert detail["total_rows"] == len(rows)
        assert {(row["evaluation_id"], row["model_id"]) for row in rows} == {
            (log["evaluation_id"], log["model_info"]["id"])
        }
        for one in log["evaluation_results"]:
            score, config = one["score_details"]["score"], one["metric_config"]
            assert config["min_score"] <= score <= config["max_score"]
            of = [
                row["evaluation"]["score"] for row in rows if row["evaluation_result_id"] == one["evaluation_result_id"]
            ]
            if of:
                assert sum(of) / len(of) == pytest.approx(score)
        assert {row["evaluation_result_id"] for row in rows} <= {
            one["evaluation_result_id"] for one in log["evaluation_results"]
        }
        assert log["source_metadata"]["source_organization_name"] == "My Lab"
    (good,) = [name for name in logs if "/org/good/" in name]
    kitchen = next(row for row in map(json.loads, files[good[:-5] + "_samples.jsonl"].splitlines()))
    assert (kitchen["sample_id"], kitchen["output"]["raw"]) == ("kitchen.jpg", [RAW])
    assert json.loads(kitchen["answer_attribution"][0]["extracted_value"])[0]["name"] == "cup"
    lower = {
        one["metric_config"]["metric_name"]: one["metric_config"]["lower_is_better"]
        for one in logs[good]["evaluation_results"]
    }
    assert lower == {
        "SemAP_Full": False, "SemF1_Full": False, "false_alarm_rate": True, "unreadable": True,
        "accuracy": False, "CSemAP_Full": False, "CSemF1_Full": False,
    }  # fmt: skip


def _ours(organization: str, name: str) -> str:
    from trainer.evaluation.names import file_name

    return f"data/anomreason/{file_name(organization)}/{file_name(name)}"


def test_the_same_result_has_the_same_names(result: Result) -> None:
    """UUIDs of version 4, as the schema asks, made of the content: exporting again replaces, another score does not."""
    first, again = every_eval_ever(result, "org"), every_eval_ever(result, "org")
    assert first.keys() == again.keys()
    assert all(
        re.search(r"/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}[._]", name) for name in first
    )
    other = replace(result, judged=None)
    assert not every_eval_ever(other, "org").keys() & first.keys()
