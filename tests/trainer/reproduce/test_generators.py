"""Generators of known rates are ranked as they are, two rankings' agreement is known, and quality correlates as planted."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import anomreason
from dataset_builder.errors import InputError
from dataset_builder.scenes import read_scenes
from dataset_builder.terminal import Steps
from trainer.evaluation.intensity import Score, Severities, audit
from trainer.reproduce import generators, ranking
from trainer.reproduce.generators import Errors, Generators, known_generators, read_quality, reviewed_by
from trainer.reproduce.ranking import agreement, correlation, disagreements


def drawn(rng: np.random.Generator, rates: dict[str, float], prompts: int = 150) -> dict[str, Severities]:
    """Generators whose pictures each have one anomaly of severity 40 at their rate."""
    return {
        name: {f"{at}": [[40] if rng.random() < rate else []] for at in range(prompts)} for name, rate in rates.items()
    }


def test_generators_of_known_rates_have_them(scenes: Path) -> None:
    """A generator shows the odd scene as often as planted; a reviewer without errors sees just that, one with misses less."""
    rows = read_scenes(scenes)
    found = known_generators(rows, 0, {"never": 0, "half": 0.5, "always": 1})
    odd = sum(bool(row.anomalies) for row in rows)
    shown = {name: sum(bool(listed[0]) for listed in of.values()) for name, of in found.items()}
    assert (shown["never"], shown["always"]) == (0, odd)
    assert 0.2 * odd < shown["half"] < 0.8 * odd
    assert reviewed_by(found, Errors(0)) == found
    assert sum(map(len, (listed[0] for listed in reviewed_by(found, Errors(0.9))["always"].values()))) < 2 * odd


def test_shared_errors_are_the_same_for_every_generator(scenes: Path) -> None:
    """On the same pictures, shared errors agree between generators, and independent ones do not."""
    truth = known_generators(read_scenes(scenes), 0, {"a": 1.0, "b": 1.0})
    assert truth["a"] == truth["b"]
    shared, independent = (reviewed_by(truth, Errors(0.5, mode)) for mode in ("shared", "independent"))
    assert shared["a"] == shared["b"]
    assert independent["a"] != independent["b"]


def test_agreement_has_an_interval_that_holds_the_truth() -> None:
    """Generators far apart: tau 1 and an interval near it. The other way round: −1. Alike: about 0, and the interval says so."""
    rng = np.random.default_rng(0)
    rising = {f"g{k}": 0.1 + 0.2 * k for k in range(5)}
    falling = {name: 1 - rate for name, rate in rising.items()}
    same = agreement(drawn(rng, rising), drawn(rng, rising), 0)
    assert (same.value, same.high) == pytest.approx((1, 1))
    assert same.low > 0.7
    assert agreement(drawn(rng, rising), drawn(rng, falling), 0).value == pytest.approx(-1)
    alike = agreement(drawn(rng, dict.fromkeys(rising, 0.5)), drawn(rng, dict.fromkeys(rising, 0.5)), 0)
    assert alike.low < 0 < alike.high
    assert math.isnan(agreement(drawn(rng, {"a": 0.5}), drawn(rng, {"a": 0.5}), 0).value)


def test_tau_of_many_rankings_at_once_is_scipy_s() -> None:
    """With ties; undefined where one ranking has a single value."""
    from scipy.stats import kendalltau

    caps = np.random.default_rng(0).integers(0, 5, (200, 2, 8)).astype(float)
    assert ranking._tau(caps) == pytest.approx([kendalltau(*two).statistic for two in caps])
    assert math.isnan(ranking._tau(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]])))


def test_pairs_in_another_order_are_named() -> None:
    assert [
        (pair.first, pair.second) for pair in disagreements({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3.5, "c": 2})
    ] == [("b", "c")]


def test_quality_correlates_as_planted() -> None:
    """Reversed order is −1 with a small p; no order is a wide interval around 0; three generators are too few."""
    names = [f"g{k}" for k in range(15)]
    cap = {name: k / 10 for k, name in enumerate(names)}
    reverse, p = correlation({name: -k for k, name in enumerate(names)}, cap, 0)
    assert reverse.value == pytest.approx(-1)
    assert p < 0.01
    rng = np.random.default_rng(0)
    held = [correlation(dict(zip(names, rng.normal(size=15), strict=True)), cap, 0)[0] for _ in range(40)]
    assert np.mean([one.low < 0 < one.high for one in held]) >= 0.85
    assert math.isnan(correlation({"g0": 1, "g1": 2, "g2": 0}, cap, 0)[0].value)


def test_the_experiment_over_scenes_ranks_as_planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The known order by both simulated reviewers; uneven errors hurt more than shared ones."""
    monkeypatch.setattr(generators, "RATES", (0.05, 0.5))
    (tmp_path / "quality.csv").write_text("generator,clip\n" + "".join(f"g{k},{10 - k}\n" for k in range(1, 9)))
    found = Generators(quality=tmp_path / "quality.csv", scenes=120, repeats=1).run(tmp_path, Steps())
    tau = found.numbers["tuned model (simulated) and agent (simulated): tau"]
    assert isinstance(tau, Score)
    assert tau.value > 0.6
    limits = {row[0]: row[1:] for row in found.tables[-1].rows}
    assert limits["independent, 5 %"][0].value > 0.8  # type: ignore[union-attr]
    assert limits["independent, 5 %"][1] > 5  # type: ignore[operator]
    assert limits["uneven, 50 %"][0].value < limits["shared, 50 %"][0].value  # type: ignore[union-attr]
    assert found.numbers["clip and CAP by agent (simulated)"].value < -0.7  # type: ignore[union-attr]
    assert found.simulated


def test_a_plan_with_two_reviewers(tmp_path: Path) -> None:
    """As a person types it: both rankings, how far they agree, and the pairs in another order."""

    def said(rate: float, seed: int) -> dict[str, object]:
        rng = np.random.default_rng(seed)
        one = {"name": "Odd", "phenomenon": "It floats.", "reasoning": "Things fall.", "severity": 30}
        return {f"{at}.png": [one] * int(rng.random() < rate) for at in range(80)}

    entries = []
    for name, first, second in (("a", 0.1, 0.1), ("b", 0.5, 0.9), ("c", 0.9, 0.5)):
        for who, rate in (("x", first), ("y", second)):
            (tmp_path / f"{name}_{who}.json").write_text(json.dumps(said(rate, len(entries))))
        entries.append(f"  {name}: {{annotations: {{model: {name}_x.json, agent: {name}_y.json}}}}\n")
    (tmp_path / "generators.yaml").write_text("generators:\n" + "".join(entries))
    arguments = [
        "reproduce",
        "generators",
        "--generators",
        str(tmp_path / "generators.yaml"),
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(anomreason.app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert found["numbers"]["model and agent: tau"]["value"] == pytest.approx(1 / 3)
    assert not found["simulated"]
    apart = next(table for table in found["tables"] if "order differently" in table["title"])
    assert [row[0] for row in apart["rows"]] == ["b and c"]
    assert (tmp_path / "out" / "result.tex").read_text(encoding="utf-8").count(r"\toprule") == 3


def test_a_quality_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("generator,clip\na,high\n")
    with pytest.raises(InputError, match=r'q\.csv: line 2: clip: "high"'):
        read_quality(tmp_path / "q.csv")
    (tmp_path / "q.csv").write_text("name,clip\na,1\n")
    with pytest.raises(InputError, match="needs the column generator"):
        read_quality(tmp_path / "q.csv")


def test_the_audit_of_known_generators_tells_their_cap(scenes: Path) -> None:
    """The interval of CAP holds what the pictures hold."""
    truth = known_generators(read_scenes(scenes), 0, {"a": 0.3, "b": 0.9})
    tested = audit(truth, resamples=500)
    for one in tested.generators:
        true = np.mean([sum((100 - s) / 100 for s in listed[0]) for listed in truth[one.name].values()])  # type: ignore[operator]
        assert one.scores["CAP"].value == pytest.approx(true)
        assert one.scores["CAP"].low <= true <= one.scores["CAP"].high
