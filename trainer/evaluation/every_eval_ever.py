"""A benchmark's result as records of Every Eval Ever: a file for each model, and another with a row for each picture and score.

The schema (https://github.com/evaleval/every_eval_ever, 0.3.0) is that of a public collection of evaluations, so files lie where
they lie there: `data/anomreason/DEVELOPER/MODEL/UUID.json` and `UUID_samples.jsonl`. The same result has the same names again.

A row says how a picture's answer was read and scored. `is_correct`, which the schema asks for, is whether the score is 1.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dataset_builder.contestants import Contestant
from dataset_builder.prompts import PROMPTS
from dataset_builder.publishing.hub import is_repo_id
from metric_semap.anomalies import Quadruplet
from metric_semap.results import Evaluation
from metric_semap.scores import Estimate
from trainer.evaluation.bench import Bench
from trainer.evaluation.bench_run import Result
from trainer.evaluation.names import file_name

__all__ = ["every_eval_ever"]

SCHEMA = "0.3.0"
COLLECTION = "anomreason"
Record = dict[str, Any]


@dataclass(frozen=True)
class _Model:
    """A model of the benchmark: its name there, what it is, its id on the Hub or one made of the evaluator's name."""

    name: str
    contestant: Contestant
    id: str

    @classmethod
    def of(cls, name: str, contestant: Contestant, evaluator: str) -> "_Model":
        for place in (contestant.adapter, contestant.model):
            if place and is_repo_id(place) and not Path(place).exists():
                return cls(name, contestant, place)
        return cls(name, contestant, f"{file_name(evaluator)}/{file_name(name)}")

    def info(self) -> Record:
        local = self.contestant.predictions is None and not self.contestant.is_remote
        details = {
            "deployment_type": "self_deployed" if local else "unknown",
            "model_availability": "open_weights" if local else "unknown",
        }
        return {"name": self.name, "id": self.id, "additional_details": details}


def every_eval_ever(result: Result, evaluator: str) -> dict[str, str]:
    """The files of a result by their paths.

    Args:
        result (`Result`): the benchmark's.
        evaluator (`str`): the organization that evaluates, as the records name it.
    """
    boards = [("anomreason", result.explained), ("anomreason_deepfake", result.judged)]
    files: dict[str, str] = {}
    for name, contestant in result.bench.models.items():
        found = [(task, one) for task, board in boards if board for one in board.evaluations if one.name == name]
        if found:
            model = _Model.of(name, contestant, evaluator)
            files |= _files(model, found, result, evaluator)
    return files


def _files(model: _Model, found: list[tuple[str, Evaluation]], result: Result, evaluator: str) -> dict[str, str]:
    results = [one for task, evaluation in found for one in _results(task, evaluation, result.bench)]
    content = json.dumps([model.id, results], sort_keys=True)
    run = hashlib.sha256(content.encode()).digest()
    identity = f"{COLLECTION}/{model.id}/{run.hex()[:16]}"
    answers = result.answers.get(model.name, {})
    rows = [
        row | {"schema_version": SCHEMA, "evaluation_id": identity, "model_id": model.id}
        for task, evaluation in found
        for row in _rows(task, evaluation, answers)
    ]
    samples = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = f"data/{COLLECTION}/{model.id}/{uuid.UUID(bytes=run[:16], version=4)}"
    log = {
        "schema_version": SCHEMA,
        "evaluation_id": identity,
        "retrieved_timestamp": str(int(time.time())),
        "source_metadata": {
            "source_name": "anomreason benchmark",
            "source_type": "evaluation_run",
            "source_organization_name": evaluator,
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "anomreason", "version": version("anomreason")},
        "model_info": model.info(),
        "evaluation_results": results,
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": f"{path}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(samples.encode()).hexdigest(),
            "total_rows": len(rows),
        },
    }
    return {
        f"{path}.json": json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        f"{path}_samples.jsonl": samples,
    }


def _results(task: str, evaluation: Evaluation, bench: Bench) -> Iterator[Record]:
    """The headline scores, and what is given with them: false alarms, and answers that could not be read."""
    scores, counts = evaluation.scores, evaluation.scores.counts
    said = {name: of for name, of in scores.headlines().items() if name == "accuracy" or name.endswith("_Full")}
    said |= {name: of for name, of in scores.calibrated_estimates().items() if name.endswith("_Full")}
    for name, estimate in said.items():
        if estimate.value == estimate.value:  # NaN where the encoder has no calibration
            pictures = scores.verdicts.pictures if name == "accuracy" and scores.verdicts else counts.scored
            yield _result(task, name, estimate, pictures, scores.signature, bench)
    if task == "anomreason":
        if counts.clean:
            alarms = Estimate(counts.false_alarm_rate)
            yield _result(task, "false_alarm_rate", alarms, counts.clean, scores.signature, bench, lower=True)
        unreadable = Estimate(evaluation.coverage.failed / counts.images)
        yield _result(task, "unreadable", unreadable, counts.images, scores.signature, bench, lower=True)


def _result(
    task: str, score: str, estimate: Estimate, pictures: int, signature: str, bench: Bench, *, lower: bool = False
) -> Record:
    uncertainty: Record = {"num_samples": pictures}
    if estimate.low is not None:
        uncertainty["confidence_interval"] = {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": 0.95,
            "method": "jackknife over clusters of pictures",
        }
    chance = {} if estimate.chance != estimate.chance else {"chance": f"{estimate.chance:.6f}"}
    return {
        "evaluation_result_id": f"{task}.{score}",
        "evaluation_name": task,
        "source_data": _source(bench),
        "metric_config": {
            "metric_id": f"{COLLECTION}.{score}",
            "metric_name": score,
            "metric_unit": "proportion",
            "lower_is_better": lower,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 1,
            "additional_details": {"signature": signature},
        },
        "score_details": {"score": estimate.value, "uncertainty": uncertainty, "details": chance},
    }


def _source(bench: Bench) -> Record:
    if is_repo_id(bench.dataset) and not Path(bench.dataset).exists():
        return {
            "dataset_name": COLLECTION,
            "source_type": "hf_dataset",
            "hf_repo": bench.dataset,
            "hf_split": bench.split,
        }
    details = {"name": Path(bench.dataset).name, "split": bench.split}
    return {"dataset_name": COLLECTION, "source_type": "other", "additional_details": details}


def _rows(task: str, evaluation: Evaluation, answers: Mapping[str, str]) -> Iterator[Record]:
    """A row for each picture that counts, under SemF1 and under SemAP in the view of both texts."""
    prefix = evaluation.scores.prefix
    for picture in evaluation.measurement.pictures:
        name = evaluation.images[picture.index]
        said, true = (_texts(side[picture.index]) for side in (evaluation.predictions, evaluation.references))
        asked = {"raw": PROMPTS["anomalies"], "reference": true}
        read = json.dumps([json.loads(one) for one in said], ensure_ascii=False)
        content = json.dumps(asked, sort_keys=True, separators=(",", ":"))  # hashed as the schema's own converters do
        for score, of in (("SemF1", picture.semf1), ("SemAP", picture.semap)):
            yield {
                "evaluation_name": task,
                "evaluation_result_id": f"{task}.{prefix}{score}_Full",
                "sample_id": name,
                "sample_hash": hashlib.sha256(content.encode()).hexdigest(),
                "interaction_type": "single_turn",
                "input": asked,
                "output": {"raw": [answers.get(name, read)]},
                "answer_attribution": [
                    {
                        "turn_idx": 0,
                        "source": "output.raw",
                        "extracted_value": read,
                        "extraction_method": "dataset_builder.parse_answer",
                        "is_terminal": True,
                    }
                ],
                "evaluation": {"score": of["Full"], "is_correct": of["Full"] == 1.0},
            }


def _texts(anomalies: Any) -> list[str]:
    return [json.dumps(_plain(one), ensure_ascii=False) for one in anomalies]


def _plain(one: Quadruplet) -> Record:
    return {"name": one.name, "phenomenon": one.phenomenon, "reasoning": one.reasoning, "severity": one.severity}
