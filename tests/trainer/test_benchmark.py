"""`anomreason benchmark`: predictors of every kind, ranked; killed and run again; within a budget; bad files told in one line."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import anomreason
from agent.simulated import serve
from dataset_builder.building.build import build
from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.scenes import write_scenes
from metric_semap.baselines import CONSTANT, DEALT, FIRST
from tests.adapters import make_adapter
from trainer.evaluation.bench import read_bench
from trainer.evaluation.published import ANOMREASON, DEEPFAKE

COMMAND = [sys.executable, "-m", "anomreason", "benchmark"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes, the dataset built from them, whose test split holds both labels, an adapter, and answers that are always the same."""
    root = tmp_path_factory.mktemp("bench")
    write_scenes(root / "scenes", 60, seed=321)
    build(root / "scenes", root / "dataset", recipe=None)
    make_adapter(root / "adapter")
    _constant(root / "dataset", root / "constant.jsonl")
    return root


@pytest.fixture(scope="module")
def endpoint(place: Path) -> Iterator[str]:
    """The simulated model, which errs and takes its time; its base URL."""
    with serve(place / "scenes", miss=0.2, hallucinate=0.2, latency=0.05) as base_url:
        yield base_url


def _constant(dataset: Path, path: Path) -> Path:
    """Predictions that say the same of every picture."""
    return _answers(path, _names(dataset))


def _answers(path: Path, names: list[str]) -> Path:
    said = {"name": "Odd", "phenomenon": "The red ball hangs in the air.", "reasoning": "Things fall.", "severity": 20}
    rows = [{"image_id": name, "status": "anomalies", "label": "fake", "anomalies": [said]} for name in names]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _names(dataset: Path) -> list[str]:
    import datasets

    return list(datasets.load_dataset(str(dataset), split="test")["image_id"])


def bench_file(path: Path, place: Path, models: dict[str, Any], **options: Any) -> Path:
    bench = {"dataset": str(place / "dataset"), "encoder": "minilm", "bootstrap": 50, "models": models} | options
    path.write_text(yaml.safe_dump(bench, sort_keys=False), encoding="utf-8")
    return path


def benchmark(bench: Path, out: Path) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(anomreason.app, ["benchmark", str(bench), "--out", str(out)])


def board(out: Path) -> dict[str, Any]:
    return json.loads((out / "leaderboard.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def model_rows(out: Path, title: str = "explained") -> list[dict[str, Any]]:
    """The rows of the models, without the baselines."""
    return [row for row in board(out)[title]["rows"] if not row["baseline"]]


def calls(endpoint: str) -> int:
    """The requests that the simulated model was sent so far."""
    with urllib.request.urlopen(endpoint.removesuffix("/v1") + "/stats", timeout=30) as answer:
        return int(json.load(answer)["calls"])


def field(place: Path, endpoint: str) -> dict[str, Any]:
    """A predictor of every kind."""
    return {
        "tiny": {"model": "tiny"},
        "adapted": {"adapter": str(place / "adapter")},
        "served": {"model": "simulated", "base_url": endpoint},
        "agent": {"model": "simulated", "base_url": endpoint, "plan": "efficient"},
        "constant": {"predictions": str(place / "constant.jsonl")},
    }


@pytest.fixture(scope="module")
def whole(place: Path, endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed benchmark of all kinds."""
    out = tmp_path_factory.mktemp("whole")
    (out / "prices.yaml").write_text("simulated: {input: 2.5, output: 10}\n")
    bench = bench_file(out / "bench.yaml", place, field(place, endpoint), prices="prices.yaml")
    done = benchmark(bench, out)
    assert done.exit_code == 0, done.output
    return out


def test_predictors_of_every_kind_are_ranked_in_both_tasks(whole: Path, place: Path) -> None:
    """Scores with intervals and chance, best first, all pairs tested, losses, what it took, and the published rows apart."""
    found = board(whole)
    for title, published, score in (("explained", ANOMREASON, "SemF1_Full"), ("judged", DEEPFAKE, "CSemF1_Full")):
        assert found[title]["order"] == score
        rows = model_rows(whole, title)
        assert {row["name"] for row in rows} == set(field(place, ""))
        assert [row["rank"] for row in rows] == list(range(1, 6))
        assert all(row["group"] for row in rows)
        values = [row["scores"][score]["value"] for row in rows]
        assert values == sorted(values, reverse=True)
        for row in rows:
            of = row["scores"][score]
            assert row["pictures"] < 8 or of["low"] <= of["value"] <= of["high"]
            assert row["pictures"] >= 8 or not {"low", "high"} & of.keys()
            assert "chance" in row["scores"][score]
        pairs = list(combinations([row["name"] for row in rows], 2))
        assert [(c["first"], c["second"]) for c in found[title]["comparisons"] if c["score"] == score] == pairs
        tested = [c for c in found[title]["comparisons"] if c["low"] is not None]
        assert all(0 < c["p"] <= 1 and c["low"] <= c["difference"] <= c["high"] for c in tested)
        assert all(c["p"] in (None, 1) for c in found[title]["comparisons"] if c["low"] is None)
        assert found[title]["published"] == list(published)
    rows = {row["name"]: row for row in model_rows(whole, "explained")}
    assert rows["tiny"]["scores"]["SemAP_Full"]["value"] > rows["tiny"]["scores"]["SemAP_Full"]["chance"]
    assert rows["tiny"]["scores"]["SemAP_Full"]["value"] > rows["constant"]["scores"]["SemAP_Full"]["value"]
    assert rows["constant"]["false_alarms"] == rows["constant"]["clean"] > 0
    assert all(rows[name]["unreadable"] == 0 and rows[name]["seconds_per_picture"] > 0 for name in ("tiny", "agent"))
    assert (rows["tiny"]["usd"], rows["constant"]["seconds_per_picture"]) == (None, None)
    assert rows["agent"]["usd"] > rows["served"]["usd"] > 0
    assert rows["agent"]["calls"] > rows["served"]["calls"] == 2 * len(_names(place / "dataset"))
    assert {row["note"] for row in (rows["served"], rows["agent"])} == {"simulated, no model"}
    for form in ("md", "html"):
        page = (whole / f"leaderboard.{form}").read_text(encoding="utf-8")
        assert page.count("(published" if form == "md" else "<small>published") == len(ANOMREASON) + len(DEEPFAKE)
        assert "simulated, no model" in page


def test_recall_of_each_kind_of_anomaly_is_in_every_form(whole: Path) -> None:
    """A column for each kind that the truth has, with how many there are; the values are those of the JSON."""
    rows = board(whole)["explained"]["rows"]
    kinds = rows[0]["recall_by_kind"]
    table = (whole / "leaderboard.md").read_text(encoding="utf-8").split("### Recall by kind of anomaly")[1]
    head, _, *lines = [line for line in table.splitlines() if line.startswith("|")][: 2 + len(rows)]
    assert [cell.strip() for cell in head.split("|")[2:-1]] == [
        f"{kind} ({one['references']})" for kind, one in kinds.items()
    ]
    for row, line in zip(rows, lines, strict=True):
        said = [float(cell) for cell in line.split("|")[2:-1]]
        assert said == pytest.approx([row["recall_by_kind"][kind]["value"] for kind in kinds], abs=0.0006)
    assert (whole / "leaderboard.html").read_text(encoding="utf-8").count("<h3>Recall by kind of anomaly</h3>") == 2


def test_baselines_stand_among_the_models_and_published_rows_below(whole: Path) -> None:
    """Three in each table, without a rank and what only a model has; a model that says the same of all beats none."""
    for title in ("explained", "judged"):
        found = board(whole)[title]
        unseeing = [row for row in found["rows"] if row["baseline"]]
        assert {row["name"] for row in unseeing} == {CONSTANT, FIRST, DEALT}
        assert all(row["rank"] is None and row["seconds_per_picture"] is None for row in unseeing)
        scores = [row["scores"][found["order"]]["value"] for row in found["rows"]]
        assert scores == sorted(scores, reverse=True)
        (constant,) = (row for row in model_rows(whole, title) if row["name"] == "constant")
        assert set(constant["not_beaten"]) == {row["name"] for row in unseeing}
        assert any(finding.startswith("constant is not shown to beat") for finding in found["findings"])
    for form, heading in (("md", "### Published elsewhere"), ("html", "<h3>Published elsewhere</h3>")):
        page = (whole / f"leaderboard.{form}").read_text(encoding="utf-8")
        assert page.count(heading) == 2
        assert page.index("constant") < page.index(heading) < page.index("AnomReasonor-7B")
        assert "not shown to beat" in page


def test_killed_and_run_again_it_gives_the_leaderboard_of_an_undisturbed_run(
    whole: Path, place: Path, endpoint: str, tmp_path: Path
) -> None:
    """kill -9 while the agent is asking: nothing that was answered is asked for again, and no score is another."""
    out = tmp_path / "out"
    bench = bench_file(tmp_path / "bench.yaml", place, field(place, endpoint))
    rows = out / "predictions" / "agent" / "preds.jsonl"
    before = calls(endpoint)
    line = [*COMMAND, str(bench), "--out", str(out)]
    process = subprocess.Popen(line, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 600
    try:
        while not rows.is_file() or rows.read_bytes().count(b"\n") < 2:
            assert process.poll() is None, process.communicate()[0].decode()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (out / "leaderboard.json").exists()
    tiny = (out / "predictions" / "tiny" / "preds.jsonl").read_bytes()
    done = benchmark(bench, out)
    assert done.exit_code == 0, done.output
    assert (out / "predictions" / "tiny" / "preds.jsonl").read_bytes() == tiny
    needed = sum(row["calls"] or 0 for row in board(whole)["explained"]["rows"])
    assert calls(endpoint) - before <= needed + 16  # what was in flight when it was killed
    for title in ("explained", "judged"):
        for mine, theirs in zip(board(out)[title]["rows"], board(whole)[title]["rows"], strict=True):
            assert (mine["name"], mine["scores"]) == (theirs["name"], theirs["scores"])
            assert mine["tokens_per_picture"] == theirs["tokens_per_picture"]


def test_a_budget_over_all_endpoints_stops_cleanly_and_is_never_passed(
    place: Path, endpoint: str, tmp_path: Path
) -> None:
    """The second endpoint gets what the first left and is not scored; with more it goes on, and pays for nothing twice."""
    served = {"model": "simulated", "base_url": endpoint}
    models = {"first": served, "second": served, "constant": {"predictions": str(place / "constant.jsonl")}}
    pictures, before = len(_names(place / "dataset")), calls(endpoint)
    first = 2 * pictures  # the anomalies and the verdict
    done = benchmark(bench_file(tmp_path / "bench.yaml", place, models, budget_calls=first + 7), tmp_path)
    assert done.exit_code == 3, done.output
    assert "second: not scored: the budget is used up" in done.output
    assert calls(endpoint) - before == first + 7
    found = board(tmp_path)
    assert {row["name"] for row in model_rows(tmp_path)} == {"first", "constant"}
    assert list(found["unfinished"]) == ["second"]
    assert "second is not scored" in (tmp_path / "leaderboard.html").read_text(encoding="utf-8")
    done = benchmark(bench_file(tmp_path / "bench.yaml", place, models, budget_calls=2 * first), tmp_path)
    assert done.exit_code == 0, done.output
    assert calls(endpoint) - before == 2 * first


def test_money_needs_prices_and_keeps_to_them(place: Path, endpoint: str, tmp_path: Path) -> None:
    """A budget in dollars without a price table is refused; with one, no more than it is spent."""
    models = {"served": {"model": "simulated", "base_url": endpoint}, "tiny": {"model": "tiny"}}
    with pytest.raises(InputError, match="budget_usd needs prices"):
        read_bench(bench_file(tmp_path / "bench.yaml", place, models, budget_usd=1))
    (tmp_path / "prices.yaml").write_text("simulated: {input: 2.5, output: 10}\n")
    bench = bench_file(tmp_path / "bench.yaml", place, models, limit=4, budget_usd=0.0208, prices="prices.yaml")
    done = benchmark(bench, tmp_path)
    assert (done.exit_code, "served: not scored: the budget" in done.output) == (3, True)


def test_a_model_out_of_reach_is_told_before_anything_is_predicted(place: Path, tmp_path: Path) -> None:
    """With everything else that is not there; nothing is written."""
    away = {"away": {"model": "nobody/nothing"}, "tiny": {"model": "tiny"}}
    bench = bench_file(tmp_path / "bench.yaml", place, away)
    line = ["benchmark", str(bench), "--out", str(tmp_path / "out")]
    with pytest.raises(UnavailableError, match="nobody/nothing: the model cannot be loaded"):
        CliRunner().invoke(anomreason.app, line, catch_exceptions=False)
    bench_file(bench, place, away | {"file": {"predictions": "nothing.json"}})
    with pytest.raises(InputError, match=r"2 problems:(?s:.)*nothing.json: does not exist(?s:.)*nobody/nothing"):
        CliRunner().invoke(anomreason.app, line, catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_an_endpoint_without_one_answer_is_not_ranked(place: Path, tmp_path: Path) -> None:
    """An outage is no score of 0: it is told, and running again asks again."""
    with serve(place / "scenes", refused=1.0) as base_url:
        models = {
            "down": {"model": "simulated", "base_url": base_url},
            "constant": {"predictions": str(place / "constant.jsonl")},
        }
        done = benchmark(bench_file(tmp_path / "bench.yaml", place, models, bootstrap=0), tmp_path)
    assert done.exit_code == 3
    assert "down: not scored: no picture has a readable answer" in done.output
    assert [row["name"] for row in model_rows(tmp_path)] == ["constant"]


def test_a_limit_takes_pictures_of_both_kinds_and_can_be_raised(place: Path, endpoint: str, tmp_path: Path) -> None:
    """Evenly spaced over the split; answers that are there are kept; those of another model are refused."""
    bench = bench_file(tmp_path / "bench.yaml", place, {"it": {"model": "tiny"}}, limit=4, bootstrap=0)
    assert benchmark(bench, tmp_path).exit_code == 0
    truth = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert {row["label"] for row in truth} == {"real", "fake"}
    assert len(truth) == 4
    rows = tmp_path / "predictions" / "it" / "preds.jsonl"
    few = rows.read_text()
    bench_file(bench, place, {"it": {"model": "tiny"}}, limit=6, bootstrap=0)
    assert benchmark(bench, tmp_path).exit_code == 0
    assert rows.read_text().startswith(few)
    assert len(model_rows(tmp_path, "judged")) == 1
    assert "6 evenly spaced pictures" in (tmp_path / "leaderboard.html").read_text(encoding="utf-8")
    for other in ({"adapter": str(place / "adapter")}, {"model": "m", "base_url": endpoint}):
        bench_file(bench, place, {"it": other}, limit=6)
        with pytest.raises(InputError, match="holds answers of another model"):
            CliRunner().invoke(
                anomreason.app, ["benchmark", str(bench), "--out", str(tmp_path)], catch_exceptions=False
            )


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The files that are opened for reading; an audit hook stays to the end of the process, so afterwards it looks away."""
    paths: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            paths.append(str(arguments[0]))

    sys.addaudithook(watch)
    yield paths
    watching = False


def test_each_prediction_file_is_read_once_and_the_truth_not_at_all(
    place: Path, tmp_path: Path, opened: list[str]
) -> None:
    """The truth comes from the dataset; the copy of it that is kept beside the results is for people and for `score`."""
    models = {"constant": {"predictions": str(place / "constant.jsonl")}}
    done = benchmark(bench_file(tmp_path / "bench.yaml", place, models, bootstrap=0), tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert [path for path in opened if path.endswith(".jsonl")] == [str(place / "constant.jsonl")]
    assert (tmp_path / "out" / "truth.jsonl").is_file()


def test_photographs_count_as_clean_and_unannotated_generated_pictures_do_not(official: Path, tmp_path: Path) -> None:
    """The configuration `deepfake` of a release: photographs have no annotations, and are what false alarms are counted on."""
    import datasets

    rows = datasets.load_dataset(str(official), "deepfake", split="test")
    fakes = rows.filter(lambda row: row["label"] == 1)["image_id"]
    unknown = rows.map(lambda row: {"anomalies": None if row["image_id"] == fakes[0] else row["anomalies"]})
    unknown.to_parquet(tmp_path / "data" / "test-00000.parquet")
    said = _answers(tmp_path / "said.jsonl", rows["image_id"])
    bench = {"dataset": str(tmp_path / "data"), "encoder": "minilm", "bootstrap": 0}
    bench["models"] = {"said": {"predictions": said.name}}
    (tmp_path / "bench.yaml").write_text(yaml.safe_dump(bench))
    done = benchmark(tmp_path / "bench.yaml", tmp_path)
    assert done.exit_code == 0, done.output
    (explained,), (judged,) = (model_rows(tmp_path, title) for title in ("explained", "judged"))
    assert (explained["pictures"], explained["clean"]) == (len(fakes) - 1, len(rows) - len(fakes))
    assert judged["verdicts"] == len(rows) - 1


def test_pictures_of_a_kind_that_a_model_does_not_know_are_counted_apart(official: Path, tmp_path: Path) -> None:
    """Noise instead of scenes: the tiny model's column says so, and none of its answers counts as unreadable."""
    bench = {
        "dataset": str(official),
        "encoder": "minilm",
        "bootstrap": 0,
        "limit": 4,
        "models": {"a": {"model": "tiny"}},
    }
    (tmp_path / "bench.yaml").write_text(yaml.safe_dump(bench))
    done = benchmark(tmp_path / "bench.yaml", tmp_path)
    assert done.exit_code == 0, done.output
    (row,) = model_rows(tmp_path)
    assert (row["unknown"], row["unreadable"]) == (1, 0)
    assert "| 100.0 % |" in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")


def test_the_results_hold_no_address_and_no_folder(place: Path, endpoint: str, whole: Path) -> None:
    """An address may hold a key, and a folder somebody's name."""
    for form in ("json", "md", "html"):
        text = (whole / f"leaderboard.{form}").read_text(encoding="utf-8")
        assert "127.0.0.1" not in text
        assert "constant.jsonl" not in text or str(place / "constant.jsonl") not in text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("models: {}", "models"),
        ("models: {a: {modle: tiny}}", "models.a.modle"),
        ("models: {a: {}}", "neither model, adapter nor predictions"),
        ("models: {a: {plan: paper}}", "an endpoint needs model"),
        ("models: {a: {model: tiny, predictions: x.json}}", "predictions cannot have other keys"),
        ("models: {a: {model: m, adapter: d, base_url: 'http://h'}}", "endpoint loads adapters"),
        ("models: {a: {model: tiny}}\nlimit: 0", "limit"),
        ("models: [", "is not valid YAML"),
    ],
)
def test_a_bad_file_is_told_with_its_place(content: str, told: str, tmp_path: Path) -> None:
    """The error names the key that is wrong."""
    path = tmp_path / "bench.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_bench(path)


def test_names_from_a_file_stay_text(place: Path, tmp_path: Path) -> None:
    """A name with markup breaks neither the page nor the table."""
    name = "<script>alert(1)</script> | [x](javascript:1)"
    models = {name: {"predictions": str(place / "constant.jsonl")}}
    done = benchmark(bench_file(tmp_path / "bench.yaml", place, models, bootstrap=0), tmp_path)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "leaderboard.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    table = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in table
    assert "\\[x\\]\\(javascript:1\\)" in table
