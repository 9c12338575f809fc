"""What stands beside the score: chance, the ranked form, the mixed view, clusters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metric_semap.anomalies import Anomaly, Picture
from metric_semap.chance import deal
from metric_semap.clusters import cluster_of, read_clusters
from metric_semap.errors import RecordError, SemapError
from metric_semap.evaluation import score_files, score_pictures
from metric_semap.measurement import Options, measure, views
from metric_semap.ranking import average_precision, precision_recall, ranking
from metric_semap.similarity import pictures_per_block
from tests.word_similarity import WordSimilarity

WORDS: Any = WordSimilarity()


def one(text: str, severity: int | None = 20, score: float | None = None) -> Anomaly:
    return Anomaly("name", text, f"{text} should not be.", severity, score)


@pytest.mark.parametrize("pictures", [2, 5, 10])
def test_a_small_set_deals_every_picture_to_every_other(pictures: int) -> None:
    """Dealt once, chance of a few pictures would be the luck of one deal."""
    said = [[one(f"thing {k}")] for k in range(pictures)]
    pairs = [pair for _, dealt in deal(said, said, 0) for pair in dealt]
    assert sorted(pairs) == [(p, r) for p in range(pictures) for r in range(pictures) if p != r]


def test_a_large_set_is_dealt_about_a_hundred_times_in_all() -> None:
    """50 pictures twice, 3,000 pictures once, in blocks that are encoded together; never a picture to itself."""
    for pictures, times in ((50, 2), (3000, 1)):
        said = [[one(f"thing {k}")] for k in range(pictures)]
        blocks = list(deal(said, said, 0))
        assert sorted(picture for block, _ in blocks for picture in block) == list(range(pictures))
        assert len(blocks) == -(-pictures // pictures_per_block(said, said))
        pairs = [pair for _, dealt in blocks for pair in dealt]
        assert len(pairs) == pictures * times == len(set(pairs))
        assert all(p != r for p, r in pairs)
        other = [pair for _, dealt in deal(said, said, 1) for pair in dealt]
        assert sorted(other) != sorted(pairs)


def test_a_prediction_at_the_threshold_is_a_hit_in_the_ranked_form() -> None:
    """Compared with ≥, as in the score."""
    curve = precision_recall([np.array([[0.75]])], [np.array([0.5])], 0.75)
    assert average_precision(curve) == 1
    assert average_precision(precision_recall([np.array([[0.75]])], [np.array([0.5])], 0.7500001)) == 0


def test_of_equally_sure_predictions_the_better_chooses_first() -> None:
    """Whatever their order: the first could take the only reference of the second. A surer one goes before."""
    matrix = np.array([[0.8, 0.9], [0.0, 0.95]])
    for order in ([0, 1], [1, 0]):
        curve = precision_recall([matrix[order]], [np.array([0.5, 0.5])], 0.75)
        assert (curve.recall.tolist(), curve.precision.tolist()) == ([1.0], [1.0])
    greedy = precision_recall([matrix], [np.array([0.6, 0.5])], 0.75)
    assert (greedy.recall.tolist(), greedy.precision.tolist()) == ([0.5, 0.5], [1.0, 0.5])


def test_equally_sure_predictions_enter_the_curve_together() -> None:
    """Their order among each other, within a picture or between pictures, gives no point of its own."""
    curve = precision_recall(
        [np.array([[0.9], [0.1]]), np.array([[0.9]])], [np.array([0.5, 0.5]), np.array([0.5])], 0.75
    )
    assert (curve.recall.tolist(), curve.precision.tolist()) == ([1.0], [2 / 3])


def test_the_views_are_mixed_before_they_are_clipped() -> None:
    """A negative similarity of phenomena takes away from that of reasonings, as in the official code."""
    mixed = views({"phe": np.array([[-0.4, 1.2]]), "rea": np.array([[0.8, 0.9]])}, 0.5)
    np.testing.assert_allclose(mixed["Full"], [[0.2, 1.0]])
    np.testing.assert_allclose(mixed["Phe"], [[0.0, 1.0]])
    np.testing.assert_allclose(views({"phe": np.array([[-0.9]]), "rea": np.array([[0.1]])}, 0.5)["Full"], [[0.0]])


def test_one_prediction_without_a_score_does_not_change_the_order_of_all() -> None:
    """It comes last, and is told; where most have none, severity orders, and that is told too."""
    scored = [[one("a", 90, 0.9), one("b", 5, 0.2)], [one("c", 50, 0.5)]]
    order = ranking(scored)
    assert (order.by, order.unsure, [row.tolist() for row in order.confidences]) == ("score", 0, [[0.9, 0.2], [0.5]])
    order = ranking([scored[0], [one("c", 50)]])
    assert (order.by, order.unsure, [row.tolist() for row in order.confidences]) == (
        "score",
        1,
        [[0.9, 0.2], [-np.inf]],
    )
    order = ranking([[one("a", 90, 0.9), one("b", 5)], [one("c", None)]])
    assert (order.by, order.unsure) == ("severity", 2)
    assert [row.tolist() for row in order.confidences] == [[pytest.approx(0.1), 0.95], [-np.inf]]
    assert ranking([[one("a")]]).unsure == 0
    cautions = measure([[one("a", 90, 0.9), one("b")]], [[one("a")]], WORDS, Options()).scores.warnings
    assert "1 of 2 predictions have no score: they come last in the ranked form" in cautions


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("scene_0_000007_odd.png", "scene_0_000007_clean.png"),
        ("2025_04_18_02_29_58_1234567890123456789_0_1.jpg", "2025_04_18_02_29_58_1234567890123456789_1_1.jpg"),
        ("2025_04_18_02_29_58_1234567890123456789_flux.jpg", "2025_04_18_02_29_58_1234567890123456789_sdv35.jpg"),
        ("a castle_seed1.png", "a castle_seed22.png"),
    ],
)
def test_names_tell_what_belongs_together(first: str, second: str) -> None:
    """Twins, tiles of one generation, several models' and several seeds' pictures of one prompt."""
    assert cluster_of(first) == cluster_of(second)


def test_other_names_are_clusters_of_their_own() -> None:
    """A counter is not a cluster."""
    names = ["IMG_1.jpg", "IMG_2.jpg", "0007.png", "0008.png", "scene_0_000007_odd.png", "scene_0_000008_odd.png"]
    assert len(set(map(cluster_of, names))) == len(names)


def pictures(marks: list[str]) -> dict[str, Picture]:
    return {f"{k}{mark}.png": Picture([one(f"thing {k} hovers")]) for k in range(8) for mark in marks}


def test_clusters_are_found_given_or_in_a_column(tmp_path: Path) -> None:
    """The same number of clusters each way; as pictures of their own there are twice as many."""
    truth = pictures(["_seed1", "_seed2"])
    rows = [
        {"image_id": name, "anomalies": [{"phenomenon": picture.anomalies[0].phenomenon, "reasoning": "r"}]}
        for name, picture in truth.items()
    ]

    def scored(rows: list[dict[str, Any]], clusters: str | None = None) -> int:
        path, given = tmp_path / "truth.json", tmp_path / "clusters"
        path.write_text(json.dumps(rows))
        if clusters is not None:
            given.write_text(clusters)
        file = None if clusters is None else given
        board = score_files([path], path, encoder="minilm", clusters=file, bootstrap=0)
        return board.evaluations[0].scores.counts.clusters

    renamed = [row | {"image_id": str(row["image_id"]).replace("_seed", "-")} for row in rows]
    assert (scored(rows), scored(renamed)) == (8, 16)
    groups = {str(row["image_id"]): str(row["image_id"])[0] for row in renamed}
    assert scored([row | {"cluster": groups[str(row["image_id"])]} for row in renamed]) == 8
    assert scored(renamed, json.dumps(groups)) == 8
    assert scored(renamed, "".join(f"{image},{cluster}\n" for image, cluster in groups.items())) == 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.png,1,2\n", "row 1: .+ does not have two columns"),
        ("", "lists no picture"),
        ('{"a.png": null}', "None is not a cluster"),
        ('{"x/a.png": "1", "y/a.png": "2"}', "appears in two clusters"),
    ],
)
def test_malformed_clusters_are_named(content: str, message: str, tmp_path: Path) -> None:
    """File, place, value and fix."""
    (tmp_path / "clusters").write_text(content)
    with pytest.raises(RecordError, match=f"clusters: {message}|{message}"):
        read_clusters(tmp_path / "clusters")


def test_intervals_and_tests_take_clusters_together() -> None:
    """Eight prompts with two pictures each are eight observations, not sixteen; sets of four pairs are too few."""
    truth = pictures(["_seed1", "_seed2"])
    said = {name: Picture([one(f"thing {k // 2} hovers") if k < 8 else one("nothing")]) for k, name in enumerate(truth)}
    poor = {name: Picture([one("nothing")]) for name in truth}
    board = score_pictures({"some": said, "none": poor}, truth, WORDS, Options())
    best = board.evaluations[0].scores
    assert (best.counts.scored, best.counts.clusters) == (16, 8)
    apart = measure(
        [p.anomalies for p in said.values()], [p.anomalies for p in truth.values()], WORDS, Options()
    ).scores
    assert best.full.semap.low is not None
    assert apart.full.semap.low is not None
    assert best.full.semap.value == apart.full.semap.value
    assert best.full.semap.low < apart.full.semap.low - 0.02
    few = {name: truth[name] for name in list(truth)[:14]}
    board = score_pictures({"some": said, "none": poor}, few, WORDS, Options())
    assert board.evaluations[0].scores.full.semap.low is None
    assert board.comparisons[0].test.p is None
    assert any("too few pictures (7 clusters" in caution for caution in board.evaluations[0].scores.warnings)
    with pytest.raises(SemapError, match="clusters: 1 for 2 pictures"):
        measure([[], []], [[one("a")]] * 2, WORDS, Options(), clusters=["a"])
