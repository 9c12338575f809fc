"""Two detectors of known overlap: what each catches alone, whether errors go together, and whether both together are better."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import anomreason
from dataset_builder.building.build import build
from dataset_builder.errors import InputError
from dataset_builder.scenes import write_scenes
from trainer.reproduce import detectors
from trainer.reproduce.detection import auroc, gain
from trainer.reproduce.detectors import beside, fused, read_scores


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "RESAMPLES", 200)


def test_detectors_that_catch_different_halves_are_complementary() -> None:
    """Ours catches every other fake, the other one those that ours misses: nothing in common, and fused they are better."""
    rng = np.random.default_rng(0)
    generated = np.arange(400) < 200
    half = generated & (np.arange(400) % 2 == 0)
    ours, other = (0.1 + 0.8 * one + rng.normal(0, 0.02, 400) for one in (half, generated & ~half))
    found = beside(ours, other, generated, (0.5, 0.5), 0)
    assert (found.caught["ours"].value, found.caught["other"].value) == (0.5, 0.5)
    assert found.overlap.value == 0
    assert found.by_chance == pytest.approx(1 / 3)
    assert found.correlation.high < 0
    assert found.gained.low > 0.1
    assert found.both.value > 0.99


def test_detectors_with_the_same_errors_gain_nothing() -> None:
    """The same scores twice: every error is in common, and the interval of the gain holds 0."""
    rng = np.random.default_rng(1)
    generated = rng.random(300) < 0.5
    score = rng.normal(0, 1, 300) + 1.5 * generated
    found = beside(score, score, generated, (0.75, 0.75), 0)
    assert (found.overlap.value, found.correlation.value) == (1, pytest.approx(1))
    assert found.gained.low <= 0.005
    assert abs(found.gained.value) < 0.02


def test_independent_detectors_are_orthogonal_and_gain_the_planted_amount() -> None:
    """Two independent normal scores 1.5 apart: fused AUROC Φ(1.5); correlations hold 0 and gains the truth, of 20 samples
    nearly all."""
    rng = np.random.default_rng(2)
    held = []
    for seed in range(20):
        generated = np.arange(300) < 150
        ours, other = (rng.normal(0, 1, 300) + 1.5 * generated for _ in range(2))
        found = beside(ours, other, generated, (0.75, 0.75), seed)
        held.append(
            (found.correlation.low <= 0 <= found.correlation.high, found.gained.low <= 0.0732 <= found.gained.high)
        )
    assert np.mean([one for one, _ in held]) >= 0.85
    assert np.mean([one for _, one in held]) >= 0.85


def test_no_errors_have_no_overlap_and_no_correlation() -> None:
    generated = np.arange(40) < 20
    perfect = generated.astype(float)
    found = beside(perfect, perfect, generated, (0.5, 0.5), 0)
    assert math.isnan(found.overlap.value)
    assert math.isnan(found.correlation.value)
    assert found.both.value == 1


def test_a_score_that_says_nothing_is_no_gain_in_cross_validation() -> None:
    """Fused with noise in ten columns, the AUROC does not rise: no picture is scored by a regression that saw it."""
    rng = np.random.default_rng(3)
    generated = np.arange(120) < 60
    noise = rng.normal(0, 1, (120, 10))
    area = auroc(*((odds := fused(noise, generated, 0))[generated], odds[~generated]))
    assert area.value < 0.62


def test_the_interval_of_a_gain_holds_the_difference_of_the_areas() -> None:
    """The value is the difference of both AUROCs; of 100 samples at least 90 % of intervals hold the true one."""
    rng, held = np.random.default_rng(4), []
    truth = 0.8023 - 0.7602  # Φ(1.2/√2) − Φ(1/√2)
    for _ in range(100):
        fakes, reals = rng.normal(0, 1, (2, 80)), rng.normal(0, 1, (2, 80))
        sides = [(fakes[k] + apart, reals[k]) for k, apart in enumerate((1.2, 1.0))]
        found = gain(*sides)
        assert found.value == pytest.approx(auroc(*sides[0]).value - auroc(*sides[1]).value)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) >= 0.9


def reproduce(*arguments: object) -> object:
    return CliRunner().invoke(anomreason.app, ["reproduce", "detectors", *map(str, arguments)])


def test_a_detector_s_file_beside_predictions(tmp_path: Path) -> None:
    """As a person types it: a built dataset, a model's predictions and a CSV; pictures without a score are told."""
    write_scenes(tmp_path / "scenes", 60, seed=5)
    build(tmp_path / "scenes", tmp_path / "dataset", recipe=None)
    import datasets

    rows = datasets.load_dataset(str(tmp_path / "dataset"), split="train").select_columns(["image_id", "label"])
    names, fake = rows["image_id"], [label == 1 for label in rows["label"]]
    said = [
        {
            "image_id": name,
            "status": "none",
            "label": "fake" if one else "real",
            "p_fake": 0.9 if one else 0.2,
            "anomalies": [],
        }
        for name, one in zip(names, fake, strict=True)
    ]
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    (tmp_path / "bench.yaml").write_text(
        "dataset: dataset\nsplit: train\nencoder: minilm\nmodels:\n  ours: {predictions: ours.jsonl}\n"
    )
    lines = [
        f"{name},{0.8 if one and at % 2 else 0.1}\n" for at, (name, one) in enumerate(zip(names, fake, strict=True))
    ]
    (tmp_path / "scores.csv").write_text("image_id,score\n" + "".join(lines[1:]))
    done = reproduce(
        "--models", tmp_path / "bench.yaml", "--detector", tmp_path / "scores.csv", "--out", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output  # type: ignore[attr-defined]
    found = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert found["numbers"]["ours: AUROC"]["value"] == 1
    assert found["numbers"]["ours: caught by the detector alone"]["value"] == 0
    assert found["notes"] == ["1 pictures have no score of the detector and are left out."]


def test_files_that_do_not_fit_are_one_sentence(tmp_path: Path) -> None:
    for text, said in (
        ("image_id,score\na,high\n", "line 2: score"),
        ("image_id,score\na,1\na,2\n", "more than once"),
        ("name,score\na,1\n", "lacks the columns image_id"),
    ):
        (tmp_path / "s.csv").write_text(text)
        with pytest.raises(InputError, match=said):
            read_scores(tmp_path / "s.csv")
    assert "needs the pictures it scored" in str(reproduce("--detector", tmp_path / "s.csv").exception)  # type: ignore[attr-defined]
