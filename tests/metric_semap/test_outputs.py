"""What goes out: tables for papers and programs, frames, the class for training loops, and pictures in the report."""

import csv
import io
import json
import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from PIL import Image
from typer.testing import CliRunner

import anomreason
from metric_semap.anomalies import Anomaly, Picture
from metric_semap.errors import OptionError, RecordError
from metric_semap.evaluation import score_pictures, write_results
from metric_semap.hub_results import hub_results
from metric_semap.measurement import Options
from metric_semap.records import read_records
from metric_semap.report import render_parts, render_report
from metric_semap.results import Leaderboard
from metric_semap.scores import CalibratedView, Estimate
from metric_semap.semap import SemAP
from metric_semap.streaming import SemAPMetric
from metric_semap.tables import formatted, picture_frame, score_frame, shown
from tests.loopback_hub import LoopbackHub
from tests.word_similarity import WordSimilarity

FILES = Path(__file__).parent / "score_files"
SEEN, TRUE = (100.0, 0.0, 220.0, 200.0), (100.0, 100.0, 200.0, 200.0)


@pytest.fixture(scope="module")
def board() -> Leaderboard:
    """Two predictors, one with a name that markup could take for its own."""
    said = {name: read_records(FILES / f"{name}.jsonl", "prediction") for name in ("good", "poor")}
    words: Any = WordSimilarity()
    named = {"good": said["good"], "po|or_&%": said["poor"]}
    return score_pictures(named, read_records(FILES / "truth.jsonl", "reference"), words, Options())


def test_a_csv_has_each_score_of_each_predictor(board: Leaderboard) -> None:
    """With its interval, chance and signature; what is undefined is empty."""
    rows = list(csv.DictReader(io.StringIO(formatted(board, "csv"))))
    assert [(row["predictor"], row["score"]) for row in rows][:2] == [("good", "SemAP_Phe"), ("good", "SemAP_Rea")]
    full = next(row for row in rows if row["score"] == "SemF1_Full")
    of = board.evaluations[0].scores
    assert float(full["value"]) == of.full.semf1.value
    assert (full["low"], full["signature"]) == ("", of.signature)
    assert len(rows) == 12


def test_markdown_and_latex_show_the_same_table(board: Leaderboard) -> None:
    """Names are escaped, and the signature is on one line."""
    signature = board.evaluations[0].scores.signature
    markdown = formatted(board, "markdown").splitlines()
    assert all(line.replace("\\|", "").count("|") == 9 for line in markdown[:8])
    assert "po\\|or\\_&%" in markdown[5]
    assert markdown[-1] == f"`{signature}`"
    latex = formatted(board, "latex").splitlines()
    assert latex[0] == f"% {signature}"
    assert r"po|or\_\&\%" in "\n".join(latex)
    assert all(line.count(" & ") == 7 for line in latex if line.endswith(r"\\"))
    value = f"{board.evaluations[0].scores.full.semap.value:.4f}"
    assert value in markdown[2]
    assert value in latex[5]
    assert json.loads(formatted(board, "json"))["results"]["good"]["signature"] == signature
    with pytest.raises(OptionError, match="choose one of json, csv, markdown, latex"):
        formatted(board, "xlsx")


def test_calibrated_scores_are_in_every_table_but_the_terminals(board: Leaderboard) -> None:
    """Where the encoder is calibrated, a column more for the headline, and rows for each score in CSV."""
    view = CalibratedView(Estimate(0.25, 0.125), Estimate(0.5, 0.0625))
    views = dict.fromkeys(("Phe", "Rea", "Full"), view)
    found = [
        replace(one, measurement=replace(one.measurement, scores=replace(one.scores, calibrated=views)))
        for one in board.evaluations
    ]
    calibrated = replace(board, evaluations=found)
    assert shown(calibrated)[0][-3:] == ["SemF1C", "95 %", "chance"]
    assert all(line[-3:] == ["0.5000", "–", "0.0625"] for line in shown(calibrated)[1:])
    assert shown(calibrated, wide=False) == shown(board)
    assert "good,SemF1C_Full,0.5," in formatted(calibrated, "csv")


def test_frames_hold_scores_and_pictures(board: Leaderboard) -> None:
    """Means over the frame of pictures are the headline."""
    scores, pictures = score_frame(board), picture_frame(board.evaluations[0])
    full = scores[(scores.predictor == "good") & (scores.score == "SemAP_Full")]
    assert full["value"].item() == pytest.approx(pictures["SemAP_Full"].mean())
    assert list(pictures["image"]) == board.evaluations[0].images
    assert set(pictures["cluster"]) <= {image.rsplit(".", 1)[0] for image in board.evaluations[0].images}


def test_the_command_prints_every_format_and_compares(tmp_path: Path) -> None:
    """Only the result is on stdout; --json is --format json; --compare scores nothing."""
    line = ["score", str(FILES / "good.jsonl"), str(FILES / "truth.jsonl"), "--encoder", "minilm", "--bootstrap", "0"]

    def run(*more: object) -> Any:
        return CliRunner().invoke(anomreason.app, [*line, *map(str, more)], catch_exceptions=False)

    printed = run("--out", tmp_path / "a", "--format", "csv")
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.startswith("predictor,score,value,low,high,chance,pictures,signature\n")
    assert json.loads(run("--out", tmp_path / "b", "--json", "--seed", 1).stdout)["configuration"] == "default"
    with pytest.raises(OptionError, match="--format 'pdf'"):
        run("--out", tmp_path / "c", "--format", "pdf")
    with pytest.raises(OptionError, match=r"--images .+ is not a folder"):
        run("--out", tmp_path / "c", "--images", tmp_path / "none")
    names = [str(tmp_path / name / "metrics.json") for name in "ab"]
    compared = CliRunner().invoke(anomreason.app, ["score", "--compare", *names], catch_exceptions=False)
    assert compared.stdout == "The seed of chance and of the tests is 0 in the first and 1 in the second.\n"
    same = CliRunner().invoke(anomreason.app, ["score", "--compare", names[0], names[0]], catch_exceptions=False)
    assert "may be compared" in same.stdout
    one = CliRunner().invoke(anomreason.app, ["score", "--compare", names[0]], catch_exceptions=False)
    assert (one.exit_code, "requires 2 arguments" in one.output) == (2, True)


def test_the_report_lists_pictures_and_shows_those_at_hand(board: Leaderboard, tmp_path: Path) -> None:
    """As data, so that nothing is fetched; a damaged file, a missing one and a path elsewhere are left out."""
    first, second = board.evaluations[0].images[:2]
    Image.fromarray(np.zeros((30, 400, 3), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / first)
    (tmp_path / second).write_bytes(b"no picture")
    write_results(board, tmp_path / "without")
    write_results(board, tmp_path / "with", tmp_path)
    without, page = ((tmp_path / name / "report.html").read_text() for name in ("without", "with"))
    assert "<img" not in without
    assert page.count('<img src="data:image/jpeg;base64,') == 2  # in the table and beside its matches
    assert page.count('<td data-label="shown">–</td>') + 1 == len(board.evaluations[0].images)
    assert all(f"<td>{image}</td>" in without for image in board.evaluations[0].images)


def test_the_report_draws_the_boxes_of_both_sides(tmp_path: Path) -> None:
    """In per cent of the upright picture, whatever way its file lies; what sticks out is cut off."""
    turned = Image.new("RGB", (400, 200))
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter to the right: it is 200 wide and 400 high
    turned.save(tmp_path / "a.jpg", exif=exif)
    at = {box: Picture([Anomaly("n", "A cup hovers.", "It should fall.", bbox=box)]) for box in (SEEN, TRUE)}
    words: Any = WordSimilarity()
    board = score_pictures({"model": {"a.jpg": at[SEEN]}}, {"a.jpg": at[TRUE]}, words, Options())
    page = render_report(board, tmp_path)
    assert re.findall(r'style="left:(.+?)%;top:(.+?)%;width:(.+?)%;height:(.+?)%;.+?<b [^>]*>(.)</b>', page) == [
        ("50.0", "25.0", "50.0", "25.0", "R"),
        ("50.0", "0.0", "50.0", "50.0", "P"),
    ]


def test_the_parts_for_another_page_are_the_report_s(board: Leaderboard) -> None:
    """Scores with their signature, plots and matches, each as it stands in the report."""
    parts, page = render_parts(board), render_report(board)
    assert f"<code>{board.evaluations[0].scores.signature}</code>" in parts["scores"]
    for name, part in parts.items():
        shown = part.removeprefix('<div class="semap">').removesuffix("</div>").partition("<h2>")[2]
        assert shown in page, name


def test_scores_on_a_benchmark_are_written_for_its_leaderboards(board: Leaderboard, tmp_path: Path) -> None:
    """A file for each predictor as the Hub reads it: the headline scores that are defined, each with its signature."""
    write_results(board, tmp_path, benchmark="org/anomreason")
    assert json.loads((tmp_path / "metrics.json").read_text())["dataset"] == "org/anomreason"
    files = sorted((tmp_path / ".eval_results").iterdir())
    assert [file.name for file in files] == ["good.yaml", "po_or___.yaml"]
    entries = parse_eval_result_entries(yaml.safe_load(files[0].read_text()))
    scores = board.evaluations[0].scores
    assert {entry.task_id: entry.value for entry in entries} == {
        "SemF1_Full": pytest.approx(scores.full.semf1.value, abs=1e-6),
        "SemAP_Full": pytest.approx(scores.full.semap.value, abs=1e-6),
    }
    assert {entry.dataset_id for entry in entries} == {"org/anomreason"}
    assert all(entry.notes == scores.signature for entry in entries)


def test_scores_are_proposed_to_the_owner_of_a_model(board: Leaderboard, tmp_path: Path) -> None:
    """By the command that docs/evaluating.md shows, against the Hub on loopback: a pull request with the file, and no commit."""
    write_results(board, tmp_path, benchmark="org/anomreason")
    line = ["upload", "owner/model", ".eval_results", ".eval_results", "--create-pr"]
    with LoopbackHub() as hub:
        environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path / "home")}
        program = str(Path(sys.executable).with_name("hf"))
        done = subprocess.run(
            [program, *line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    repository = hub.repositories["model", "owner/model"]
    (proposed,) = repository.proposals
    assert proposed[".eval_results/good.yaml"] == (tmp_path / ".eval_results" / "good.yaml").read_bytes()
    assert (repository.files, repository.commits) == ({}, 0)


def test_an_interval_stands_in_the_notes() -> None:
    """Beside the signature of the measurement it belongs to; what is undefined is not reported."""
    plain = {
        "SemF1_Full": 0.5,
        "SemF1_Full_low": 0.4,
        "SemF1_Full_high": 0.6,
        "SemF1C_Full": None,
        "signature": "semap:a",
    }
    judged = {"accuracy": 1.0, "signature": "semap:b"}
    entries = parse_eval_result_entries(yaml.safe_load(hub_results("org/anomreason", plain, judged)))
    assert [(entry.task_id, entry.value, entry.notes) for entry in entries] == [
        ("SemF1_Full", 0.5, "95 % interval 0.4000 to 0.6000; semap:a"),
        ("accuracy", 1.0, "semap:b"),
    ]


def test_a_plot_without_anything_to_show_is_not_drawn() -> None:
    """Predictions without any anomaly have neither a precision-recall curve nor severities."""
    words: Any = WordSimilarity()
    truth = {"a.png": Picture([Anomaly("n", "A cup hovers.", "It should fall.")])}
    page = render_report(score_pictures({"silent": {"a.png": Picture([])}}, truth, words, Options()))
    assert page.count("<svg") == 2


CUP = [{"phenomenon": "A cup hovers.", "reasoning": "It should fall."}]
ARM = [{"phenomenon": "A man has three arms.", "reasoning": "People have two."}]
QUICK: dict[str, Any] = {"encoder": "minilm", "bootstrap": 0}


def test_batches_score_as_all_at_once_and_states_merge() -> None:
    """update, compute, reset, forward, merge_state, and a state that is pickled."""
    whole = SemAP().compute(predictions=[CUP, CUP, []], references=[CUP, ARM, ARM], **QUICK)
    metric = SemAPMetric(**QUICK)
    metric.update([CUP], [CUP])
    metric.update([CUP, []], [ARM, ARM])
    assert metric.compute() == whole == metric.compute()
    parts = [SemAPMetric(**QUICK) for _ in range(2)]
    parts[0].update([CUP], [CUP])
    parts[1].load_state_dict(pickle.loads(pickle.dumps({"predictions": [CUP, []], "references": [ARM, ARM]})))
    parts[0].merge_state(parts[1:])
    assert parts[0].compute() == whole
    assert parts[0].state_dict()["references"] == metric.state_dict()["references"]
    metric.reset()
    assert metric([CUP], [CUP])["SemF1_Full"] == 1
    assert metric.compute()["images"] == 1
    with pytest.raises(RecordError, match=r"predictions\[1\]\[0\]: reasoning is missing"):
        metric.update([[{"phenomenon": "A cup."}]], [CUP])
    assert metric.compute()["images"] == 1


GATHER = """
import json, os, sys
from torch import distributed
from metric_semap.streaming import SemAPMetric
rank = int(os.fork() == 0)  # once everything is imported
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=rank, world_size=2)
metric = SemAPMetric(encoder="minilm", bootstrap=0)
said, true = json.loads(sys.argv[2])[rank]
metric.update(said, true)
found = json.dumps(metric.compute())
if rank == 0:
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
print(found, flush=True)
os._exit(0)
"""


def test_processes_have_the_score_of_all_their_pictures(tmp_path: Path) -> None:
    """Two processes of torch.distributed gather what each was given."""
    parts = json.dumps([[[CUP], [CUP]], [[CUP, []], [ARM, ARM]]])
    command = [sys.executable, "-W", "ignore", "-c", GATHER, str(tmp_path / "store"), parts]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == 2
    assert found[0] == found[1]
    assert found[0]["images"] == 3
    assert found[0]["SemF1_Full"] == pytest.approx(1 / 3)
