"""The reports of all commands: one page around them, that fits a phone and paper, with the same head."""

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import anomreason
from agent.report import write_report as write_agent_report
from agent.review.desk import Desk
from agent.review.export import export
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.contestants import Outcome
from dataset_builder.predictions import Prediction
from dataset_builder.scenes import read_scenes
from dataset_builder.templates import typed
from metric_semap.evaluation import score_pictures, write_results
from metric_semap.measurement import Options
from metric_semap.records import read_records
from metric_semap.report import interval
from tests.conftest import REPOSITORY
from tests.reviewing import write_run
from tests.word_similarity import WordSimilarity
from trainer.evaluation.bench import Bench
from trainer.evaluation.bench_run import Result as Benchmark
from trainer.evaluation.bench_run import Standing
from trainer.evaluation.intensity import Score
from trainer.evaluation.leaderboard import write_leaderboard
from trainer.evaluation.result import Result, Table
from trainer.evaluation.result_page import write_result
from trainer.report import in_order
from trainer.report import write_report as write_quickstart_report

FILES = Path(__file__).parent / "metric_semap" / "score_files"
GENERATORS = ("sdxl", "a_generator-of-a-long-name.without-any-place-to-break_v1.5")
SIGNED = {"score", "leaderboard", "quickstart", "reproduce"}
TYPED = ["/usr/bin/anomreason", "audit", "my plan.yaml", "--base-url", "https://user:secret@host/v1", "--seed=1"]


def scores(out: Path) -> Path:
    truth = read_records(FILES / "truth.jsonl", "reference")
    said = {name: read_records(FILES / f"{name}.jsonl", "prediction") for name in ("good", "poor")}
    words: Any = WordSimilarity()
    long = {"good": said["good"], "a_model-with_a_long-name/Instruct-7B": said["poor"]}
    board = score_pictures(long, truth, words, Options(empty="skip"))
    write_results(board, out / "scores", command="anomreason score good.jsonl truth.jsonl")
    standings = {name: Standing(0.0, 0.0, 1.5, 120.0, Outcome()) for name in long}
    bench = Bench.model_validate({"dataset": "org/anomreason", "models": {name: {"model": name} for name in long}})
    judged = score_pictures(long, truth, words, Options(empty="skip"), "deepfake")
    write_leaderboard(Benchmark(bench, board, judged, standings, {}, {}), out / "bench")
    return out


def audit(out: Path) -> Path:
    """Of one generator 30 pictures, and one of another, of which there is no interval."""
    cup = {"name": "Cup", "phenomenon": "A cup hovers.", "reasoning": "It should fall."}
    said = [
        {f"{k}.png": [cup | {"severity": 10 + k}] * (k % 3) for k in range(30)},
        {"1.png": [cup | {"severity": None}]},
    ]
    for name, pictures in zip(GENERATORS, said, strict=True):
        (out / f"{name}.json").write_text(json.dumps(pictures))
    plan = out / "generators.yaml"
    plan.write_text(json.dumps({"generators": {name: {"annotations": f"{name}.json"} for name in GENERATORS}}))
    done = CliRunner().invoke(anomreason.app, ["audit", str(plan), "--out", str(out / "audit")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return out / "audit" / "audit.html"


def quickstart(scenes: Path, out: Path) -> Path:
    rows = read_scenes(scenes)
    said = {row.image_id: Prediction(image_id=row.image_id, status="none") for row in rows}
    row = next(row for row in rows if row.anomalies)
    numbers = {"SemAP_Full": 0.5, "SemF1_Full": 0.5, "hits": [0, 9], "false_alarms": [0, 9], "false_alarm_rate": 0.0}
    metrics = dict.fromkeys(("base", "tuned", "constant", "chance"), numbers)
    about = {"family": row.anomalies[0].family, "signature": "semap:2.0|" + "part:of_a_long_signature|" * 9}
    return write_quickstart_report(out / "quickstart.html", scenes / "images", rows, said, said, metrics | about)


def reproduced(out: Path) -> Path:
    columns = ("model", *(f"a long column {k}" for k in range(12)))
    none = float("nan")
    cells = [[f"a-model-with-a-long-name_{k}", *[Score(0.5, 0.4, 0.6), Score(0.5, none, none)] * 6] for k in range(3)]
    tables = [
        Table("Wide", columns, cells, "A note."),
        Table("Half", columns[:7], [row[:7] for row in cells], "A note."),
    ]
    settings = {"seed": 0, "signature": "semap:2.0|" + "long|" * 30}
    write_result(Result("x", "A title", "A claim.", "Data.", True, ["Found."], tables, {}, ["A note."], settings), out)
    return out / "result.html"


@pytest.fixture(scope="module")
def reports(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of each command, made as by a command line with an address in it."""
    from agent.plans import Settings

    out = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", TYPED)
        with serve(scenes, hallucinate=0.2, refused=0.05) as base_url:
            annotate(str(scenes / "images"), out / "run", Endpoint("simulated", base_url), Settings(), limit=8)
        write_agent_report(out / "run")
        desk = Desk(write_run(out / "reviewed", scenes))
        for item in desk.next("ann")["items"]:
            desk.verdict("ann", item["item"], "accept", item["item"], seconds=3.0)
        desk.store.close()
        export(out / "reviewed", "majority")
        made = scores(out)
        return {
            "agent": out / "run" / "report.html",
            "review": out / "reviewed" / "review.html",
            "score": made / "scores" / "report.html",
            "leaderboard": made / "bench" / "leaderboard.html",
            "audit": audit(out),
            "quickstart": quickstart(scenes, out),
            "reproduce": reproduced(out),
        }


def test_the_metric_holds_the_shared_page_too() -> None:
    """It imports nothing of ours, so its folder has a copy; the colours are those of the Space's page."""
    for name in ("shell.html.jinja", "shell.css", "parts.html.jinja"):
        own = (REPOSITORY / "dataset_builder" / name).read_text()
        assert (REPOSITORY / "metric_semap" / name).read_text() == own
    for scheme in ("light", "dark"):
        colours = (REPOSITORY / "space" / f"colours.{scheme}.css").read_text()
        assert colours.partition("*/")[2].strip() in (REPOSITORY / "dataset_builder" / "shell.css").read_text()


def test_every_report_has_the_same_head(reports: dict[str, Path]) -> None:
    """What it is, when and with what it was made, the signature where there is one, and the command without any address."""
    for name, path in reports.items():
        page = path.read_text()
        head = page[page.index("<header>") : page.index("</header>")]
        (title,) = re.findall(r"<title>(.+)</title>", page)
        assert f"<h1>{title}</h1>" in head
        made = re.search(r"<dt>Made</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d UTC, with (\w+) [\d.]+</dd>", head)
        assert made, name
        assert ("<dt>Signature</dt><dd><code>semap:" in head) == (name in SIGNED), name
        command = (
            "score good.jsonl truth.jsonl"
            if name == "score"
            else "audit &#39;my plan.yaml&#39; --base-url URL --seed=1"
        )
        assert f"<dt>Command</dt><dd><code>anomreason {command}</code></dd>" in head
        assert "secret" not in page
        assert "default-src 'none'" in page


def test_python_code_has_no_command_line(tmp_path: Path) -> None:
    """A report that a library's call made tells none; the tests' own program is none of ours."""
    assert "<dt>Command</dt>" not in reproduced(tmp_path).read_text()


def test_code_that_is_not_installed_makes_reports_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Space holds copies of the packages, whose version nobody can look up; a run must not fail at its end for that."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert re.search(r"UTC, with AnomReason</dd>", reproduced(tmp_path).read_text())


def test_addresses_of_any_case_stay_out_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """One may hold a key."""
    monkeypatch.setattr(sys, "argv", ["anomreason", "annotate", "HTTPS://key@host/v1", "--base-url=http://key@host"])
    assert typed() == "anomreason annotate URL --base-url=URL"


@pytest.mark.browser
def test_nothing_is_cut_on_a_phone_and_paper_is_white(reports: dict[str, Path], browser: Any) -> None:
    """At 390 and 820 pixels neither a page nor a table in it scrolls sideways, with all details open; all have the same width on
    a screen; dark is dark, but printed it is dark on white, and no picture is split over two sheets."""
    grounds = "[document.body, document.documentElement].map(one => getComputedStyle(one).backgroundColor)"
    wider = "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
    widths = {}
    for name, path in reports.items():
        page = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for across in (820, 390):
            page.set_viewport_size({"width": across, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") == across, name
            assert page.evaluate(wider) == 0, (name, across)
        assert page.evaluate(grounds)[0] == "rgb(21, 20, 18)", name
        page.set_viewport_size({"width": 1440, "height": 900})
        widths[name] = page.locator("main").bounding_box()["width"]
        page.emulate_media(media="print")
        assert page.evaluate(grounds)[0] == "rgb(255, 255, 255)", name
        for element in page.locator("img, article, tr").all()[:20]:
            assert element.evaluate("one => getComputedStyle(one).breakInside") == "avoid", name
        page.close()
    assert set(widths.values()) == {1152}


def test_the_audit_names_generators_as_they_were_given(reports: dict[str, Path]) -> None:
    """In notes too, which begin with a name."""
    page = reports["audit"].read_text()
    assert f'<p class="note">{GENERATORS[1]}: too few pictures' in page
    assert not re.search("Sdxl|A_generator", page)


def test_an_interval_that_does_not_exist_is_one_dash(reports: dict[str, Path]) -> None:
    """In no page, and in no Markdown beside one, a dash is the end of an interval."""
    assert interval(0.25, 0.5, 2) == "0.25 to 0.50"
    assert interval(None, None) == interval(float("nan"), float("nan")) == "–"
    for name, path in reports.items():
        for file in (path, path.with_suffix(".md")):
            if file.exists():
                assert not re.search("– *to|to *–", re.sub(r"<[^>]*>", " ", file.read_text())), name
    assert "<small>–</small>" in reports["audit"].read_text()
    assert '<td data-label="95 %">–</td>' in reports["leaderboard"].read_text()


def test_bars_have_a_scale(reports: dict[str, Path]) -> None:
    """The ends of CAP's, of the scores' and of a timeline's stand at them."""
    assert re.search(
        r'<span class="axis"[^>]*><span>0</span><span>1\.\d</span></span></th>', reports["audit"].read_text()
    )
    board = reports["leaderboard"].read_text()
    assert board.count('<span class="track">') == board.count("<span>0</span><span>1</span>") > 0
    agent = reports["agent"].read_text()
    assert agent.count('<div class="lanes">') == len(re.findall(r"<span>0 s</span><span>\d+\.\d s</span>", agent)) > 0


def test_quickstart_shows_a_right_scene_then_all_wrong_ones(scenes: Path, tmp_path: Path) -> None:
    """Right: the family is named and nothing reported on the clean twin. The page says so, and shows all that are wrong."""
    rows = read_scenes(scenes)
    family = next(row for row in rows if row.anomalies).anomalies[0].family
    taught = [row for row in rows if any(anomaly.family == family for anomaly in row.anomalies)]
    assert len(taught) >= 3
    missed, alarmed, *right = taught
    said = {row.image_id: Prediction(image_id=row.image_id, status="none") for row in rows}
    for row in (alarmed, *right):
        for name in (row.image_id, row.twin_id) if row is alarmed else (row.image_id,):
            told = [one for one in row.anomalies if one.family == family]
            said[str(name)] = Prediction(image_id=str(name), status="anomalies", anomalies=told)
    order = [right[0], missed, alarmed, *right[1:]]
    assert [(one.row, one.right) for one in in_order(rows, said, family)] == [(row, row in right) for row in order]
    numbers = {"SemAP_Full": 0.5, "SemF1_Full": 0.5, "hits": [0, 9], "false_alarms": [0, 9], "false_alarm_rate": 0.0}
    metrics = dict.fromkeys(("base", "tuned", "constant", "chance"), numbers) | {"family": family, "signature": "s"}
    page = write_quickstart_report(tmp_path / "page.html", scenes / "images", rows, said, said, metrics).read_text()
    assert "then come all 2 that it got wrong" in " ".join(page.split())
    assert page.count(">Wrong.</span>") == 2
    assert re.findall(r"<small>(.+?)</small>", page) == [row.image_id for row in order]
