"""The same answers through every harness, each run by its own command in an environment of its own (`make harnesses`).

The simulated model's answer depends on the picture and the prompt alone, so whatever asks it about the same pictures with the same
prompts is given the same answers, and the scores have to agree.
"""

import json
import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import datasets
import httpx2
import jsonschema
import pytest
import yaml

from agent.simulated import serve
from dataset_builder.building.build import build
from dataset_builder.data_url import data_url
from dataset_builder.pictures import encode, prepare
from dataset_builder.predictions import Prediction
from dataset_builder.prompts import TASKS
from dataset_builder.scenes import write_scenes
from tests.conftest import REPOSITORY
from tests.loopback_hub import LoopbackHub
from trainer.evaluation import harness
from trainer.evaluation.harness.scoring import EXPLAINED, JUDGED, asked

pytestmark = pytest.mark.soak

FOLDER = Path(str(harness.__file__)).parent
OURS = Path(sys.executable).parents[1].name
LIMIT = 1800  # seconds a command: most of them are what importing a harness takes on a busy machine
Way = Callable[[Path, str, str], dict[str, Any]]
COMPARED = {
    task: [name for name in reported if name != "signature"]
    for task, reported in (("anomreason", EXPLAINED), ("anomreason_deepfake", JUDGED))
}


def run(environment: str, *command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of an environment's, offline, with the offline encoder."""
    program = REPOSITORY / environment / "bin" / command[0]
    assert program.exists(), f"{program}: is missing; run `make harnesses`"
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": str(cwd / "home"),
        "SEMAP_ENCODER": "minilm",
    }
    done = subprocess.run(
        [str(program), *command[1:]],
        cwd=cwd,
        env=os.environ | offline | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes and the dataset built from them, whose test split has 100 pictures."""
    place = tmp_path_factory.mktemp("harnesses")
    write_scenes(place / "scenes", 560, seed=26)
    build(place / "scenes", place / "anomreason", split="test", limit=50, recipe=None)
    return place


@contextmanager
def model(place: Path, **faults: float) -> Iterator[str]:
    """A fresh simulated model: its faults depend on how often it was asked the same."""
    with serve(place / "scenes", miss=0.2, hallucinate=0.2, **faults) as base_url:
        yield base_url


def lmms_eval(place: Path, task: str, base_url: str) -> dict[str, Any]:
    out = place / f"lmms-{task}"
    told = f"model_version=simulated,base_url={base_url},api_key=none"
    line = [
        "python",
        "-m",
        "lmms_eval",
        "--model",
        "openai",
        "--model_args",
        told,
        "--tasks",
        task,
        "--include_path",
        str(FOLDER / "lmms_eval_tasks"),
    ]
    elsewhere = place / f"elsewhere-{task}"  # where ./anomreason is no directory
    elsewhere.mkdir()
    variables = {"OPENAI_API_KEY": "none", "ANOMREASON_DATASET": str(place / "anomreason")}
    run(".venv-lmms-eval", *line, "--output_path", str(out), "--log_samples", cwd=elsewhere, **variables)
    (results,) = out.rglob("*_results.json")
    found = json.loads(results.read_text())["results"][task]
    return {key.partition(",")[0]: value for key, value in found.items()}


def inspect(place: Path, task: str, base_url: str) -> dict[str, Any]:
    out = place / f"inspect-{task}"
    line = [
        "inspect",
        "eval",
        f"{FOLDER / 'inspect_tasks.py'}@{task}",
        "-T",
        f"dataset={place / 'anomreason'}",
        "--model",
        "openai-api/local/simulated",
        "--log-dir",
        str(out),
        "--log-format",
        "json",
    ]
    run(".venv-inspect", *line, "--display", "plain", cwd=place, LOCAL_BASE_URL=base_url, LOCAL_API_KEY="none")
    (log,) = out.glob("*.json")
    metrics = json.loads(log.read_text())["results"]["scores"][0]["metrics"]
    return {name: one["value"] for name, one in metrics.items()}


def benchmark(place: Path, task: str, base_url: str) -> dict[str, Any]:
    """`anomreason benchmark` and `anomreason score` on what it predicted, which prints all numbers."""
    out = place / f"benchmark-{task}"
    bench = {
        "dataset": "anomreason",
        "encoder": "minilm",
        "models": {"served": {"model": "simulated", "base_url": base_url}},
    }
    config = {"config": "deepfake"} if task == "anomreason_deepfake" else {}
    (place / "bench.yaml").write_text(yaml.safe_dump(bench | config))
    run(OURS, "anomreason", "benchmark", "bench.yaml", "--out", str(out), "--every-eval-ever", "My Lab", cwd=place)
    said = out / "predictions" / "served" / "preds.jsonl"
    numbers = score(said, out / "truth.jsonl", out / "scores", *(["--deepfake"] if config else []))
    rows = json.loads((out / "leaderboard.json").read_text())["judged" if config else "explained"]["rows"]
    for name, estimate in rows[0]["scores"].items():
        assert estimate["value"] == pytest.approx(numbers[name], abs=1e-9)
    return numbers


def score(said: Path, true: Path, out: Path, *options: str) -> dict[str, Any]:
    """`anomreason score` on a prediction file, and the share of answers in it that could not be read."""
    line = ["score", str(said), str(true), "--empty", "skip", "--encoder", "minilm", "--out", str(out), *options]
    run(OURS, "anomreason", *line, cwd=out.parent)
    (numbers,) = json.loads((out / "metrics.json").read_text())["results"].values()
    return numbers | {"unreadable": numbers["failed_images"] / numbers["images"]}


def vlmevalkit(place: Path, task: str, base_url: str) -> dict[str, Any]:
    out = place / f"vlmevalkit-{task}"
    line = ["--data", task, "--model", "simulated", "--base-url", base_url, "--key", "none", "--work-dir", str(out)]
    variables = {"ANOMREASON_DATASET": str(place / "anomreason"), "LMUData": str(place)}
    done = run(".venv-vlmevalkit", "python", str(FOLDER / "vlmeval_tasks.py"), *line, cwd=place, **variables)
    written = list(out.rglob("*_score.json"))
    assert written, done.stdout[-4000:]  # an evaluation that fails has no exit code of its own
    return dict(json.loads(written[0].read_text()))


@pytest.fixture(scope="module", params=COMPARED)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def expected(task: str, place: Path) -> dict[str, Any]:
    """What `anomreason benchmark` and `anomreason score` measure of a task."""
    with model(place) as base_url:
        found = benchmark(place, task, base_url)
    assert all(math.isfinite(found[name]) for name in COMPARED[task])
    assert 0 < found[COMPARED[task][0]] < 1
    shown(task, benchmark.__name__, found)
    return found


def shown(task: str, way: str, found: dict[str, Any]) -> None:
    """A row of the table in docs/evaluating.md."""
    print(f"\n{task} by {way}: " + " | ".join(f"{name} {found[name]:.6f}" for name in COMPARED[task]))


@pytest.mark.parametrize("way", [lmms_eval, inspect, vlmevalkit])
def test_the_same_answers_have_the_same_scores_in_every_harness(
    way: Way, task: str, expected: dict[str, Any], place: Path
) -> None:
    """All numbers to 1e-6, on 100 scenes; where a harness takes a text beside them, the signature is the same, too."""
    with model(place) as base_url:
        found = way(place, task, base_url)
    shown(task, way.__name__, found)
    for name in COMPARED[task]:
        assert found[name] == pytest.approx(expected[name], abs=1e-6), name
    assert found.get("signature", expected["signature"]) == expected["signature"]


@pytest.mark.parametrize("way", [lmms_eval, inspect])
def test_answers_that_cannot_be_read_are_told(way: Way, place: Path) -> None:
    """A model that often writes no list: what is reported of it is what its own answers are worth, asked for once each.

    VLMEvalKit sends JPEG, and which answers the simulated model spoils depends on the bytes it is sent.
    """
    worse = place / f"worse-{way.__name__}"
    worse.mkdir()
    (worse / "anomreason").symlink_to(place / "anomreason")
    with model(place, malformed=0.6) as base_url:
        found = way(worse, "anomreason", base_url)
    with model(place, malformed=0.6) as base_url:
        expected = asked_once(worse, base_url)
    shown("anomreason", way.__name__, found)
    assert 0.1 < found["unreadable"] < 0.9
    for name in COMPARED["anomreason"]:
        assert found[name] == pytest.approx(expected[name], abs=1e-6), name


def asked_once(place: Path, base_url: str) -> dict[str, Any]:
    """What `anomreason score` measures of a plain client's answers about the test split."""
    rows = asked(datasets.load_dataset(str(place / "anomreason"), "default", split="test"), TASKS["anomalies"])
    said, true = [], []
    for row in rows:
        picture = data_url(*encode(prepare(row["image"], row["image_id"]).image, lossless=True))
        content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": row["prompt"]}]
        question = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 2048}
        answer = httpx2.post(f"{base_url}/chat/completions", json=question | {"model": "simulated"}, timeout=60)
        text = answer.json()["choices"][0]["message"]["content"]
        said.append(Prediction.from_answer(row["image_id"], text).model_dump_json())
        true.append(json.dumps({"image_id": row["image_id"], "anomalies": row["anomalies"]}))
    (place / "said.jsonl").write_text("\n".join(said))
    (place / "true.jsonl").write_text("\n".join(true))
    return score(place / "said.jsonl", place / "true.jsonl", place / "scores")


def test_the_records_of_every_eval_ever_pass_its_validator(place: Path) -> None:
    """The package's own command and its JSON schemas, on the records that the benchmark wrote, rows included."""
    out = place / "records"
    (out / "predictions").mkdir(parents=True)
    (out / "anomreason").symlink_to(place / "anomreason")
    with model(place) as base_url:
        benchmark(out, "anomreason_deepfake", base_url)
    records = out / "benchmark-anomreason_deepfake" / "every_eval_ever"
    files = sorted(str(path.relative_to(records)) for path in records.rglob("*.json*"))
    assert len(files) == 2
    done = run(".venv-every-eval-ever", "every_eval_ever", "validate", *files, cwd=records)
    print(done.stdout)
    for kind, suffix in (("eval", ".json"), ("instance_level_eval", ".jsonl")):
        (schema,) = (REPOSITORY / ".venv-every-eval-ever").rglob(f"every_eval_ever/schemas/{kind}.schema.json")
        (file,) = records.rglob(f"*{suffix}")
        text = file.read_text()
        for record in [text] if suffix == ".json" else text.splitlines():
            jsonschema.validate(json.loads(record), json.loads(schema.read_text()))


def test_the_job_for_the_hub_benchmarks_and_keeps_the_results(place: Path, tmp_path: Path) -> None:
    """The script with a dataset of the (loopback) Hub: a repository there has the results, scores for leaderboards among them."""
    python, script = sys.executable, str(FOLDER / "hub_job.py")
    with LoopbackHub() as hub:
        environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path), "HF_DATASETS_OFFLINE": "0"}
        line = [python, "-m", "anomreason", "publish", str(place / "anomreason"), "--repo-id", "org/anomreason"]
        subprocess.run(line, cwd=tmp_path, env=environment, check=True, capture_output=True)
        line = [
            python,
            script,
            "--model",
            "tiny",
            "--dataset",
            "org/anomreason",
            "--limit",
            "20",
            "--encoder",
            "minilm",
        ]
        done = subprocess.run(
            [*line, "--results", "org/results"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        files = hub.repositories["dataset", "org/results"].files
    assert {
        "tiny/leaderboard.json",
        "tiny/.eval_results/tiny.yaml",
        "tiny/predictions/tiny/preds.jsonl",
    } <= files.keys()
    (entry, *_) = yaml.safe_load(files["tiny/.eval_results/tiny.yaml"])
    assert entry["dataset"] == {"id": "org/anomreason", "task_id": "SemF1_Full"}


def test_trackio_keeps_what_training_logs(place: Path, tmp_path: Path) -> None:
    """`--report_to trackio`: the loss of each step is in its local database, and nothing was sent anywhere."""
    line = [sys.executable, "-m", "anomreason", "train", "--config", "tiny", "--dataset", str(place / "anomreason")]
    line += ["--dataset_train_split", "test", "--max_steps", "2", "--limit", "8", "--out", str(tmp_path / "out")]
    line += ["--report_to", "trackio", "--project", "anomreason", "--logging_steps", "1"]
    packages = f"{REPOSITORY / '.venv-trackio'}{os.pathsep}{REPOSITORY}"
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio"), "PYTHONPATH": packages, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "trackio" / "anomreason.db")) as kept:
        logged = [json.loads(metrics) for (metrics,) in kept.execute("SELECT metrics FROM metrics ORDER BY id")]
        assert kept.execute("SELECT count(*) FROM pending_uploads").fetchone() == (0,)
    assert sum("train/loss" in one for one in logged) == 2
