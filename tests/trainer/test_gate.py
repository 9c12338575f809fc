"""The release gate: versions of known rates, prompt by prompt; what prompts asked for; severities with a human anchor."""

import json
import math
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from typer.testing import CliRunner, Result

import anomreason
from dataset_builder.errors import InputError
from metric_semap.anomalies import Anomaly, Picture
from trainer.evaluation import gate
from trainer.evaluation.audit_answers import Answers, Reviewed
from trainer.evaluation.audit_plan import read_prompts
from trainer.evaluation.gate import compare
from trainer.evaluation.severity_map import Rating, calibrated, fit, people_agree, read_ratings, told_severity
from trainer.evaluation.wanted import without_wanted

ARM = ("Third arm", "A third arm grows from the shoulder.")
CUP = ("Floating cup", "The cup hovers over the table.")


def pictures(rng: np.random.Generator, difficulty: np.ndarray, arms: float, cups: float) -> dict[str, list[Picture]]:
    """A picture per prompt; anomalies come more often where the prompt is difficult, which versions share."""
    found = {}
    for at, factor in enumerate(difficulty):
        said = [ARM] * rng.poisson(arms * factor) + [CUP] * rng.poisson(cups * factor)
        drawn = [Anomaly(*one, "It cannot be.", int(rng.integers(20, 60))) for one in said]
        found[f"{at}"] = [Picture(drawn)]
    return found


def test_a_version_with_more_of_one_kind_is_worse_in_that_kind() -> None:
    """Twice as many arms and as many cups: worse in AF, CAP and anatomy, not in gravity; the difference is the planted one."""
    rng = np.random.default_rng(0)
    difficulty = rng.gamma(2, 0.5, 200)
    found = compare(("old", pictures(rng, difficulty, 0.6, 0.6)), ("new", pictures(rng, difficulty, 1.2, 0.6)))
    measures = {one.measure: one for one in found.measures}
    assert {name for name, one in measures.items() if one.is_worse} == {"AF", "CAP", "anatomy"}
    assert measures["anatomy"].difference.low < 0.6 < measures["anatomy"].difference.high
    assert found.is_worse
    assert found.prompts == 200
    back = compare(("new", pictures(rng, difficulty, 1.2, 0.6)), ("old", pictures(rng, difficulty, 0.6, 0.6)))
    assert not back.is_worse
    assert any(one.is_better for one in back.measures)


def test_versions_that_are_alike_are_rarely_called_different(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most about one comparison in twenty, all measures together; intervals hold 0 as often as they say."""
    monkeypatch.setattr(gate, "EXCHANGES", 300)
    monkeypatch.setattr(gate, "RESAMPLES", 200)
    rng = np.random.default_rng(1)
    difficulty = rng.gamma(2, 0.5, 40)
    found = [
        compare(("a", pictures(rng, difficulty, 0.6, 0.6)), ("b", pictures(rng, difficulty, 0.6, 0.6)), k)
        for k in range(36)
    ]
    assert np.mean([any(one.p < gate.LEVEL for one in each.measures) for each in found]) <= 0.12
    af = [each.measures[0].difference for each in found]
    assert np.mean([one.low <= 0 <= one.high for one in af]) >= 0.85


def test_only_shared_prompts_count_and_failed_pictures_do_not() -> None:
    one, none = [Picture([Anomaly(*ARM, "No.", 20)])], [Picture([])]
    old = {"a": none, "b": none, "c": one, "d": [Picture([], failed=True)]}
    new = {"a": one, "b": one, "d": one}
    found = compare(("old", old), ("new", new))
    assert (found.prompts, found.left_out) == (2, 2)
    assert found.measures[0].difference.value == 1
    assert math.isnan(found.measures[1].difference.value)  # the old one has nothing whose intensity could be told
    with pytest.raises(InputError, match="share 0 prompts"):
        compare(("old", old), ("new", {"x": one}))


def audit(*arguments: object) -> Result:
    return CliRunner().invoke(anomreason.app, ["audit", *map(str, arguments)])


def write(path: Path, found: dict[str, list[Picture]]) -> Path:
    said = {
        f"{prompt}.png": [
            {"name": one.name, "phenomenon": one.phenomenon, "reasoning": one.reasoning, "severity": one.severity}
            for one in listed[0].anomalies
        ]
        for prompt, listed in found.items()
    }
    path.write_text(json.dumps(said), encoding="utf-8")
    return path


def test_the_command_fails_if_the_new_version_is_worse(tmp_path: Path) -> None:
    """From two files without a plan, and from a plan's names; exit code 1 only where asked for; the four files are written."""
    rng = np.random.default_rng(2)
    difficulty = rng.gamma(2, 0.5, 120)
    old = write(tmp_path / "v1.json", pictures(rng, difficulty, 0.5, 0.5))
    new = write(tmp_path / "v2.json", pictures(rng, difficulty, 1.5, 0.5))
    out = tmp_path / "out"
    assert audit("--compare", old, new, "--out", out).exit_code == 0
    failed = audit("--compare", old, new, "--out", out, "--fail-if-worse")
    assert failed.exit_code == 1
    assert "v2 is worse than v1 in AF, CAP, anatomy." in failed.stdout
    assert audit("--compare", new, old, "--out", out, "--fail-if-worse").exit_code == 0
    found = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert found["numbers"]["AF: difference"]["high"] < 0
    assert "self-assessed" in found["data"]
    assert r"\toprule" in (out / "compare.tex").read_text(encoding="utf-8")
    plan = tmp_path / "generators.yaml"
    plan.write_text("generators:\n  first: {annotations: v1.json}\n  second: {annotations: v2.json}\n")
    assert audit(plan, "--compare", "first", "second", "--out", out, "--fail-if-worse").exit_code == 1
    for wrong, said in (
        ((plan, "--compare", "first", "third"), "third: is not among"),
        (("--out", out), "nothing to audit"),
        ((plan, "--fail-if-worse"), "applies only with --compare"),
        (("--compare", old, tmp_path / "none.json"), "does not exist"),
    ):
        assert said in str(audit(*wrong).exception)


def test_what_a_prompt_asked_for_does_not_count(tmp_path: Path) -> None:
    """By kind or by name, of that picture alone; the report says how many were left out."""
    content = {"a.png": {"prompt": "a levitating cup", "wanted": ["gravity and support"]}, "b.png": "a cup"}
    (tmp_path / "prompts.json").write_text(json.dumps(content | {"c.png": {"prompt": "x", "wanted": ["third ARM"]}}))
    prompts = read_prompts(str(tmp_path / "prompts.json"))
    both = Picture([Anomaly(*ARM, "", 20), Anomaly(*CUP, "", 30)])
    answers = Answers({"reviewer": dict.fromkeys(("a.png", "b.png", "c.png"), both)}, lambda _: None)
    kept = without_wanted(Reviewed({"g": answers}, None, []), prompts.wanted)
    names = {
        image: [one.name for one in p.anomalies] for image, p in kept.generators["g"].by_reviewer["reviewer"].items()
    }
    assert names == {"a.png": ["Third arm"], "b.png": ["Third arm", "Floating cup"], "c.png": ["Floating cup"]}
    assert kept.notes == ["2 anomalies that the prompts asked for are left out"]
    (tmp_path / "wrong.json").write_text(json.dumps({"a.png": {"prompt": 3}}))
    with pytest.raises(InputError, match=r'"a[.]png"'):
        read_prompts(str(tmp_path / "wrong.json"))


def known_ratings(rng: np.random.Generator, items: int = 150) -> list[Rating]:
    """Two people who see half the distance to 0 that the model sees, give or take five points."""
    severities = rng.integers(0, 101, items)
    return [
        Rating(int(s), float(np.clip(s / 2 + rng.normal(0, 5), 0, 100)), f"{at}", who)
        for at, s in enumerate(severities)
        for who in ("ada", "ben")
    ]


def test_a_known_map_of_severities_is_found() -> None:
    """The intervals hold it nearly everywhere; it never falls; calibrated severities are nearer to people's on what was left
    out."""
    found = fit(known_ratings(np.random.default_rng(3)))
    truth = np.arange(101) / 2
    held = (found.low - 1.5 <= truth) & (truth <= found.high + 1.5)
    assert held[5:96].mean() >= 0.9
    assert (np.diff(found.values) >= 0).all()
    assert found.left < 5 < 20 < found.error
    assert found(80) == pytest.approx(40, abs=4)
    assert found.agreement.value > 0.8
    assert "people agree with Krippendorff's alpha 0." in told_severity(found)


def test_agreement_between_people_is_krippendorff_s() -> None:
    """As the library has it, and its interval holds the value."""
    ratings = known_ratings(np.random.default_rng(4), 60)
    table = [[one.rating for one in ratings if one.rater == who] for who in ("ada", "ben")]
    agreed = people_agree(ratings)
    assert agreed.value == pytest.approx(krippendorff.alpha(np.array(table), level_of_measurement="interval"))
    assert agreed.low < agreed.value < agreed.high
    assert math.isnan(people_agree(ratings[:1]).value)


def test_an_audit_with_calibrated_severities_says_so(tmp_path: Path) -> None:
    """MAI is of the calibrated severities, and the page names the number of ratings; too few or broken ratings are told."""
    rows = "".join(f"{s},{s / 2},{at}\n" for at, s in enumerate(range(0, 100, 2)))
    (tmp_path / "ratings.csv").write_text(f"severity,rating,item\n{rows}")
    people = fit(read_ratings(tmp_path / "ratings.csv"))
    answers = Answers({"reviewer": {"a.png": Picture([Anomaly("x", "y", "z", 60, bbox=(1, 2, 3, 4))])}}, lambda _: None)
    changed = calibrated(Reviewed({"g": answers}, None, []), people).generators["g"].by_reviewer["reviewer"]
    assert [(one.severity, one.bbox) for one in changed["a.png"].anomalies] == [(30, (1, 2, 3, 4))]
    rng = np.random.default_rng(5)
    for name in ("v1", "v2"):
        write(tmp_path / f"{name}.json", pictures(rng, np.ones(30), 1, 1))
    (tmp_path / "plan.yaml").write_text("generators:\n  a: {annotations: v1.json}\n  b: {annotations: v2.json}\n")
    results: dict[str, Any] = {}
    for name, options in {"self": (), "people": ("--calibrated", tmp_path / "ratings.csv")}.items():
        assert audit(tmp_path / "plan.yaml", "--out", tmp_path / name, *options).exit_code == 0
        results[name] = json.loads((tmp_path / name / "audit.json").read_text())
    assert results["self"]["severity"] == "self-assessed by the reviewer"
    page = (tmp_path / "people" / "audit.html").read_text()
    assert "calibrated on 50 ratings" in page
    assert "no two people rated the same" in page
    assert "Severity as people see it" in page
    assert results["self"]["calibration"] is None
    assert results["people"]["calibration"]["map"]["60"]["value"] == pytest.approx(30, abs=1)
    lines = (tmp_path / "people" / "audit.md").read_text().splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("| the reviewer's severity | 0 | 10 |"))
    assert lines[head + 1].count("---:|") == 11
    assert lines[head + 2].startswith("| what people say, 95 % | 0 (0 to ")
    assert all(
        calm["MAI"]["value"] > own["MAI"]["value"]
        for own, calm in zip(results["self"]["generators"], results["people"]["generators"], strict=True)
    )
    assert set(results["self"]["kinds"]["a"]) == {"anatomy", "gravity and support"}
    (tmp_path / "few.csv").write_text("severity,rating\n1,2\n")
    with pytest.raises(InputError, match="at least 20"):
        read_ratings(tmp_path / "few.csv")
    (tmp_path / "wrong.csv").write_text("severity,rating\n1,120\n")
    with pytest.raises(InputError, match=r"line 2: rating: .120. is not a number"):
        read_ratings(tmp_path / "wrong.csv")
