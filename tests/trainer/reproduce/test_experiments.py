"""The experiments that ask models, on few scenes with the tiny model: both tables, their forecast, and their four files."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import anomreason
from agent import served
from agent.simulated import serve
from dataset_builder.contestants import Contestant
from dataset_builder.scenes import write_scenes
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import of_config
from dataset_builder.terminal import Steps
from metric_semap.scores import Estimate
from trainer.evaluation.bench import Bench
from trainer.evaluation.intensity import Score
from trainer.evaluation.published import ANOMREASON, DEEPFAKE, INTERNVL3
from trainer.evaluation.result import Result, Table
from trainer.evaluation.result_page import files, print_result, write_result
from trainer.reproduce.audited import planned
from trainer.reproduce.benched import Setting
from trainer.reproduce.table1 import Table1, published_of
from trainer.reproduce.table2 import Table2, score_of

PICTURES, OWN = 24, 24


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both tables work: what the tiny model answered for one is there for the other."""
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def second(out: Path) -> Result:
    return Table2(Setting.of(served, None, None, None, PICTURES, deepfake=True), wanted=0.1, own=OWN).run(out, Steps())


@pytest.fixture(scope="module")
def first(out: Path, second: Result) -> Result:
    return Table1(Setting.of(served, None, None, None, PICTURES)).run(out, Steps())


def test_the_deepfake_table_has_every_published_row_and_ours(second: Result) -> None:
    """Published cells are those known, no others; the tiny model's row has intervals in all views."""
    rows = {str(row[0]): row[1:] for row in second.tables[0].rows}
    assert len(rows) == 1 + len(DEEPFAKE)
    published = [[cell for cell in row if cell is not None] for name, row in rows.items() if "published" in name]
    assert published == [[value for key, value in row.items() if key not in ("name", "source")] for row in DEEPFAKE]
    assert all(isinstance(cell, Score) for cell in rows["tiny"])
    assert second.simulated
    assert "not photographs" in second.data


def test_a_platform_s_numbers_are_there(second: Result) -> None:
    """On scenes the tiny model tells fakes well; the threshold comes from clean scenes that are not in the dataset."""
    area, threshold = second.numbers["tiny: AUROC"], second.numbers["tiny: threshold"]
    assert isinstance(area, Score)
    assert isinstance(threshold, Score)
    assert area.value > 0.8
    assert area.low < area.value
    assert 0 <= threshold.value <= 1
    assert second.tables[2].rows[0][1] == OWN // 2
    assert second.numbers["tiny: expected FPR"].high > 0.1  # type: ignore[union-attr]  # twelve pictures tell little


def test_the_first_table_has_the_published_rows_in_the_paper_s_order(first: Result) -> None:
    rows = [row for row in first.tables[0].rows if "published" in str(row[0])]
    assert [str(row[0]).split(",")[0] for row in rows] == [row["name"] for row in ANOMREASON]
    for row, known in zip(rows, ANOMREASON, strict=True):
        assert dict(zip(first.tables[0].columns[1:], row[1:], strict=True)) == {
            column: known.get(column) for column in first.tables[0].columns[1:]
        }
    last = first.tables[-1].rows[-1]
    assert str(last[0]).startswith(INTERNVL3["name"])  # type: ignore[arg-type]
    assert last[1] == pytest.approx(0.0876)
    gap = first.numbers["tiny: SemF1_Phe - SemF1_Rea"]
    assert isinstance(gap, Score)
    phe, rea = (first.numbers[f"tiny: SemF1_{view}"] for view in ("Phe", "Rea"))
    assert gap.value == pytest.approx(phe.value - rea.value)  # type: ignore[union-attr]
    assert gap.low <= gap.value <= gap.high


def test_what_was_answered_is_not_asked_again(first: Result, second: Result, out: Path) -> None:
    """Run again, no model is loaded, and the result is the same."""
    before = {path: path.stat().st_mtime_ns for path in (out / "predictions").rglob("*.jsonl")}
    again = Table1(Setting.of(served, None, None, None, PICTURES)).run(out, Steps())
    assert again.as_json() == first.as_json()
    assert {path: path.stat().st_mtime_ns for path in (out / "predictions").rglob("*.jsonl")} == before


def test_the_published_values_are_those_of_the_paper() -> None:
    """Number by number."""
    assert [[row["SemAP_Full"], row["SemAP_Rea"], row["SemF1_Full"], row["SemF1_Rea"]] for row in ANOMREASON] == [
        [0.4568, 0.4353, 0.4104, 0.3912],
        [0.4727, 0.4562, 0.5109, 0.4930],
        [0.5162, 0.5130, 0.5009, 0.4977],
    ]
    assert [[row.get(key) for key in ("accuracy", "CSemAP_Rea", "CSemF1_Rea", "CSemAP_Full")] for row in DEEPFAKE] == [
        [0.7760, 0.2337, 0.2159, None],
        [0.8776, 0.3487, 0.3770, None],
        [0.8261, 0.3574, 0.3929, None],
        [0.9218, None, None, 0.5207],
        [None, None, None, 0.3612],
        [0.8859, None, None, 0.4234],
        [None, None, None, 0.3613],
    ]
    assert published_of("tiny", "tiny") is None
    assert published_of("GPT-4o", None) == ANOMREASON[1]
    assert published_of("x", "ORG/AnomReasonor-7B") == ANOMREASON[2]


def test_an_estimate_without_an_interval_is_a_number() -> None:
    assert score_of(Estimate(0.5)).value == 0.5
    assert score_of(Estimate(0.5, low=0.4, high=0.6)) == (0.5, 0.4, 0.6)


def test_models_without_a_dataset_are_asked_about_scenes(tmp_path: Path) -> None:
    """A bench file that names no data, and no data on the command line; a dataset in the file is taken."""
    path = tmp_path / "bench.yaml"
    path.write_text("models:\n  tiny: {model: tiny}\n")
    assert Setting.of(served, path, None, None, PICTURES).pictures == PICTURES
    path.write_text("dataset: mine\nmodels:\n  tiny: {model: tiny}\n")
    found = Setting.of(served, path, None, None, PICTURES)
    assert (found.pictures, found.bench.dataset) == (0, "mine")


def test_the_forecast_counts_calls_money_and_gpu_hours(tmp_path: Path) -> None:
    """Of endpoints calls, tokens and money; of local models GPU hours by their size; of files nothing."""
    (tmp_path / "prices.yaml").write_text("gpt-4o: {input: 2.5, output: 10}\n")
    models = {
        "file": Contestant(predictions=Path("x.json")),
        "tiny": Contestant(model="tiny"),
        "large": Contestant(model="Qwen/Qwen2.5-VL-72B-Instruct"),
        "small": Contestant(model="Qwen/Qwen2.5-VL-7B-Instruct"),
        "served": Contestant(model="gpt-4o", plan="direct"),
    }
    costs = {
        name: Setting(Bench(models={name: one}, prices=tmp_path / "prices.yaml"), served, pictures=100).cost(asked=1000)
        for name, one in models.items()
    }
    assert costs["file"].pictures == 0
    assert costs["tiny"].seconds > 100
    assert costs["large"].gpu_hours == pytest.approx(costs["small"].gpu_hours * 72 / 7)
    assert costs["served"].calls == 2000
    assert costs["served"].usd is not None
    assert costs["served"].usd > 1
    assert Setting(Bench(models={"served": models["served"]}), served, pictures=100).cost(asked=10).usd is None
    agent = Contestant(model="gpt-4o", plan="efficient")
    calls = {
        (one.plan, verdict): served.expected_cost(one, None, 10, None, verdict=verdict)[0]
        for one in (agent, models["served"])
        for verdict in (False, True)
    }
    assert calls["direct", False] == 10
    assert calls["direct", True] == 20
    assert calls["efficient", False] > calls["direct", True]


def test_the_forecast_counts_a_release_s_test_pictures_before_a_dataset_is_built(release: Path) -> None:
    """As many as the dataset's split will have, of each configuration."""
    for deepfake in (False, True):
        setting = Setting.of(served, None, None, release, PICTURES, deepfake=deepfake)
        rows = of_config(open_source(release).rows, "deepfake" if deepfake else "default", "test")
        assert setting.cost().pictures == len(rows) > 0


def test_the_forecast_of_an_audit_counts_what_the_reviewer_is_shown(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        f"generators:\n  a: {{images: '{scenes / 'images'}'}}\nreviewer: {{model: gpt-4o, plan: direct}}\n"
    )
    experiment, _ = planned(tmp_path / "plan.yaml", served, None, 0)
    assert (experiment.cost().pictures, experiment.cost().usd) == (40, None)


def test_a_dry_run_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forecast is printed, nothing is written."""
    monkeypatch.chdir(tmp_path)
    for name in ("table1", "table2", "generators", "hitl", "detectors"):
        done = CliRunner().invoke(anomreason.app, ["reproduce", name, "--dry-run"])
        assert done.exit_code == 0, done.output
        assert "assumed" in done.stderr or name in ("generators", "hitl")
    assert list(tmp_path.iterdir()) == []


def test_own_photographs_set_the_threshold_of_an_endpoint(tmp_path: Path) -> None:
    """As a person types it: a served model, a dataset and a folder of photographs; a server without probabilities is told."""
    from dataset_builder.building.build import build

    write_scenes(tmp_path / "scenes", 16, seed=9)
    build(tmp_path / "scenes", tmp_path / "dataset", recipe=None)
    with serve(tmp_path / "scenes") as url:
        (tmp_path / "bench.yaml").write_text(
            "dataset: dataset\nsplit: train\nencoder: minilm\nbootstrap: 50\n"
            f"models:\n  served: {{model: simulated, base_url: '{url}'}}\n"
        )
        arguments = [
            "--models",
            tmp_path / "bench.yaml",
            "--reals",
            tmp_path / "scenes" / "images",
            "--out",
            tmp_path / "out",
        ]
        done = CliRunner().invoke(anomreason.app, ["reproduce", "table2", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert found["numbers"]["served: accuracy"]["value"] == 1
    assert "gives no probabilities" in " ".join(found["notes"]) or "served: AUROC" in found["numbers"]


@pytest.fixture
def hostile() -> Result:
    """A result whose texts mean something in every form."""
    name = r"<script>|a_b & 5 % \end{tabular} $x$"
    table = Table(
        "T & U",
        ("model", "value"),
        [[name, Score(-0.5, -0.6, 0.1)], ["none", None], ["many", 12_345], ["p", 0.0002]],
        "1 < 2",
    )
    return Result(
        "x", "Title <b>", "claims & more", "Data", True, ["<i>found</i>"], [table], {"n": Score(1, float("nan"), 2)}
    )


def test_every_form_escapes_what_it_would_obey(hostile: Result, tmp_path: Path) -> None:
    """JSON without NaN, HTML without tags, Markdown without a torn table, LaTeX without commands of a name."""
    assert [path.name for path in write_result(hostile, tmp_path)] == list(files())
    said = {form: (tmp_path / f"result.{form}").read_text(encoding="utf-8") for form in ("json", "md", "html", "tex")}
    assert json.loads(said["json"])["numbers"]["n"] == {"value": 1, "low": None, "high": 2}
    assert "<script>" not in said["html"] + said["md"]
    assert "<i>" not in said["html"] + said["md"]
    assert "−0.500 <small>−0.600 to 0.100</small>" in said["html"]
    assert r"\_b \& 5 \% \textbackslash{}end\{tabular\} \$x\$" in said["tex"]
    assert "$-$0.500 ($-$0.600 to 0.100)" in said["tex"]
    rows = [line for line in said["md"].splitlines() if line.startswith("|")]
    assert len(rows) == 6
    assert "12,345" in rows[-2]
    assert "0.0002" in rows[-1]


def test_a_narrow_terminal_cuts_no_name(first: Result, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """At 80 columns names and headings are broken, not shortened."""
    monkeypatch.setenv("COLUMNS", "80")
    print_result(first)
    assert "…" not in capsys.readouterr().out


def test_the_page_shows_on_a_screen_and_a_phone(browser: Any, tmp_path: Path) -> None:
    """No script, nothing from elsewhere; wide tables scroll by themselves, the page does not."""
    columns = ("model", *(f"a long column {k}" for k in range(12)))
    rows = [[f"model-with-a-long-name-{k}", *[Score(0.5, 0.4, 0.6)] * 12] for k in range(4)]
    tables = [
        Table("Wide", columns, rows, f"Measured with {'signature' * 20}."),
        Table("Narrow", ("model", "AUROC"), [["tiny", 0.5]]),
    ]
    wide = Result("x", "A title", "The claim.", "The data.", True, ["Found."], tables, {}, ["A note."], {"seed": 0})
    write_result(wide, tmp_path)
    for width in (1280, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto((tmp_path / "result.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("table").count() == 2
        page.close()


def test_options_that_exclude_each_other_are_one_sentence() -> None:
    done = CliRunner().invoke(anomreason.app, ["reproduce", "table1", "--dataset", "a", "--release", "b"])
    assert "two sources" in str(done.exception)
