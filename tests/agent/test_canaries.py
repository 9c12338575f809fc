"""Canaries: pictures of an earlier run asked again, and whether the model that answers is still the same."""

from pathlib import Path
from typing import Any

from agent.budget import UNLIMITED
from agent.canaries import compared
from agent.plans import Annotation, Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.contestants import Limits
from dataset_builder.schema import Candidate
from tests.annotating import outputs, stats, summary
from tests.commands import run_command


def _annotate(scenes: Path, run: Path, base_url: str, canaries: int = 0, limits: Limits = UNLIMITED) -> dict[str, Any]:
    endpoint = Endpoint("simulated", base_url)
    return annotate(
        str(scenes / "images"), run, endpoint, Settings(plan="direct"), limit=20, canaries=canaries, limits=limits
    )


def test_the_same_model_does_not_drift(scenes: Path, tmp_path: Path) -> None:
    """So many pictures are asked again, with calls that count; results and files stay as they were."""
    with serve(scenes) as base_url:
        first = _annotate(scenes, tmp_path / "run", base_url)
        before, calls = outputs(tmp_path / "run"), stats(base_url)["calls"]
        told = _annotate(scenes, tmp_path / "run", base_url, canaries=8)
        assert stats(base_url)["calls"] - calls == 8
    assert outputs(tmp_path / "run") == before
    assert told["calls"] == first["calls"] + 8
    assert told["canaries"]["pictures"] == 8
    assert not told["canaries"]["drifted"]
    assert "no drift found: 8 of 8 pictures ended as before" in told["canaries"]["told"]


def test_a_model_that_sees_less_drifts(scenes: Path, tmp_path: Path) -> None:
    """Where answers differ by more than chance, the summary, the report and stderr say so."""
    with serve(scenes) as base_url:
        _annotate(scenes, tmp_path / "run", base_url)
    with serve(scenes, miss=0.5) as base_url:
        arguments = ("annotate", scenes / "images", "--out", tmp_path / "run", "--plan", "direct", "--limit", 20)
        done = run_command(*arguments, "--model", "simulated", "--base-url", base_url, "--canaries", 20, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the answers drifted" in done.stderr
    assert summary(tmp_path / "run")["canaries"]["drifted"]
    assert "the answers drifted" in (tmp_path / "run" / "report.html").read_text()


def test_another_model_in_the_servers_own_words_drifts(scenes: Path, tmp_path: Path) -> None:
    """The same answers under another name, as when a provider changes the model behind an alias."""
    with serve(scenes) as base_url:
        _annotate(scenes, tmp_path / "run", base_url)
    with serve(scenes, dialects=["other-model"]) as base_url:
        told = _annotate(scenes, tmp_path / "run", base_url, canaries=5)
    assert told["canaries"]["drifted"]
    assert "another-model-mini fp_other instead of simulated" in told["canaries"]["told"]


def test_a_budget_ends_canaries_and_loses_nothing(scenes: Path, tmp_path: Path) -> None:
    """Where the budget does not suffice for them, what is finished is written all the same."""
    with serve(scenes) as base_url:
        first = _annotate(scenes, tmp_path / "run", base_url)
        before = outputs(tmp_path / "run")
        told = _annotate(scenes, tmp_path / "run", base_url, canaries=8, limits=Limits(calls=first["calls"] + 2))
    assert outputs(tmp_path / "run") == before
    assert told["stopped_by_budget"]
    assert (told["anomalies"], told["none"]) == (first["anomalies"], first["none"])


def test_samples_of_one_model_are_not_called_drift() -> None:
    """Differences either way, as between two samples, are told and are no drift."""

    def annotation(number: int) -> Annotation:
        found = [Candidate(name=f"n{at}", phenomenon=f"p{at}", severity=20 + at) for at in range(number)]
        return Annotation(image_id="a", status="anomalies" if found else "none", anomalies=found)

    before = [annotation(number % 4) for number in range(20)]
    now = [annotation((number + (1 if number % 2 else 3)) % 4) for number in range(20)]
    drift = compared(before, now, ["m"], ["m"])
    assert not drift.drifted
    assert drift.pictures == 20
