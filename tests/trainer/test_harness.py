"""The benchmark in other harnesses: the questions, what lmms-eval, Inspect and VLMEvalKit call, and one score for all.

The harnesses themselves are run by `make soak`; here their side is played by what their documentation says they call.
"""

import importlib
import json
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import datasets
import pytest
import yaml
from packaging.requirements import Requirement

from agent import loops
from dataset_builder.prompts import PROMPTS, TASKS
from dataset_builder.textform import write_answer
from metric_semap.evaluation import score_pictures
from metric_semap.measurement import Options
from metric_semap.records import read_records
from tests.word_similarity import WordSimilarity
from trainer.evaluation.bench import Bench
from trainer.evaluation.harness import hub_job, lmms_eval_tasks, scoring
from trainer.evaluation.harness.lmms_eval_tasks import utils
from trainer.evaluation.harness.scoring import EXPLAINED, JUDGED, Answered, asked, measured

FOLDER = Path(str(lmms_eval_tasks.__file__)).parent


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Similarities that need no encoder."""
    monkeypatch.setattr(scoring, "BertScoreSimilarity", WordSimilarity)
    measured.cache_clear()


@pytest.fixture(scope="module")
def rows(dataset: Path) -> datasets.Dataset:
    """The test split of the scenes, both labels."""
    return datasets.load_dataset(str(dataset), "deepfake", split="test")


def test_each_picture_is_asked_each_question_in_turn(rows: datasets.Dataset) -> None:
    """With the prompt of the question; a generated picture that nobody annotated is not asked about."""
    twice = asked(rows, TASKS["both"])
    assert [(row["image_id"], row["question"]) for row in twice.remove_columns("image")] == [
        (name, question) for name in rows["image_id"] for question in ("verdict", "anomalies")
    ]
    assert all(row["prompt"] == PROMPTS[row["question"]] for row in twice.remove_columns("image"))
    assert twice[0]["image"].size == rows[0]["image"].size
    plain = {"image_id": ["a", "b", "c"], "label": [1, 1, 0], "anomalies": [None, [], None]}
    assert asked(datasets.Dataset.from_dict(plain), TASKS["anomalies"])["image_id"][:] == ["b", "c"]


def answers(rows: datasets.Dataset, questions: Any, said: Any) -> list[Answered]:
    """What `said` answers to each row and question."""
    return [Answered.to(row, said(row)) for row in asked(rows, questions).remove_columns("image")]


def quoted(row: dict[str, Any]) -> str:
    """A model that finds the first anomaly of each picture and thinks that all were generated."""
    if row["question"] == "verdict":
        return "Yes, it was."
    anomalies = row["anomalies"][:1]
    return json.dumps([{key: one[key] for key in ("name", "phenomenon", "reasoning", "severity")} for one in anomalies])


def test_answers_are_scored_as_the_benchmark_scores_them(rows: datasets.Dataset, tmp_path: Path) -> None:
    """The same numbers and the same signature as prediction files with the same answers, in both tasks."""
    truth, said = tmp_path / "truth.jsonl", tmp_path / "said.jsonl"
    kept = list(asked(rows, TASKS["anomalies"]).remove_columns("image"))
    names = ["real", "fake"]
    truth.write_text(
        "".join(
            json.dumps(row | {"label": names[row["label"]], "anomalies": row["anomalies"] or []}) + "\n" for row in kept
        )
    )
    said.write_text(
        "".join(
            json.dumps({"image_id": row["image_id"], "label": "fake", "anomalies": json.loads(quoted(row))}) + "\n"
            for row in kept
        )
    )
    pictures, references = read_records(said, "prediction"), read_records(truth, "reference")
    similarity: Any = WordSimilarity()
    for questions, configuration, score in (
        ("anomalies", "default", "SemF1_Full"),
        ("both", "deepfake", "CSemF1_Full"),
    ):
        board = score_pictures({"said": pictures}, references, similarity, Options(empty="skip"), configuration)
        scores = board.evaluations[0].scores
        found = measured(tuple(answers(rows, TASKS[questions], quoted)))  # type: ignore[index]
        assert found[score] == scores.full.semf1.value
        assert found["signature"] == scores.signature
    assert found["accuracy"] == sum(row["label"] for row in kept) / len(kept)
    assert found["CSemAP_Full"] == scores.full.semap.value


def test_what_cannot_be_read_is_told(rows: datasets.Dataset) -> None:
    """Unreadable answers are a share and count as empty; a failed request is one; what is undefined is NaN."""
    failed = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Connection error."
    found = measured(tuple(answers(rows, TASKS["anomalies"], lambda row: failed)))
    assert (found["unreadable"], found["SemF1_Full"], found["false_alarm_rate"]) == (1.0, 0.0, 0.0)
    assert math.isnan(found["SemF1C_Full"])
    clean = write_answer([])
    found = measured(tuple(answers(rows, TASKS["anomalies"], lambda row: clean)))
    assert found["unreadable"] == 0.0
    assert all(math.isnan(number) for number in measured(()).values())
    verdicts = tuple(one for one in answers(rows, TASKS["both"], quoted) if one.question == "verdict")
    assert math.isnan(measured(verdicts)["CSemF1_Full"])


class _Loader(yaml.SafeLoader):
    """Reads `!function utils.NAME` as lmms-eval does: a function of the file beside."""


def _function(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    module, name = str(loader.construct_scalar(node)).split(".")
    assert module == "utils"
    return getattr(utils, name)


_Loader.add_constructor("!function", _function)


@pytest.mark.parametrize(("task", "reported"), [("anomreason", EXPLAINED), ("anomreason_deepfake", JUDGED)])
def test_the_tasks_of_lmms_eval_report_every_metric(task: str, reported: tuple[str, ...], dataset: Path) -> None:
    """The YAML names what is there: configuration, split, functions; each metric's aggregation gives its own number."""
    assert utils.dataset == "anomreason"
    config = yaml.load((FOLDER / f"{task}.yaml").read_text(encoding="utf-8"), _Loader)
    assert config["task"] == task
    assert [one["metric"] for one in config["metric_list"]] == list(reported)
    split = datasets.load_dataset(str(dataset), config["dataset_name"], split=config["test_split"])
    docs = config["process_docs"](split)
    assert {config["doc_to_text"], config["doc_to_target"]} <= set(docs.column_names)
    (picture,) = config["doc_to_visual"](docs[0])
    assert (picture.mode, picture.size) == ("RGB", docs[0]["image"].size)
    results = [config["process_results"](doc, [quoted(doc)]) for doc in docs.remove_columns("image")]
    assert str(results[0][reported[0]]) == f"{docs[0]['image_id']} ({docs[0]['question']})"
    for one in config["metric_list"]:
        value = one["aggregation"]([result[one["metric"]] for result in results])
        assert isinstance(value, str if one["metric"] == "signature" else (int, float))
    worse = {one["metric"] for one in config["metric_list"] if not one["higher_is_better"]}
    assert worse == {"false_alarm_rate", "unreadable", "verdicts_missing"} & set(reported)


def test_other_names_of_the_functions_are_an_error() -> None:
    """A metric that is not reported has no aggregation."""
    with pytest.raises(AttributeError, match="SemAP_Phe"):
        _ = utils.SemAP_Phe


def test_the_place_of_the_tasks_is_printed() -> None:
    """For `--include_path`; an unknown harness is told."""
    line = [sys.executable, "-m", "trainer.evaluation.harness"]
    done = subprocess.run([*line, "lmms-eval"], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == FOLDER
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "lmms-eval, inspect, vlmevalkit, hub-job" in done.stderr


@pytest.fixture
def inspect_tasks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module for Inspect, with decorators that return what they decorate and classes that keep what they are given."""

    def plain(*given: Any, **options: Any) -> Any:
        return given[0] if given and callable(given[0]) else lambda function: function

    class Kept(SimpleNamespace):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(given=given, **named)

    fakes = {
        "inspect_ai": ["Task", "task"],
        "inspect_ai.dataset": ["MemoryDataset", "Sample"],
        "inspect_ai.model": ["ChatMessageUser", "ContentImage", "ContentText", "GenerateConfig"],
        "inspect_ai.scorer": ["Metric", "SampleScore", "Score", "Scorer", "Target", "Value", "metric", "scorer"],
        "inspect_ai.solver": ["TaskState", "generate"],
    }
    for name, members in fakes.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, plain if member[0].islower() else Kept)
        monkeypatch.setitem(sys.modules, name, module)
    yield importlib.import_module("trainer.evaluation.harness.inspect_tasks")
    del sys.modules["trainer.evaluation.harness.inspect_tasks"]


def test_the_tasks_of_inspect_ask_and_score_the_same(inspect_tasks: Any, dataset: Path, rows: datasets.Dataset) -> None:
    """The picture before the prompt; all answers are scored together."""
    made = inspect_tasks.anomreason_deepfake(str(dataset))
    (samples,) = made.dataset.given
    assert len(samples) == 2 * len(rows)
    picture, text = samples[0].input[0].content
    assert Path(picture.image).read_bytes().startswith(b"\x89PNG")
    assert text.text == PROMPTS["verdict"]

    def kept(sample: Any) -> Any:
        output = SimpleNamespace(completion=quoted(sample.metadata))
        state = SimpleNamespace(metadata=sample.metadata, output=output)
        return SimpleNamespace(score=loops.run(made.scorer(state, None)))

    numbers = inspect_tasks.judged_scores()([kept(sample) for sample in samples])
    expected = measured(tuple(answers(rows, TASKS["both"], quoted)))
    assert numbers == {name: expected[name] for name in JUDGED if name != "signature"}


@pytest.fixture
def vlmeval_tasks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module for VLMEvalKit, with a base class that does as its own does: it keeps the name and what `load_data` gave."""

    class Base:
        def __init__(self, dataset: str) -> None:
            self.dataset_name, self.data = dataset, self.load_data(dataset)  # type: ignore[attr-defined]

    kit = ModuleType("vlmeval")
    parts: dict[str, dict[str, Any]] = {
        "run": {},
        "dataset": {"DATASET_CLASSES": []},
        "dataset.image_base": {"ImageBaseDataset": Base},
        "smp": {
            "dump": lambda content, path: Path(path).write_text(json.dumps(content)),
            "get_intermediate_file_path": lambda path, suffix, form: path.replace(".tsv", f"{suffix}.{form}"),
        },
    }
    monkeypatch.setitem(sys.modules, "vlmeval", kit)
    for name, members in parts.items():
        module = ModuleType(f"vlmeval.{name}")
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, f"vlmeval.{name}", module)
        setattr(kit, name, module)
    yield importlib.import_module("trainer.evaluation.harness.vlmeval_tasks")
    del sys.modules["trainer.evaluation.harness.vlmeval_tasks"]


def test_the_tasks_of_vlmevalkit_ask_and_score_the_same(
    vlmeval_tasks: Any, dataset: Path, rows: datasets.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row for each question; of the file with the answers, which it writes, an answer `None` is read as it was given."""
    monkeypatch.setenv("ANOMREASON_DATASET", str(dataset))
    assert vlmeval_tasks.AnomReason.supported_datasets() == ["anomreason", "anomreason_deepfake"]
    made = vlmeval_tasks.AnomReason("anomreason_deepfake")
    assert made.force_use_dataset_prompt
    assert list(made.data["question"][:2]) == [PROMPTS["verdict"], PROMPTS["anomalies"]]
    assert Path(made.data["image_path"][0]).read_bytes().startswith(b"\x89PNG")

    def said(row: dict[str, Any]) -> str:
        return "None" if row["image_id"] == rows[0]["image_id"] else quoted(row)

    given = answers(rows, TASKS["both"], said)
    file = tmp_path / "simulated_anomreason_deepfake.tsv"
    made.data.assign(prediction=[one.answer for one in given]).to_csv(file, sep="\t", index=False)
    expected = measured(tuple(given))
    found = made.evaluate(str(file), nproc=4)
    assert found == {name: expected[name] for name in JUDGED}
    assert (
        json.loads(file.with_name("simulated_anomreason_deepfake_score.json").read_text())["accuracy"]
        == found["accuracy"]
    )
    assert made.report_primary_metric(found) == {"CSemF1_Full": expected["CSemF1_Full"]}


def test_the_job_says_what_it_needs_and_what_it_compares(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its head is inline metadata (PEP 723) that names our extra; its options make a bench; without a token it does not begin."""
    head = re.search(r"(?m)^# /// script\n((?:# ?.*\n)+?)# ///$", Path(hub_job.__file__).read_text(encoding="utf-8"))
    assert head
    content = tomllib.loads(re.sub(r"(?m)^# ?", "", head[1]))
    (needed,) = map(Requirement, content["dependencies"])
    assert (needed.name, needed.extras) == ("anomreason", {"demo"})
    options = SimpleNamespace(
        model="org/model", adapter=None, dataset="org/data", config=None, split="test", limit=20, encoder="minilm"
    )
    bench = Bench.model_validate(hub_job.bench(options))  # type: ignore[arg-type]
    assert (bench.dataset, bench.limit, bench.models["org--model"].model) == ("org/data", 20, "org/model")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    line = ["--model", "org/model", "--dataset", "org/data", "--results"]
    assert hub_job.main([*line, "org/results"]) == hub_job.main([*line, "results"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert "HF_TOKEN" in told[0]
    assert "write ORG/NAME" in told[1]
