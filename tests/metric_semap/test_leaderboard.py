"""Leaderboards: the order, baselines that any model has to beat, all pairs tested, and groups of models that are not told apart."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import anomreason
from metric_semap.anomalies import Anomaly, Picture
from metric_semap.baselines import CONSTANT, DEALT, FIRST, baselines
from metric_semap.clusters import clusters_of
from metric_semap.evaluation import score_pictures
from metric_semap.groups import groups
from metric_semap.measurement import Options
from metric_semap.report import render_report
from metric_semap.results import Leaderboard
from metric_semap.statistics import holm
from tests.word_similarity import WordSimilarity

WORDS: Any = WordSimilarity()
COMMON = "the hand has six fingers"
Pictures = dict[str, Picture]


def one(text: str) -> Anomaly:
    return Anomaly("name", text, f"{text} cannot be", 20)


def own(k: int) -> list[Anomaly]:
    """One to three anomalies that no other picture has."""
    return [one(f"object{k}x{n} lacks{k}x{n} part{k}x{n}") for n in range(1 + k % 3)]


def truth(pictures: int = 24) -> Pictures:
    """Pictures with anomalies of their own; two of three also have the common one, last."""
    return {f"{k}.png": Picture([*own(k), *([one(COMMON)] if k % 3 else [])], "fake") for k in range(pictures)}


def saying(anomalies: list[Anomaly]) -> Pictures:
    return {image: Picture(anomalies, "fake") for image in truth()}


def board(said: dict[str, Pictures], configuration: str = "default", **options: Any) -> Leaderboard:
    return score_pictures(said, truth(), WORDS, Options(**options), configuration, with_baselines=True)


@pytest.mark.parametrize("configuration", ["default", "deepfake"])
def test_a_model_that_sees_beats_the_baselines_and_a_constant_one_does_not(configuration: str) -> None:
    """The constant answer is the truth's commonest; who says just that of every picture is not shown to beat it."""
    found = board({"blind": saying([one(COMMON)]), "sees": truth()}, configuration)
    assert [row.name for row in found.rows if row.is_baseline] == [FIRST, CONSTANT, DEALT]
    assert [row.name for row in found.rows if not row.is_baseline] == ["sees", "blind"]
    assert found.not_beaten("sees") == []
    assert found.not_beaten("blind") == [FIRST, CONSTANT]
    assert any("blind is not shown to beat" in finding for finding in found.findings())
    scores = {row.name: row.scores.full.semf1.value for row in found.rows}
    assert scores[CONSTANT] == scores["blind"]
    assert 0 < scores[FIRST] < scores["sees"] == 1
    assert found.order == ("SemF1_Full" if configuration == "default" else "CSemF1_Full")


def test_a_model_may_stand_below_a_baseline() -> None:
    """Rows come by their scores, whatever they are; the best model keeps its place as the first of the models."""
    found = board({"noise": saying([one("nothing of this is there")])})
    assert found.rows[0].is_baseline
    assert found.evaluations[0].name == "noise"
    assert CONSTANT in found.not_beaten("noise")


def test_without_tests_no_model_is_said_not_to_beat_a_baseline() -> None:
    """bootstrap=0: the rows are there, nothing is said of them."""
    found = board({"blind": saying([one(COMMON)]), "sees": truth()}, bootstrap=0)
    assert len(found.baselines) == 3
    assert (found.against, found.not_beaten("blind"), found.groups(), found.findings()) == ([], [], [], [])


def test_leaving_out_right_answers_does_not_lift_a_model() -> None:
    """SemAP, a precision, is higher for the one that says less; the order is by SemF1."""
    wordy = {image: Picture([*picture.anomalies, one("a guess")]) for image, picture in truth().items()}
    terse = {image: Picture(picture.anomalies[:1]) for image, picture in truth().items()}
    found = board({"wordy": wordy, "terse": terse})
    first, second = found.evaluations
    assert (first.name, second.name) == ("wordy", "terse")
    assert first.scores.full.semap.value < second.scores.full.semap.value


def test_the_constant_answer_never_comes_from_the_pictures_own_cluster() -> None:
    """Of two generations each is told what is wrong with the other; of one there is no such baseline."""
    known = {
        "a_seed1.png": Picture([one("alpha")]),
        "a_seed2.png": Picture([one("alpha beta")]),
        "b.png": Picture([one("gamma")]),
        "clean.png": Picture([]),
    }

    def constant(references: Pictures) -> Pictures:
        made = baselines({}, [], references, clusters_of(references), WORDS, Options())
        return made.get(CONSTANT, {})

    said = {image: picture.anomalies[0].phenomenon for image, picture in constant(known).items()}
    assert said["a_seed1.png"] == said["a_seed2.png"] == "gamma"
    assert said["b.png"] in ("alpha", "alpha beta")
    assert said.keys() == known.keys()
    assert constant(dict(reversed(known.items()))) == {image: constant(known)[image] for image in reversed(known)}
    assert constant({image: known[image] for image in list(known)[:2]}) == {}


def test_a_model_that_never_says_more_than_one_thing_has_no_first_answer() -> None:
    """The baseline would be the model itself, which nobody can beat."""
    terse = {image: Picture(picture.anomalies[:1]) for image, picture in truth().items()}
    found = board({"terse": terse, "blind": saying([one(COMMON)])})
    assert found.evaluations[0].name == "terse"
    assert not any(baseline.name == FIRST for baseline in found.baselines)
    assert found.not_beaten("terse") == []


def test_answers_are_dealt_to_other_clusters_and_each_is_dealt_once() -> None:
    """With the picture's own verdict; where one cluster has more than half of the pictures it cannot be done."""
    names = [f"{prompt}_seed{seed}.png" for prompt in "abcde" for seed in range(1 + (prompt == "c"))]
    said = {name: Picture([one(name)], "real" if name[0] == "a" else "fake") for name in names}
    clusters = clusters_of(said)

    def dealt(names: list[str]) -> Pictures:
        return baselines(said, names, {}, clusters, WORDS, Options()).get(DEALT, {})

    given = dealt(names)
    assert sorted(picture.anomalies[0].phenomenon for picture in given.values()) == sorted(names)
    assert all(clusters[picture.anomalies[0].phenomenon] != clusters[name] for name, picture in given.items())
    assert [picture.label for picture in given.values()] == [picture.label for picture in said.values()]
    assert dealt(["c_seed0.png", "c_seed1.png", "d_seed0.png"]) == {}


def test_all_pairs_are_tested_and_corrected_together() -> None:
    """Three models are three pairs under each score; p is Holm's over the three."""
    true = truth()
    models = {
        f"misses {k}": {
            image: Picture([]) if n % k == 0 else picture for n, (image, picture) in enumerate(true.items())
        }
        for k in (2, 3, 12)
    }
    found = score_pictures(models, true, WORDS, Options())
    names = [evaluation.name for evaluation in found.evaluations]
    assert names == ["misses 12", "misses 3", "misses 2"]
    pairs = {
        pair: score_pictures({name: models[name] for name in pair}, true, WORDS, Options())
        for pair in combinations(names, 2)
    }
    for score in ("SemF1_Full", "SemAP_Full"):
        tested = [c for c in found.comparisons if c.score == score]
        assert [(c.first, c.second) for c in tested] == list(combinations(names, 2))
        alone = [pairs[pair] for pair in combinations(names, 2)]
        raw = [next(c.test.p for c in pair.comparisons if c.score == score) for pair in alone]
        assert [c.test.p for c in tested] == holm(raw)
        assert [c.test.p for c in tested] != raw
    assert found.groups() == [["misses 12", "misses 3"], ["misses 3", "misses 2"]]
    assert found.letters() == {"misses 12": "a", "misses 3": "a b", "misses 2": "b"}


NAMES = [f"m{k}" for k in range(6)]


@given(st.sets(st.sampled_from(list(combinations(NAMES, 2)))))
def test_who_is_told_apart_shares_no_group_and_who_is_not_shares_one(apart: set[tuple[str, str]]) -> None:
    """And no group lies within another."""
    found = groups(NAMES, apart)
    for pair in combinations(NAMES, 2):
        assert any(set(pair) <= set(group) for group in found) == (pair not in apart)
    assert not any(set(one) < set(other) for one in found for other in found)
    assert {name for group in found for name in group} == set(NAMES)
    assert found == sorted(found)


def test_letters_go_on_after_z() -> None:
    """A board of thirty models that are all told apart has thirty letters."""
    from metric_semap.results import _letter

    letters = [_letter(k) for k in range(30)]
    assert letters[:2] + letters[25:28] == ["a", "b", "z", "aa", "ab"]
    assert len(set(letters)) == 30


def _write(path: Path, pictures: Pictures) -> Path:
    rows = [
        {
            "image_id": image,
            "anomalies": [{"phenomenon": a.phenomenon, "reasoning": a.reasoning} for a in picture.anomalies],
        }
        for image, picture in pictures.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_score_has_baselines_for_several_files_and_none_for_one(tmp_path: Path) -> None:
    """Printed, in the JSON and in the report, with what is not shown to beat them."""
    paths = [
        _write(tmp_path / f"{name}.jsonl", pictures)
        for name, pictures in (("sees", truth(12)), ("blind", {i: Picture([one(COMMON)]) for i in truth(12)}))
    ]
    line = ["--encoder", "minilm", "--bootstrap", "200", "--out", str(tmp_path / "out")]
    true = _write(tmp_path / "truth.jsonl", truth(12))
    done = CliRunner().invoke(anomreason.app, ["score", *map(str, [*paths, true]), *line], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "blind is not shown to beat, in SemF1_Full: " in done.output
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["order"] == "SemF1_Full"
    assert list(written["results"]) == ["sees", "blind"]
    assert set(written["baselines"]) == {CONSTANT, FIRST, DEALT}
    assert CONSTANT in written["not_beaten"]["blind"]
    assert CONSTANT not in written["not_beaten"]["sees"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("not shown to beat") == 1 + sum(bool(names) for names in written["not_beaten"].values())
    alone = CliRunner().invoke(
        anomreason.app, ["score", str(paths[0]), str(true), *line[:-1], str(tmp_path / "one")], catch_exceptions=False
    )
    assert alone.exit_code == 0
    assert "baseline:" not in alone.output
    assert json.loads((tmp_path / "one" / "metrics.json").read_text())["baselines"] == {}


def test_the_report_ranks_models_and_marks_baselines() -> None:
    """Baselines have no number; models that are not told apart share a letter, and the page says what that means."""
    copy = {image: Picture(picture.anomalies) for image, picture in truth().items()}
    written = render_report(board({"sees": truth(), "copy": copy, "blind": saying([one(COMMON)])}))
    page = re.sub(r' data-label="[^"]*"', "", written)
    assert "<td>1. copy</td><td>a</td>" in page
    assert "<td>2. sees</td><td>a</td>" in page
    assert "<td>3. blind" in page
    assert f'<tr class="soft"><td>{CONSTANT}</td><td></td>' in page
    assert "cannot be told apart" in page
