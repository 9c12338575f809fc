"""`anomreason score`: what it prints, what it writes, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import anomreason
from metric_semap.errors import OptionError

FILES = Path(__file__).parent / "score_files"
LINE = ["--encoder", "minilm", "--bootstrap", "50", "--empty", "skip"]


def score(*arguments: object) -> Result:
    """The command, in this process; errors come as they are raised."""
    return CliRunner().invoke(anomreason.app, ["score", *map(str, arguments)], catch_exceptions=False)


def test_scores_are_printed_as_they_are_written(tmp_path: Path) -> None:
    """The table of each predictor and view, what was reported on clean pictures, the comparison, the notes, the signature."""
    done = score(FILES / "good.jsonl", FILES / "poor.jsonl", FILES / "truth.jsonl", "--out", tmp_path, *LINE)
    assert done.exit_code == 0
    results = json.loads((tmp_path / "metrics.json").read_text())["results"]
    printed = {cells[0]: cells for line in done.output.splitlines() if (cells := line.split())[1:2] == ["Full"]}
    for name, numbers in results.items():
        expected = [name, "Full"]
        for key in ("SemAP_Full", "SemF1_Full"):
            assert f"{key}_low" not in numbers
            expected += [f"{numbers[key]:.4f}", "–", f"{numbers[f'chance_{key}']:.4f}"]
        assert printed[name] == expected
    assert "good: 6 pictures, something reported on 1 of 2 clean ones" in done.output
    assert "good over poor, SemAP_Full: " in done.output
    assert results["good"]["signature"] in done.output
    assert done.output.splitlines()[-1] == str(tmp_path / "report.html")


def test_no_result_of_an_earlier_run_stays(tmp_path: Path) -> None:
    """Two predictors with leaderboard files, then one of them alone: what is there is what the second run says it wrote."""
    line = [FILES / "truth.jsonl", "--out", tmp_path, *LINE]
    score(FILES / "good.jsonl", FILES / "poor.jsonl", *line, "--dataset", "me/benchmark")
    assert (tmp_path / ".eval_results" / "poor.yaml").exists()
    written = score(FILES / "good.jsonl", *line).output.splitlines()[-3:]
    there = {str(path) for path in tmp_path.rglob("*") if path.is_file() and path.name != ".anomreason.json"}
    assert there == set(written)


def test_verdicts_are_printed_with_deepfake(tmp_path: Path) -> None:
    """The columns are called CSemAP and CSemF1, and the accuracy stands in the predictor's line."""
    done = score(FILES / "good.jsonl", FILES / "truth.jsonl", "--deepfake", "--out", tmp_path, *LINE)
    assert "CSemAP" in done.output.splitlines()[0]
    assert "good: 6 pictures, accuracy 0.5000" in done.output


def test_a_file_name_cannot_command_the_terminal(tmp_path: Path) -> None:
    """Control characters of a name are replaced wherever it is printed."""
    evil = tmp_path / "a\x1b[31mb.jsonl"
    shutil.copy(FILES / "good.jsonl", evil)
    done = score(evil, FILES / "truth.jsonl", "--out", tmp_path / "out", *LINE)
    assert "\x1b" not in done.output.replace(str(tmp_path), "")
    assert "a\N{REPLACEMENT CHARACTER}[31mb" in done.output


def test_what_cannot_be_scored_is_refused_before_an_encoder_is_loaded(tmp_path: Path) -> None:
    """One file is not enough; thresholds are numbers; a benchmark of the Hub has a name of two parts."""
    with pytest.raises(OptionError, match="one file given"):
        score(FILES / "good.jsonl")
    with pytest.raises(OptionError, match="--thresholds 'high'"):
        score(FILES / "good.jsonl", FILES / "truth.jsonl", "--thresholds", "high", "--out", tmp_path / "none")
    with pytest.raises(
        OptionError, match="--dataset 'anomreason': is not the id of a dataset on the Hub; write ORG/NAME"
    ):
        score(FILES / "good.jsonl", FILES / "truth.jsonl", "--dataset", "anomreason", "--out", tmp_path / "none")
    assert not (tmp_path / "none").exists()
