"""A judge of texts next to the scores: which pairs it is asked about, what follows from its answers, and what nobody answered."""

import json
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import anomreason
from agent.simulated import serve
from dataset_builder.scenes import write_scenes
from metric_semap.agreement import Rater, agreement
from metric_semap.anomalies import Anomaly, Picture
from metric_semap.errors import OptionError, SemapError
from metric_semap.evaluation import score_pictures, write_results
from metric_semap.judgement import Judged, JudgedPair, pair_rows, sentences
from metric_semap.judging import judged, questions
from metric_semap.measurement import Options
from metric_semap.records import parse_records
from metric_semap.report import render_parts, render_report
from metric_semap.results import Leaderboard, metrics
from metric_semap.scores import Estimate
from metric_semap.signature import differences
from metric_semap.tables import formatted
from tests.judged_texts import told
from tests.word_similarity import WordSimilarity

WORDS: Any = WordSimilarity()
YES, NO, REASON = (True, True, ""), (False, False, ""), (True, False, "")
NONE = (None, None, "refused")


class Said(NamedTuple):
    same_anomaly: bool | None
    same_reason: bool | None
    problem: str = ""


class Oracle:
    """A judge that goes by the first words of the phenomena, which tests write as `key …`."""

    identity = "oracle@1"

    def __init__(self, rule: Callable[[str, str], tuple[bool | None, bool | None, str]]) -> None:
        self.rule = rule
        self.asked: list[tuple[str, str]] = []

    def __call__(self, pairs: Sequence[tuple[Any, Any]], /) -> list[Said]:
        keys = [(one.phenomenon.split()[0], other.phenomenon.split()[0]) for one, other in pairs]
        self.asked += keys
        return [Said(*self.rule(*both)) for both in keys]


def one(key: str, words: str = "") -> Anomaly:
    return Anomaly("n", f"{key} {words}".strip(), words or key, 20)


def board(said: dict[str, list[Anomaly]], true: dict[str, list[Anomaly]], verdicts: Any = None) -> Leaderboard:
    given = {image: Picture(list_, verdicts=(verdicts or {}).get(image, ())) for image, list_ in said.items()}
    return score_pictures({"model": given}, {image: Picture(list_) for image, list_ in true.items()}, WORDS, Options())


def of(judge: Oracle, found: Leaderboard) -> Judged:
    judgement = judged(found, judge).judgement
    assert judgement is not None
    return judgement.predictors["model"]


def test_a_prediction_is_held_against_its_match_and_its_best_rival_in_both_orders() -> None:
    """Two pairs per prediction at most, however many references there are; none where a side is empty."""
    true = [one("a", "cup floats"), one("b", "cup floats high"), one("c", "dog barks"), one("d", "tree")]
    found = board(
        {"1.png": [one("p", "cup floats"), one("q", "dog barks")], "2.png": []}, {"1.png": true, "2.png": true}
    )
    judge = Oracle(lambda first, second: NO)
    pairs = of(judge, found).pairs
    assert [(pair.pair.prediction, pair.pair.reference, pair.pair.matched) for pair in pairs] == [
        (0, 0, True),
        (0, 1, False),
        (1, 2, True),
        (1, 0, False),
    ]
    assert judge.asked == [both for k in ("pa", "pb", "qc", "qa") for both in ((k[0], k[1]), (k[1], k[0]))]
    alone = board({"1.png": [one("p", "cup")]}, {"1.png": [one("a", "cup")]})
    assert len(questions(alone)) == 2
    clean = board({"1.png": [one("p", "cup")], "2.png": [one("p")]}, {"1.png": [], "2.png": [one("p")]})
    assert len(questions(clean)) == 2


def test_precision_recall_and_f1_count_what_the_judge_calls_the_same() -> None:
    """Also where SemAP matched another pair; each reference counts for one prediction; means over pictures."""
    said = {"1.png": [one("x", "cup floats"), one("x", "dog barks"), one("z", "sky")], "2.png": [one("y", "tree")]}
    true = {"1.png": [one("x", "dog barks"), one("w", "cup floats")], "2.png": [one("y", "tree")]}
    judge = Oracle(lambda first, second: (YES if first == "y" else REASON) if first == second else NO)
    found = of(judge, board(said, true))
    # 1.png: both x say the one reference x, which only one of them may have: 1 of 3 and 1 of 2.
    assert found.anomaly["precision"].value == pytest.approx((1 / 3 + 1) / 2)
    assert found.anomaly["recall"].value == pytest.approx((1 / 2 + 1) / 2)
    assert found.anomaly["F1"].value == pytest.approx((2 / 5 + 1) / 2)
    assert found.reason["F1"].value == pytest.approx((0 + 1) / 2)
    # Matched by words: x-w (no), x-x (yes), y-y (yes, with the reason).
    assert (found.matched, found.pictures, found.open) == (3, 2, 0)
    assert found.same_anomaly.value == pytest.approx(2 / 3)
    assert found.same_reason.value == pytest.approx(1 / 3)


def test_a_pair_is_the_same_only_where_both_orders_say_so() -> None:
    """Where they differ, that is counted, and a reason without the anomaly is nothing."""
    said, true = {"1.png": [one("p", "cup")]}, {"1.png": [one("a", "cup")]}
    found = of(Oracle(lambda first, second: YES if first == "p" else NO), board(said, true))
    assert (found.same_anomaly.value, found.disagreement.value, found.anomaly["F1"].value) == (0, 1, 0)
    assert found.pairs[0].words == "the orders disagree"
    found = of(Oracle(lambda first, second: (True, first == "p", "")), board(said, true))
    assert (found.same_anomaly.value, found.same_reason.value, found.disagreement.value) == (1, 0, 1)
    assert found.pairs[0].words == "the same anomaly, the orders disagree on the reason"
    found = of(Oracle(lambda first, second: (False, True, "")), board(said, true))
    assert (found.same_reason.value, found.pairs[0].words) == (0, "another anomaly")


def test_no_answer_is_never_a_no() -> None:
    """Such pairs are left out of shares, and their picture of the scores if they could change its count; all of it is told."""
    said = {"1.png": [one("p", "cup floats")], "2.png": [one("q", "dog barks")], "3.png": [one("r", "sky")]}
    true = {
        "1.png": [one("a", "cup floats"), one("b", "cup")],
        "2.png": [one("c", "dog barks"), one("d", "dog")],
        "3.png": [one("e", "sky")],
    }
    # 1: the match is the same, so the refused rival changes nothing. 2: the match is not; the refused rival could be. 3: a no.
    rule = {"pa": YES, "pb": NONE, "qc": NO, "qd": NONE, "re": NO}
    found = judged(board(said, true), Oracle(lambda *both: rule.get("".join(both)) or rule["".join(both[::-1])]))
    assert found.judgement is not None
    of_model = found.judgement.predictors["model"]
    assert (of_model.pictures, of_model.open, of_model.problems) == (2, 1, {"refused": 2})
    assert of_model.anomaly["precision"].value == pytest.approx(1 / 2)
    assert (of_model.matched, of_model.same_anomaly.value) == (3, pytest.approx(1 / 3))
    assert found.judgement.unanswered == 2
    assert (
        "2 of 5 pairs have no answer from the judge (2 × refused); 1 pictures are left out"
        in sentences(found.judgement)[1]
    )
    nothing = of(Oracle(lambda first, second: NONE), board(said, true))
    assert np.isnan([nothing.same_anomaly.value, nothing.anomaly["F1"].value, nothing.disagreement.value]).all()


def test_one_order_without_an_answer_leaves_the_pair_without_one() -> None:
    found = of(
        Oracle(lambda first, second: YES if first == "p" else NONE),
        board({"1.png": [one("p", "cup")]}, {"1.png": [one("a", "cup")]}),
    )
    assert (found.problems, found.matched) == ({"refused": 1}, 0)


def test_a_judge_that_answers_less_than_it_is_asked_is_refused() -> None:
    class Short(Oracle):
        def __call__(self, pairs: Sequence[tuple[Any, Any]], /) -> list[Said]:
            return super().__call__(pairs)[1:]

    with pytest.raises(SemapError, match="1 opinions on 2 pairs"):
        judged(board({"1.png": [one("p")]}, {"1.png": [one("a")]}), Short(lambda *both: NO))


def reviewed(pictures: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Pictures with a right and a wrong answer each; people accept the right one and reject the other, but for the last picture."""
    said, true, verdicts = {}, {}, {}
    for k in range(pictures):
        said[f"{k}.png"] = [one(f"t{k}", f"thing{k} floats"), one("wrong", "nothing")]
        true[f"{k}.png"] = [one(f"t{k}", f"thing{k} floats"), one("u", f"other{k} sinks")]
        verdicts[f"{k}.png"] = ("accept", "reject") if k < pictures - 1 else ("reject", None)
    return said, true, verdicts


def test_judge_people_and_scores_are_compared_answer_by_answer() -> None:
    """Kappa and rank correlation of each two, over the answers that both have; a verdict that is missing is no verdict."""
    said, true, verdicts = reviewed(10)
    found = judged(board(said, true, verdicts), Oracle(lambda first, second: YES if first == second else NO))
    assert found.judgement is not None
    table = {(one.first, one.second): one for one in found.judgement.agreement}
    people = table["people", "judge"]
    # 9 right, 9 wrong, and one that people reject and the judge does not: observed 18/19, by chance (9·10 + 10·9) / 19².
    chance = (9 * 10 + 10 * 9) / 19**2
    assert people.answers == 19
    assert people.kappa.value == pytest.approx((18 / 19 - chance) / (1 - chance))
    assert people.kappa.low is not None
    assert people.kappa.low < people.kappa.value < people.kappa.high  # type: ignore[operator]
    assert table["judge", "SemAP"].answers == 20
    assert table["judge", "SemAP"].kappa.value == pytest.approx(1)
    assert {second for _, second in table} == {"judge", "judge with reason", "SemAP"}  # no calibration
    without = judged(board(said, true), Oracle(lambda first, second: NO)).judgement
    assert without is not None
    assert "people" not in {one.first for one in without.agreement}


def test_agreement_without_two_kinds_of_answers_is_not_defined() -> None:
    raters = [Rater("a", np.array([1.0, 1.0, np.nan]), 1.0), Rater("b", np.array([0.5, 1.0, 1.0]), 0.5)]
    (found,) = agreement(raters, ["x", "y", "z"], True)
    assert found.answers == 2
    assert np.isnan([found.kappa.value, found.correlation.value]).all()
    assert agreement([raters[0], Rater("c", np.array([np.nan, np.nan, 1.0]), 1.0)], ["x", "y", "z"], True) == []


def test_people_s_verdicts_are_read_where_a_file_has_them() -> None:
    """As `anomreason verdicts export` writes them; anything else is no verdict, and a file without any has none."""
    record = {"name": "n", "phenomenon": "p", "reasoning": "r", "severity": 5}
    row = {
        "image_id": "a.png",
        "anomalies": [record | {"verdict": said} for said in ("accept", "reject", "unsure", ["accept"])],
    }
    (picture,) = parse_records(json.dumps(row) + "\n", "prediction", "f").values()
    assert picture.verdicts == ("accept", "reject", None, None)
    (picture,) = parse_records(
        json.dumps({"a.png": [record | {"verdict": "fake"}, record]}), "prediction", "f"
    ).values()
    assert picture.verdicts == ()


@pytest.fixture(scope="module")
def shown() -> Leaderboard:
    said, true, verdicts = reviewed(10)
    said["0.png"][0] = replace(said["0.png"][0], name="<b>bold</b>")
    rule = {"u": NONE}
    judge = Oracle(lambda first, second: rule.get(second) or rule.get(first) or (YES if first == second else NO))
    judge.identity = "mo|del <i>@1"
    return judged(board(said, true, verdicts), judge)


def test_the_report_says_that_the_judge_is_not_validated(shown: Leaderboard) -> None:
    """Table, agreement, opinions next to the matches, pairs without an answer; every text escaped."""
    page = render_report(shown)
    for said in (
        "Not validated: ",
        "Cohen&#39;s kappa",
        "judge: the same anomaly, for the same reason",
        "have no answer, which is not a no",
    ):
        assert said in page, said
    assert "mo|del &lt;i&gt;@1" in page
    assert "<i>" not in page
    assert "Not validated: " in render_parts(shown)["scores"]
    assert "not validated: " in sentences(shown.judgement)[-1]  # type: ignore[arg-type]
    plain = render_report(replace(shown, judgement=None))
    assert "judge" not in plain.lower()


def test_the_numbers_are_in_the_json_with_a_signature_of_their_own(shown: Leaderboard, tmp_path: Path) -> None:
    """Strict JSON; a row per pair; another judge is another measurement, and the scores' own signature knows nothing of it."""
    written = {path.name: path for path in write_results(shown, tmp_path)}
    content = json.loads(written["metrics.json"].read_text(), parse_constant=pytest.fail)["judge"]
    of_model = content["predictors"]["model"]
    assert content["note"].startswith("not validated")
    assert of_model["F1_anomaly"] == shown.judgement.predictors["model"].anomaly["F1"].value  # type: ignore[union-attr]
    assert of_model["problems"] == {"refused": 10}
    score = metrics(shown)["results"]["model"]["signature"]
    assert "judge" not in score
    assert differences(of_model["signature"], of_model["signature"].replace("@1", "@2")) == [
        "The judge is 1/mo|del <i>@1 in the first and 1/mo|del <i>@2 in the second."
    ]
    rows = [json.loads(line) for line in written["judged_pairs.jsonl"].read_text().splitlines()]
    assert rows == pair_rows(shown.judgement)  # type: ignore[arg-type]
    assert rows[0] | {"similarity": 0} == {
        "predictor": "model",
        "image": "0.png",
        "prediction": 0,
        "reference": 0,
        "matched": True,
        "similarity": 0,
        "calibrated": None,
        "prediction_first": {"same_anomaly": True, "same_reason": True, "problem": None},
        "reference_first": {"same_anomaly": True, "same_reason": True, "problem": None},
    }
    assert json.loads(formatted(shown, "json"))["judge"] == content
    assert "judge" not in metrics(replace(shown, judgement=None))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A truth of scenes' sentences, and answers in other words: right, and about another thing."""
    folder = tmp_path_factory.mktemp("judged")
    write_scenes(folder / "scenes", 2, seed=3)
    truth, said = {}, {}
    for k in range(9):
        for content, number, wording in ((truth, k, 0), (said, k if k % 3 else 99, 1)):
            text = told(number, wording=wording)
            content[f"{k}.png"] = [
                {"name": "n", "phenomenon": text.phenomenon, "reasoning": text.reasoning, "severity": 9}
            ]
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "said.json").write_text(json.dumps(said))
    return folder


def score(files: Path, out: Path, *more: object) -> Result:
    line = ["score", files / "said.json", files / "truth.json", "--encoder", "minilm", "--out", out, *more]
    return CliRunner().invoke(anomreason.app, [str(one) for one in line], catch_exceptions=False)


def calls(url: str) -> int:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=30) as answer:
        return int(json.load(answer)["calls"])


def test_the_command_asks_within_a_budget_and_nothing_twice(files: Path, tmp_path: Path) -> None:
    """What it costs first; then a budget, which is exit code 3; then only the rest."""
    with serve(files / "scenes") as url:
        judge = ["--judge", "--base-url", url, "--model", "simulated"]
        dry = score(files, tmp_path / "out", *judge, "--dry-run")
        assert "questions  18, of which 0 are answered already" in dry.output
        assert (dry.exit_code, calls(url), (tmp_path / "out").exists()) == (0, 0, False)
        some = score(files, tmp_path / "out", *judge, "--budget-calls", 7)
        assert (some.exit_code, calls(url)) == (3, 7)
        assert "not asked: the budget is used up" in some.output
        done = score(files, tmp_path / "out", *judge)
        assert (done.exit_code, calls(url)) == (0, 18)
    assert "the judge calls 66.7 % of 9 matched pairs the same anomaly" in done.output
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())["judge"]
    assert content["judge"].startswith("simulated@")
    assert content["predictors"]["said"]["F1_anomaly"] == pytest.approx(6 / 9)
    assert {"first": "judge", "second": "SemF1C"}.items() <= content["agreement"][1].items()
    assert "Not validated: " in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "judged_pairs.jsonl").exists()
    score(files, tmp_path / "out")
    assert not (tmp_path / "out" / "judged_pairs.jsonl").exists()  # it would speak of other scores than those beside it
    assert any((tmp_path / "out" / "judge").iterdir())  # what was asked is kept for the next time


def test_what_cannot_be_judged_is_refused_before_an_encoder_is_loaded(files: Path, tmp_path: Path) -> None:
    """A judge needs a model, an option of the judge needs the judge, its server has to be there, and money needs a price."""
    with pytest.raises(OptionError, match="--judge: needs --model"):
        score(files, tmp_path / "out", "--judge")
    with pytest.raises(OptionError, match="--budget-calls applies to the judge only"):
        score(files, tmp_path / "out", "--budget-calls", 3)
    with pytest.raises(Exception, match="no answer from the server"):
        score(files, tmp_path / "out", "--judge", "--model", "m", "--base-url", "http://127.0.0.1:9/v1")
    with pytest.raises(Exception, match="the model's price is not known"):
        score(files, tmp_path / "out", "--judge", "--model", "m", "--budget-usd", 1, "--dry-run")
    assert not (tmp_path / "out").exists()


def test_an_opinion_in_words() -> None:
    """What stands next to a match in the report."""
    words = {
        "for another reason": (REASON, REASON),
        "no answer": (YES, NONE),
        "for the same reason": (YES, YES),
        "another anomaly": (NO, NO),
    }
    for said, orders in words.items():
        pair = JudgedPair(Any, (Said(*orders[0]), Said(*orders[1])))  # type: ignore[arg-type]
        assert pair.words.endswith(said)
    assert Estimate(1.0).low is None
