"""Scoring files: the official numbers out of official files, missing pictures, leaderboards, the report."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from metric_semap.errors import OptionError, RecordError
from metric_semap.evaluation import score_files, write_results
from metric_semap.matching import greedy_match
from metric_semap.scores import Coverage

Make = Callable[..., dict[str, Any]]
QUICK: dict[str, Any] = {"encoder": "minilm", "bootstrap": 100}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, anomaly: Make) -> dict[str, Path]:
    """A ground truth of four pictures, one clean, and three predictors: good, poor, and one that fails and omits."""
    directory = tmp_path_factory.mktemp("files")
    cup, arm, clock = "A blue cup hovers above the table.", "The man has three arms.", "The clock has thirteen hours."
    truth = {
        "a.png": [anomaly(cup, "Cups fall.")],
        "b.png": [anomaly(arm, "People have two.")],
        "c.png": [anomaly(clock)],
        "d.png": [],
    }
    good = {
        "a.png": [anomaly(cup, "Cups fall.")],
        "b.png": [anomaly(arm, "People have two.")],
        "c.png": [anomaly("A clock shows 13 hours.")],
        "d.png": [],
    }
    poor = {
        "a.png": [anomaly(arm)],
        "b.png": [anomaly("Strange.")],
        "c.png": [anomaly(cup)],
        "d.png": [anomaly("Strange.")],
        "z.png": [],
    }
    partial = [
        {"image_id": "a.png", "status": "anomalies", "anomalies": good["a.png"]},
        {"image_id": "b.png", "status": "failed", "anomalies": []},
    ]
    return {
        "truth": write(directory / "truth.json", truth),
        "good": write(directory / "good.json", good),
        "poor": write(directory / "poor.json", poor),
        "partial": write(directory / "partial.json", partial),
    }


def official_score(predictions: Path, truth: Path, source: Path, layers: int, alpha: float) -> tuple[float, float]:
    """SemAP and SemF1 as the official evaluator computes them: a bert-score call a pair, over the shared pictures."""
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=str(source), num_layers=layers, device="cpu")
    said, true = (json.loads(path.read_text()) for path in (predictions, truth))
    semap, semf1 = [], []
    for image in said.keys() & true.keys():
        pairs = [(p, r) for p in said[image] for r in true[image]]
        similarities = []
        for field in ("Observed Phenomenon", "Reasoning"):
            left, right = [p[field] for p, _ in pairs], [r[field] for _, r in pairs]
            similarities.append([float(scorer.score([a], [b])[2][0]) for a, b in zip(left, right, strict=True)])
        n = len(true[image])
        combined = [alpha * phe + (1 - alpha) * rea for phe, rea in zip(*similarities, strict=True)]
        rows = [combined[k * n : (k + 1) * n] for k in range(len(said[image]))]
        found = [score for _, _, score in greedy_match(rows)] if rows else []
        at = [sum(score >= t for score in found) for t in (0.7, 0.8, 0.9)]
        semap.append(sum(tp / len(rows) for tp in at) / 3 if rows else 0.0)
        semf1.append(sum(2 * tp / (len(rows) + n) for tp in at) / 3)
    return sum(semap) / len(semap), sum(semf1) / len(semf1)


def test_official_files_give_the_official_numbers(official_files: tuple[Path, Path], minilm_directory: Path) -> None:
    """One run has the three numbers for which the official evaluator runs once an alpha."""
    board = score_files([official_files[0]], official_files[1], missing="ignore", **QUICK)
    for view, alpha in (("Phe", 1.0), ("Rea", 0.0), ("Full", 0.5)):
        semap, semf1 = official_score(*official_files, minilm_directory, 5, alpha)
        assert board.evaluations[0].scores.views[view].semap.value == pytest.approx(semap, abs=1e-9)
        assert board.evaluations[0].scores.views[view].semf1.value == pytest.approx(semf1, abs=1e-9)


def test_missing_pictures_count_or_are_ignored(files: dict[str, Path]) -> None:
    """A picture without an answer, or with a failed one, is an empty prediction; the official evaluator drops it."""
    count = score_files([files["partial"]], files["truth"], **QUICK).evaluations[0]
    ignore = score_files([files["partial"]], files["truth"], missing="ignore", **QUICK).evaluations[0]
    assert count.images == ["a.png", "b.png", "c.png", "d.png"]
    assert ignore.images == ["a.png"]
    assert count.scores.full.semap.value == pytest.approx(1 / 4)
    assert ignore.scores.full.semap.value == pytest.approx(1)
    for evaluation, missing in ((count, "count"), (ignore, "ignore")):
        assert evaluation.coverage == Coverage(missing=2, failed=1)
        assert f"|missing:{missing}|" in evaluation.scores.signature


def test_a_picture_of_an_unknown_kind_counts_as_a_failed_one_and_is_told_apart(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """The scores are the same whichever of the two an answer is; the counts and the report are not."""
    said = tmp_path / "said.json"
    said.write_text(files["partial"].read_text().replace('"failed"', '"unknown"'))
    for missing in ("count", "ignore"):
        failed, unknown = (
            score_files([path], files["truth"], missing=missing, **QUICK) for path in (files["partial"], said)
        )
        assert unknown.evaluations[0].coverage == Coverage(missing=2, failed=0, unknown=1)
        scores = [board.evaluations[0].scores.full.semap.value for board in (failed, unknown)]
        assert scores[0] == scores[1]
        write_results(unknown, tmp_path / missing)
        numbers = json.loads((tmp_path / missing / "metrics.json").read_text())["results"]["said"]
        assert (numbers["failed_images"], numbers["unknown_images"]) == (0, 1)
        assert "1 are of a kind that it does not know" in (tmp_path / missing / "report.html").read_text()


def test_a_subset_is_scored_alone(files: dict[str, Path], tmp_path: Path) -> None:
    """Only the listed pictures; one that is not among the references is an error that names it."""
    subset = tmp_path / "subset.txt"
    subset.write_text("b.png\n")
    assert score_files([files["good"]], files["truth"], subset=subset, **QUICK).evaluations[0].images == ["b.png"]
    subset.write_text("b.png\ny.png\n")
    with pytest.raises(RecordError, match=r"'y\.png' is not among the references"):
        score_files([files["good"]], files["truth"], subset=subset, **QUICK)


def test_a_leaderboard_ranks_and_tests_all_pairs(files: dict[str, Path]) -> None:
    """Best first; of each pair the difference, its interval and p, over the pictures both have."""
    board = score_files([files["poor"], files["good"], files["partial"]], files["truth"], empty="skip", **QUICK)
    assert [evaluation.name for evaluation in board.evaluations] == ["good", "partial", "poor"]
    assert [(c.first, c.second, c.score) for c in board.comparisons[:2]] == [
        ("good", "partial", "SemF1_Full"),
        ("good", "partial", "SemAP_Full"),
    ]
    assert len(board.comparisons) == 2 * 3
    first = board.comparisons[0]
    assert first.pictures == 3
    best, second = (evaluation.scores.full.semf1.value for evaluation in board.evaluations[:2])
    assert first.test.difference == pytest.approx(best - second)
    assert (first.test.low, first.test.high, first.test.p) == (None, None, None)
    assert "too few pictures to tell (3" in str(first)
    poor = board.evaluations[-1].scores
    assert (poor.counts.false_alarms, poor.counts.clean) == (1, 1)
    assert any("1 predicted pictures are not among the references" in caution for caution in poor.warnings)


def test_a_predictor_equals_itself(files: dict[str, Path], tmp_path: Path) -> None:
    """The paired test of two copies finds no difference; names are told apart by their paths."""
    (tmp_path / "good.json").write_text(files["good"].read_text())
    board = score_files([files["good"], tmp_path / "good.json"], files["truth"], **QUICK)
    assert [evaluation.name for evaluation in board.evaluations] == sorted(
        map(str, (files["good"], tmp_path / "good.json"))
    )
    assert all(c.test.difference == 0 and not c.told_apart for c in board.comparisons)


def test_deepfake_files_are_scored_by_their_labels(anomaly: Make, tmp_path: Path) -> None:
    """Labels on both sides give accuracy and CSemAP; a reference without one is named."""
    cup = [anomaly("A cup hovers above the table.", "Cups fall.")]
    truth = {
        "a.png": {"label": "fake", "anomalies": cup},
        "b.png": {"label": "fake", "anomalies": cup},
        "c.png": {"label": "real", "anomalies": []},
    }
    said = {"a.png": {"label": "fake", "anomalies": cup}, "b.png": {"label": "real", "anomalies": cup}}
    paths = write(tmp_path / "said.json", said), write(tmp_path / "truth.json", truth)
    board = score_files([paths[0]], paths[1], configuration="deepfake", **QUICK)
    scores = board.evaluations[0].scores
    assert scores.full.semap.value == pytest.approx(0.5)
    assert scores.headlines()["CSemAP_Full"] is scores.full.semap
    assert scores.headlines()["accuracy"].value == pytest.approx(1 / 3)
    write_results(board, tmp_path / "out")
    assert "CSemAP 0.500" in (tmp_path / "out" / "report.html").read_text()
    truth["c.png"] = []  # type: ignore[assignment]
    write(paths[1], truth)
    with pytest.raises(RecordError, match=r'"c\.png": label is missing'):
        score_files([paths[0]], paths[1], configuration="deepfake", **QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"configuration": "fancy"}, "choose default or deepfake"),
        ({"missing": "drop"}, "choose one of count, ignore"),
        ({"alpha": -1}, "alpha"),
    ],
)
def test_impossible_options_are_refused(files: dict[str, Path], options: dict[str, Any], message: str) -> None:
    """The message has the option and the choices."""
    with pytest.raises(OptionError, match=message):
        score_files([files["good"]], files["truth"], encoder="minilm", **options)


def test_files_without_a_common_picture_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    """The message shows a name of either side."""
    other = write(tmp_path / "other.json", {"x.png": []})
    with pytest.raises(
        RecordError, match=r"none of its 1 pictures is among the 4 references \(e\.g\. 'x\.png' and 'a\.png'\)"
    ):
        score_files([other], files["truth"], **QUICK)


def test_results_are_written_whole(files: dict[str, Path], tmp_path: Path) -> None:
    """`metrics.json` is strict JSON; `matched_results.json` has each view's headline, counts and matched pairs."""
    board = score_files([files["good"], files["poor"]], files["truth"], **QUICK)
    written = write_results(board, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    metrics = json.loads((tmp_path / "out/metrics.json").read_text(), parse_constant=refuse)
    assert list(metrics["results"]) == ["good", "poor"]
    assert metrics["comparisons"][0]["test"]["p"] is None
    matched = json.loads((tmp_path / "out/matched_results.json").read_text())
    full = matched["SemAP_Full"]
    assert full["SemAP"] == metrics["results"]["good"]["SemAP_Full"]
    assert full["by_threshold"]["0.7"]["TP"] == metrics["results"]["good"]["TP_Full@0.7"]
    assert full["per_image"]["a.png"]["matches"][0]["score"] == pytest.approx(1, abs=1e-5)


class Outside(HTMLParser):
    """Collects whatever a page would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object", "embed", "base"):
            self.found.append(tag)
        self.found += [
            f"{k}={v}" for k, v in attrs if k in ("src", "href", "xlink:href") and not (v or "").startswith("#")
        ]


@pytest.mark.browser
def test_the_report_is_self_contained_and_escapes_everything(browser: Any, tmp_path: Path, anomaly: Make) -> None:
    """Markup in names, texts and file names is shown, not run; nothing is fetched; no width overflows, light or dark."""
    evil = "<script>window.run = 1</script><img src=x onerror='window.run = 1'>\"&"
    record = anomaly(f"A cup hovers. {evil}", f"It should fall. {evil}")
    record["name"] = evil
    truth = write(
        tmp_path / "truth.json",
        {f"{evil}.png".replace("/", "_"): [record], "clean.png": [], "long" * 40 + ".png": [record, record]},
    )
    said = write(tmp_path / "a&b <i>.json", json.loads(truth.read_text()))
    poor = write(tmp_path / "poor.json", {"clean.png": [record]})
    write_results(score_files([said, poor], truth, **QUICK), tmp_path / "out")
    report = tmp_path / "out" / "report.html"
    outside = Outside()
    outside.feed(report.read_text(encoding="utf-8"))
    assert outside.found == []
    for scheme, width in (("light", 1200), ("dark", 390)):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        page = context.new_page()
        requests: list[str] = []
        page.on("request", lambda request, seen=requests: seen.append(request.url))
        page.goto(report.as_uri())
        assert page.evaluate("window.run") is None
        assert requests == [report.as_uri()]
        assert "<script>window.run" in page.inner_text("body")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("svg").count() == 4
        ink = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        assert ink == page.evaluate("getComputedStyle(document.body).color")
        page.locator("summary").nth(1).click()
        assert page.locator("details").nth(1).get_attribute("open") is not None
        context.close()
