"""`reproduce generators` over a dataset or a release: each model's ranking, the dataset's own, and how far they agree."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import anomreason
from agent import served
from agent.simulated import serve
from dataset_builder.building.build import build
from dataset_builder.errors import InputError
from dataset_builder.scenes import read_scenes
from dataset_builder.terminal import Steps
from tests.synthetic_release import write_release
from trainer.reproduce.benched import Setting
from trainer.reproduce.by_generator import ANNOTATED, of_dataset

GENERATORS = ("a", "b", "c", "d")
ODD = {"name": "Odd", "phenomenon": "It floats.", "reasoning": "Things fall.", "severity": 0}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose manifest names four generators; one picture of the test split has none."""
    place = write_release(tmp_path_factory.mktemp("authors") / "release", 80)
    fakes = sorted(path.name for path in (place / "1_fake").iterdir())
    test = json.loads((place / "dataset_split_list.json").read_text(encoding="utf-8"))["test"]
    with (place / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "generator", "split"])
        kept = [name for name in fakes if name in test and name.count("_") == 6]
        for at, name in enumerate(sorted(set(test) - {kept[0]})):
            rows.writerow([name, "fake", GENERATORS[at % 4], ""])
    return place


@pytest.fixture(scope="module")
def dataset(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "anomreason"
    build(source, out, recipe=None)
    return out


def planted(dataset: Path, rates: dict[str, int]) -> dict[str, Any]:
    """Predictions with `rates` anomalies of the highest intensity in each picture of a generator, so that CAP is the rate."""
    import datasets

    rows = datasets.load_dataset(str(dataset), split="test").select_columns(["image_id", "generator"])
    return {row["image_id"]: [ODD] * rates[row["generator"]] for row in rows if row["generator"] in rates}


def reproduced(*arguments: object) -> Any:
    return CliRunner().invoke(anomreason.app, ["reproduce", "generators", *map(str, arguments)])


def found_in(out: Path) -> dict[str, Any]:
    return json.loads((out / "result.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_two_models_over_a_release_s_generators(dataset: Path, source: Path, tmp_path: Path) -> None:
    """AF and CAP as planted, for both models; the pair they order differently, and what quality has to do with it. The release
    itself gives the same."""
    (tmp_path / "tuned.json").write_text(json.dumps(planted(dataset, {"a": 1, "b": 2, "c": 3, "d": 4})))
    (tmp_path / "agent.json").write_text(json.dumps(planted(dataset, {"a": 1, "b": 2, "c": 4, "d": 3})))
    (tmp_path / "bench.yaml").write_text(
        "models:\n  tuned: {predictions: tuned.json}\n  AnomAgent: {predictions: agent.json}\n"
    )
    (tmp_path / "quality.csv").write_text("generator,clip\na,4\nb,3\nc,2\nd,1\n")
    common = ["--models", tmp_path / "bench.yaml", "--quality", tmp_path / "quality.csv"]
    done = reproduced("--dataset", dataset, *common, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = found_in(tmp_path / "out")
    numbers = found["numbers"]
    caps = {name: numbers[f"tuned: {name}: CAP"]["value"] for name in GENERATORS}
    assert caps == pytest.approx({"a": 1, "b": 2, "c": 3, "d": 4})
    assert numbers["AnomAgent: c: AF"]["value"] == pytest.approx(4)
    assert numbers["AnomAgent: c: MAI"]["value"] == pytest.approx(1)
    assert numbers["tuned and AnomAgent: tau"]["value"] == pytest.approx(2 / 3)
    assert numbers["clip and CAP by tuned"]["value"] == pytest.approx(-1)
    assert numbers["clip and CAP by AnomAgent"]["value"] == pytest.approx(-0.8)
    apart = next(table for table in found["tables"] if table["title"].startswith("Pairs that tuned and AnomAgent"))
    assert [row[0] for row in apart["rows"]] == ["c and d"]
    assert any("1 generated pictures whose generator is not known" in note for note in found["notes"])
    assert f"{ANNOTATED}: a: CAP" in numbers
    assert not found["simulated"]
    done = reproduced("--release", source, *common, "--out", tmp_path / "again")
    assert done.exit_code == 0, done.output
    assert found_in(tmp_path / "again")["numbers"] == numbers


def test_what_a_model_did_not_answer_is_told(dataset: Path, tmp_path: Path) -> None:
    """Generators that a model says nothing of are missing from its ranking; a model without any answer is not ranked, and the
    command ends with 3."""
    (tmp_path / "some.json").write_text(json.dumps(planted(dataset, {"a": 1, "b": 2})))
    (tmp_path / "none.json").write_text("{}")
    (tmp_path / "bench.yaml").write_text(
        "models:\n  some: {predictions: some.json}\n  none: {predictions: none.json}\n"
    )
    done = reproduced("--dataset", dataset, "--models", tmp_path / "bench.yaml", "--out", tmp_path / "out")
    assert done.exit_code == 3, done.output
    assert "none: not scored: it gave no answer about any picture" in done.stderr
    found = found_in(tmp_path / "out")
    assert "some: b: CAP" in found["numbers"]
    assert "some: c: CAP" not in found["numbers"]
    assert any(note.startswith("c: some gave no answer about ") for note in found["notes"])


def test_an_endpoint_is_forecast_asked_once_and_not_again(scenes: Path, tmp_path: Path) -> None:
    """Calls are those of the generated pictures, one each; run again, nothing is asked."""
    source = tmp_path / "source"
    source.mkdir()
    made: dict[str, str] = {}
    for row in read_scenes(scenes):
        (source / row.image_id).hardlink_to(scenes / "images" / row.image_id)
        if row.anomalies:
            made[row.image_id] = GENERATORS[len(made) % 2]
    with (source / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        written = csv.writer(file)
        written.writerow(["image", "label", "generator", "split"])
        for row in read_scenes(scenes):
            written.writerow([row.image_id, "fake" if row.anomalies else "real", made.get(row.image_id, ""), "test"])
    build(source, tmp_path / "dataset", recipe=None)
    bench = tmp_path / "bench.yaml"
    with serve(scenes) as url:
        bench.write_text(f"config: deepfake\nmodels:\n  agent: {{model: simulated, base_url: '{url}'}}\n")
        setting = Setting.of(served, bench, str(tmp_path / "dataset"), None, 1)
        experiment, _ = of_dataset(setting, None, 0)
        assert (experiment.cost().pictures, experiment.cost().calls) == (len(made), len(made))
        first = experiment.run(tmp_path / "out", Steps())
        assert first.numbers["agent: a: AF"].value >= 1  # type: ignore[union-attr]
    again = experiment.run(tmp_path / "out", Steps())  # the server is gone
    assert again.as_json() == first.as_json()


def test_bad_input_is_one_sentence(dataset: Path, scenes: Path, tmp_path: Path) -> None:
    """Data without generators, models without data, two sources; a quality file is read before anything is asked."""
    build(scenes, tmp_path / "scenes", recipe=None)
    (tmp_path / "bench.yaml").write_text("models:\n  tiny: {model: tiny}\n")
    for arguments, said in (
        (["--dataset", tmp_path / "scenes"], "does not say which generator made its pictures; put a manifest.csv"),
        (["--models", tmp_path / "bench.yaml"], "needs pictures of generators; give --dataset or --release"),
        (["--generators", "g.yaml", "--dataset", dataset], "--generators: names pictures and reviewers itself"),
        (["--dataset", dataset, "--quality", tmp_path / "none.csv"], "none.csv: cannot be read"),
    ):
        done = reproduced(*arguments, "--out", tmp_path / "out")
        assert isinstance(done.exception, InputError), done.output
        assert said in str(done.exception)
    assert not (tmp_path / "out" / "predictions").exists()
