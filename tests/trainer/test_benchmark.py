"""`anomreason benchmark`: several predictors over one split, ranked; stopped and run again; bad files told in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dataset_builder.build import build
from dataset_builder.errors import InputError
from dataset_builder.scenes import write_scenes
from metric_semap.published import ANOMREASON, DEEPFAKE
from trainer.benchmark.bench import Bench, Budget, Contestant, read_bench
from trainer.benchmark.leaderboard import write_leaderboard
from trainer.benchmark.run import Outcome, local, run

COMMAND = Path(sys.executable).with_name("anomreason")


class Silent:
    """Progress that is not shown."""

    def step(self, text: str) -> None: ...

    def bar(self, text: str, total: int):  # type: ignore[no-untyped-def]
        import contextlib

        return contextlib.nullcontext(lambda done: None)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures, twins among them, all in the test split."""
    root = tmp_path_factory.mktemp("bench")
    write_scenes(root / "scenes", 60, seed=321)
    build(root / "scenes", root / "dataset", recipe=None)
    return root / "dataset"


def _theirs(dataset: Path, path: Path, label: str | None = None) -> Path:
    """Predictions that say the same of every picture."""
    import datasets

    names = datasets.load_dataset(str(dataset), split="test")["image_id"]
    said = {"name": "Odd", "phenomenon": "The red ball hangs in the air.", "reasoning": "Things fall.", "severity": 20}
    rows = [{"image_id": name, "status": "anomalies", "label": label, "anomalies": [said]} for name in names]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_models_and_files_are_ranked_with_intervals_chance_and_published_rows(dataset: Path, tmp_path: Path) -> None:
    """The shipped model beats one constant answer, both stand beside chance, and the published rows say so."""
    theirs = _theirs(dataset, tmp_path / "theirs.jsonl", "fake")
    bench = Bench(
        dataset=str(dataset),
        encoder="minilm",
        bootstrap=50,
        models={"tiny": Contestant(model="tiny"), "constant": Contestant(predictions=theirs)},
    )
    result = run(bench, tmp_path / "out", local(Silent()))
    paths = write_leaderboard(result, tmp_path / "out")
    board = json.loads(paths[0].read_text(encoding="utf-8"))
    rows = board["explained"]["rows"]
    assert [row["name"] for row in rows] == ["tiny", "constant"]
    first, second = (row["scores"]["SemAP_Full"] for row in rows)
    assert first["low"] <= first["value"] <= first["high"]
    assert first["value"] > first["chance"]
    assert first["value"] > second["value"]
    assert rows[0]["seconds_per_picture"] > 0
    assert rows[1]["false_alarms"] == rows[1]["clean"] > 0
    assert board["explained"]["comparisons"][0]["pictures"] == rows[0]["pictures"]
    assert board["explained"]["published"] == list(ANOMREASON)
    assert board["judged"]["published"] == list(DEEPFAKE)
    assert [row["name"] for row in board["judged"]["rows"]] == ["constant"], "tiny gives no verdict"
    for page in paths[1:]:
        assert "published" in page.read_text(encoding="utf-8")


def test_it_goes_on_after_what_is_answered(dataset: Path, tmp_path: Path) -> None:
    """Rows that are there are kept as they are; only the missing pictures are asked about."""
    bench = Bench(
        dataset=str(dataset), encoder="minilm", bootstrap=0, limit=4, models={"tiny": Contestant(model="tiny")}
    )
    run(bench, tmp_path, local(Silent()))
    rows = tmp_path / "predictions" / "tiny" / "preds.jsonl"
    whole = rows.read_text(encoding="utf-8").splitlines()
    marked = json.dumps(json.loads(whole[0]) | {"raw": "kept"})
    rows.write_text(marked + "\n" + whole[1] + "\n" + whole[2][:20], encoding="utf-8")
    run(bench, tmp_path, local(Silent()))
    again = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert [row["image_id"] for row in again] == [json.loads(line)["image_id"] for line in whole]
    assert again[0]["raw"] == "kept"
    with pytest.raises(InputError, match="other settings"):
        run(bench.model_copy(update={"limit": 5}), tmp_path, local(Silent()))


def test_a_budget_is_shared_and_what_it_stopped_is_named(dataset: Path, tmp_path: Path) -> None:
    """The second endpoint gets what the first left; one that could not finish is not scored."""
    given: list[Budget] = []

    def predict(name: str, contestant: Contestant, bench: Bench, budget: Budget, path: Path) -> Outcome:
        given.append(budget)
        path.parent.mkdir(parents=True)
        _theirs(dataset, path.with_suffix(".jsonl"))
        return Outcome(finished=name == "first", usd=3.0, calls=7)

    models = {name: Contestant(model="some", base_url="http://127.0.0.1:1/v1") for name in ("first", "second")}
    bench = Bench(dataset=str(dataset), encoder="minilm", bootstrap=0, budget=Budget(usd=4, calls=100), models=models)
    result = run(bench, tmp_path, predict)
    assert [(budget.usd, budget.calls, budget.tokens) for budget in given] == [(4, 100, None), (1, 93, None)]
    assert result.unfinished == ["second"]
    assert [evaluation.name for evaluation in result.explained.evaluations] == ["first"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("models: {}", "models"),
        ("models: {a: {modle: tiny}}", "models.a.modle"),
        ("models: {a: {}}", "neither model nor predictions"),
        ("models: {a: {model: tiny, predictions: x.json}}", "stands alone"),
        ("models: {a: {model: m, adapter: d, base_url: 'http://h'}}", "endpoint serves the adapter"),
        ("models: {a: {model: tiny}}\nlimit: 0", "limit"),
        ("models: [", "no YAML"),
    ],
)
def test_a_bad_file_is_told_with_its_place(content: str, told: str, tmp_path: Path) -> None:
    """The error names the key that is wrong."""
    path = tmp_path / "bench.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_bench(path)


def test_names_from_a_file_stay_text(dataset: Path, tmp_path: Path) -> None:
    """A name with markup breaks neither the page nor the table."""
    name = "<script>alert(1)</script> | [x](javascript:1)"
    bench = {
        "dataset": str(dataset),
        "encoder": "minilm",
        "bootstrap": 0,
        "models": {name: {"predictions": "theirs.jsonl"}},
    }
    _theirs(dataset, tmp_path / "theirs.jsonl")
    (tmp_path / "bench.yaml").write_text(yaml.safe_dump(bench), encoding="utf-8")
    done = subprocess.run(
        [COMMAND, "benchmark", tmp_path / "bench.yaml", "--out", tmp_path / "out"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "leaderboard.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    table = (tmp_path / "out" / "leaderboard.md").read_text(encoding="utf-8")
    assert "\\<script\\>" in table
    assert "\\[x\\](javascript:1)" in table
