"""The plans: what each asks, in what order, what it makes of the answers, and what that costs."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from agent.plans import Annotation, Settings
from agent.plans.annotation import Evidence
from agent.plans.efficient import _decided, _holds
from agent.plans.objects import called, merge
from agent.plans.paper import calls
from agent.prompts import STANCES, messages
from agent.run import Endpoint, annotate
from agent.simulated import serve
from agent.stages import ANSWERS, ObjectItem
from dataset_builder import severity
from dataset_builder.scenes import SceneRow, family_of, read_scenes
from tests.annotating import stats

RATES = {"miss": 0.2, "hallucinate": 0.1, "catch": 0.8, "doubt": 0.05, "seed": 1}


class Run(NamedTuple):
    """What an agent said of some pictures, what it asked, and what the server billed."""

    annotations: list[Annotation]
    calls: list[sqlite3.Row]
    stats: dict[str, Any]


def run(scenes: Path, names: list[str], out: Path, rates: dict[str, float], **settings: Any) -> Run:
    listed = out.with_suffix(".txt")
    listed.write_text("".join(f"{scenes / 'images' / name}\n" for name in names))
    with serve(scenes, **rates) as base_url:
        annotate(str(listed), out, Endpoint("simulated", base_url), Settings(**settings))
        served = stats(base_url)
    lines = (out / "annotations.jsonl").read_text().splitlines()
    db = sqlite3.connect(out / "journal.sqlite")
    db.row_factory = sqlite3.Row
    asked = db.execute("SELECT * FROM calls ORDER BY id").fetchall()
    db.close()
    return Run([Annotation.model_validate_json(line) for line in lines], asked, served)


def pictures(scenes: Path, odd: bool) -> list[str]:
    return [row.image_id for row in read_scenes(scenes) if bool(row.anomalies) == odd]


@pytest.mark.parametrize(
    ("drafts", "samples", "limit"), [(3, 3, None), (1, 2, 2), (2, 1, 1)], ids=["default", "one draft", "one object"]
)
def test_paper_makes_the_official_calls(
    scenes: Path, tmp_path: Path, drafts: int, samples: int, limit: int | None
) -> None:
    """T + [T > 1] + 5 N + 2 S + 1 calls, 11 + 5 N by default, a stage as often as predicted, counted at the server."""
    names = pictures(scenes, odd=True)[:2] + pictures(scenes, odd=False)[:1]
    settings = Settings(plan="paper", drafts=drafts, samples=samples, max_objects=limit)
    done = run(scenes, names, tmp_path / "run", RATES, **settings.model_dump())
    in_all: Counter[str] = Counter()
    for name in names:
        stages = Counter(call["stage"] for call in done.calls if call["image_id"] == name)
        objects = stages["summary_object"]
        assert 1 <= objects <= (limit or 99)
        assert stages == Counter(calls(settings, objects))
        assert stages.total() == drafts + (drafts > 1) + 5 * objects + 2 * samples + 1
        in_all += stages
    assert done.stats["stages"] == dict(in_all)


def test_paper_keeps_the_official_order(scenes: Path, tmp_path: Path) -> None:
    """Each stage is asked with what the one before it said: drafts, objects one by one through five calls, summaries, format."""
    (name,) = pictures(scenes, odd=True)[:1]
    asked = run(scenes, [name], tmp_path / "run", {}, plan="paper").calls
    at = {(call["stage"], call["object"], call["sample"]): number for number, call in enumerate(asked)}
    given = {
        key: json.loads(asked[number]["request"].split("```json\n")[1].split("\n```")[0]) for key, number in at.items()
    }
    merged = at["discovery_merge", "", 0]
    assert all(at["discovery_draft", "", sample] < merged for sample in range(3))
    assert len(given["discovery_merge", "", 0]["drafts"]) == 3
    objects = [key[1] for key in at if key[0] == "summary_object"]
    chain = ("attributes_broad", "attributes_verify", "relations_broad", "relations_verify", "summary_object")
    for one in objects:
        places = [at[stage, one, 0] for stage in chain]
        assert places == sorted(places)
        assert merged < places[0]
        assert given["attributes_broad", one, 0] == {"objects": [one]}
        for stage in ("relations_broad", "relations_verify"):
            assert set(given[stage, one, 0].get("others", [])) == set(objects) - {one}
    assert max(at["summary_object", one, 0] for one in objects) < min(at["summary_image", "", s] for s in range(3))
    assert at["format", "", 0] == len(asked) - 1


def found(rows: list[SceneRow], annotations: list[Annotation]) -> tuple[int, int, int]:
    """Truths found, anomalies reported, and clean pictures of which anything was said."""
    truths = reported = alarms = 0
    for row, annotation in zip(rows, annotations, strict=True):
        told = annotation.anomalies
        truths += sum(
            any(family_of(one.name) == true.family and str(true.object) in one.phenomenon for one in told)
            for true in row.anomalies
        )
        reported += len(told)
        alarms += bool(told) and not row.anomalies
    return truths, reported, alarms


class Compared(NamedTuple):
    """All plans that call more than once over the same 24 pictures, half of them clean, with the same errors."""

    paper: Run
    efficient: Run
    vote: Run
    rows: list[SceneRow]


@pytest.fixture(scope="module")
def compared(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    rows = read_scenes(scenes)[:24]
    names = [row.image_id for row in rows]
    place = tmp_path_factory.mktemp("plans")
    sides = (run(scenes, names, place / plan, RATES, plan=plan) for plan in ("paper", "efficient", "vote"))
    return Compared(*sides, rows)


def test_efficient_finds_as_much_for_half_the_tokens(compared: Compared) -> None:
    """At the same error rates: precision no lower, false alarms no more often, tokens at most half, and of 18 truths one less at
    most; over more scenes, as in the next test, not even that."""
    paper, efficient, rows = compared.paper, compared.efficient, compared.rows
    assert spent(efficient) <= 0.5 * spent(paper)
    (true, told, alarms), (our_true, our_told, our_alarms) = (
        found(rows, side.annotations) for side in (paper, efficient)
    )
    assert our_true >= true - 1
    assert our_true / our_told >= true / told
    assert our_alarms <= alarms


def test_vote_is_more_precise_for_fewer_tokens(compared: Compared) -> None:
    """Against `efficient`: fewer tokens and calls, a higher F1, and false alarms no more often."""
    efficient, vote, rows = compared.efficient, compared.vote, compared.rows
    assert spent(vote) < 0.85 * spent(efficient)
    truths = sum(len(row.anomalies) for row in rows)
    (true, told, alarms), (our_true, our_told, our_alarms) = (
        found(rows, side.annotations) for side in (efficient, vote)
    )
    assert 2 * our_true / (truths + our_told) > 2 * true / (truths + told)
    assert our_alarms <= alarms


def spent(side: Run) -> int:
    tokens: int = side.stats["prompt_tokens"] + side.stats["completion_tokens"]
    return tokens


@pytest.mark.soak
def test_plans_keep_their_order_over_many_scenes() -> None:
    """Over 200 pictures at the present rates recall and precision of `efficient` are those of `paper` at least, for half the
    tokens at most, and the F1 of `vote` is higher for still fewer."""
    from benchmarks.agent_quality import REGIMES, Outcome, measure

    sums: dict[str, Outcome] = {}
    for seed in (501, 502):
        for plan, outcome in measure(REGIMES["present"], seed):
            sums[plan] = sums[plan] + outcome if plan in sums else outcome
    paper, efficient, vote = sums["paper"], sums["efficient"], sums["vote"]
    assert efficient.recall.value >= paper.recall.value - 0.02
    assert efficient.precision.value >= paper.precision.value
    assert efficient.tokens <= 0.5 * paper.tokens
    assert vote.f1.value > efficient.f1.value
    assert vote.tokens < efficient.tokens


def test_support_counts_samples(compared: Compared) -> None:
    """An anomaly's support is a number of samples, its score their share of those that could have spoken for it."""
    for side, least in ((compared.paper, 1), (compared.efficient, 3), (compared.vote, 3)):
        told = [one for annotation in side.annotations for one in annotation.anomalies]
        assert min(one.support for one in told) >= least
        for one in told:
            assert one.score is not None
            possible = one.support / one.score
            assert 0 < one.score <= 1
            assert possible == pytest.approx(round(possible), rel=0.002)
            assert one.object
            assert one.stage in ANSWERS


@pytest.mark.parametrize("plan", ["paper", "efficient", "vote"])
def test_support_can_be_asked_for(scenes: Path, tmp_path: Path, plan: Any) -> None:
    """`min_support` leaves out what has less; nothing is asked again, and only what can add support is asked for: votes that are
    still open, and in `vote` looks that were not needed before."""
    names = [row.image_id for row in read_scenes(scenes)[:6]]
    loose = run(scenes, names, tmp_path / "run", RATES, plan=plan)
    strict = run(scenes, names, tmp_path / "run", RATES, plan=plan, min_support=5)
    votes = {"attributes_verify", "relations_verify", "format"} | ({"look", "integrate"} if plan == "vote" else set())
    assert set(strict.stats["stages"]) <= votes
    assert strict.stats["calls"] < loose.stats["calls"] / 3
    told = [one for annotation in strict.annotations for one in annotation.anomalies]
    assert told
    assert min(one.support for one in told) >= 5
    for before, after in zip(loose.annotations, strict.annotations, strict=True):
        assert len(after.anomalies) <= len(before.anomalies)
        assert after.status == ("anomalies" if after.anomalies else "none")
    assert loose.annotations != strict.annotations


def test_support_that_one_call_cannot_have_is_refused() -> None:
    """Under `direct` every picture would be reported as clean."""
    with pytest.raises(ValueError, match="min_support: 2 would drop all that direct finds"):
        Settings(plan="direct", min_support=2)


def test_efficient_ends_early_where_nobody_found_anything(scenes: Path, tmp_path: Path) -> None:
    """A clean picture ends as `none` after drafts, examinations and scans: nothing is verified, merged or formatted."""
    names = pictures(scenes, odd=False)[:3]
    done = run(scenes, names, tmp_path / "run", {}, plan="efficient")
    assert [annotation.status for annotation in done.annotations] == ["none"] * 3
    assert done.stats["stages"].keys() == {"discovery_draft", "attributes_broad", "relations_broad", "scan"}


def test_suspicions_of_the_drafts_are_not_lost(scenes: Path, tmp_path: Path) -> None:
    """What only a draft noticed is verified like all else: descriptions go to the examinations, oddities to the votes."""
    done = run(scenes, pictures(scenes, odd=True)[:4], tmp_path / "run", {"miss": 0.3, "seed": 4}, plan="efficient")
    looks = [call["request"] for call in done.calls if call["stage"] == "attributes_broad"]
    assert all('"descriptions"' in request for request in looks)
    assert any(one.stage == "discovery_draft" for annotation in done.annotations for one in annotation.anomalies)


def share(box: tuple[float, float, float, float] | None) -> float:
    """Of the picture, which is 168 pixels a side."""
    return 0.0 if box is None else (box[2] - box[0]) * (box[3] - box[1]) / 168**2


@pytest.mark.parametrize("plan", ["efficient", "vote"])
def test_large_pictures_are_verified_with_close_views(scenes: Path, tmp_path: Path, plan: Any) -> None:
    """Of a picture with more detail than one look takes in, the calls that verify have crops, named in the question."""
    rows = [row for row in read_scenes(scenes) if row.anomalies]
    name = next(row.image_id for row in rows if all(0.02 < share(one.bbox) < 0.4 for one in row.anomalies))
    enlarged = tmp_path / name
    Image.open(scenes / "images" / name).resize((1008, 1008), Image.Resampling.LANCZOS).save(enlarged)
    done = run(scenes, [str(enlarged)], tmp_path / "run", {}, plan=plan)
    verified = [call for call in done.calls if call["stage"].endswith("verify")]
    assert verified
    assert all('"crops"' in call["request"] for call in verified)
    plain = [call for call in done.calls if call["stage"] in ("scan", "look")]
    assert verified[0]["prompt_tokens"] > plain[0]["prompt_tokens"] > 36 * 36
    assert done.annotations[0].status == "anomalies"


def evidence(named: int, votes: str) -> Evidence:
    held = votes.count("y")
    return Evidence("1", "scan", "mug", "", "", "", {f"scan#{k}" for k in range(named)}, held, len(votes), [10] * held)


@pytest.mark.parametrize(
    ("named", "votes", "decided", "holds"),
    [
        (1, "", False, False),
        (1, "n", True, False),
        (1, "y", False, False),
        (1, "yy", True, True),
        (2, "y", True, True),
        (2, "n", False, False),
        (2, "nyy", True, True),
        (5, "", False, False),
        (5, "y", True, True),
        (5, "nnn", True, False),
    ],
)
def test_votes_decide_and_end_when_they_are_decided(named: int, votes: str, decided: bool, holds: bool) -> None:
    """Three more for it than against keep a finding, one of them a look at it; no vote is asked for that can change nothing."""
    known = evidence(named, votes)
    assert _decided(known, Settings()) is decided
    assert _holds(known, Settings()) is holds


def test_one_sample_can_decide_where_one_is_all_there_is() -> None:
    """With a single verification sample a finding that one look named is kept when that sample confirms it."""
    assert _holds(evidence(1, "y"), Settings(samples=1))
    assert not _holds(evidence(1, "n"), Settings(samples=1))


def item(name: str, bbox: list[int] | None = None, oddity: str | None = None) -> ObjectItem:
    return ObjectItem(name=name, description=f"{name}.", oddity=oddity, bbox=bbox)


def test_drafts_become_one_list_of_objects() -> None:
    """One thing under two names or the same name is one object; two things of one draft never are; odd ones come first."""
    left, right = [0, 0, 100, 200], [500, 0, 600, 200]
    drafts = [
        (0, [item("a red mug", left), item("person", left), item("person", right)]),
        (1, [item("Red mug"), item("tall person", [10, 0, 110, 200]), item("lamp", None, "It has no cable.")]),
    ]
    objects = merge(drafts, None)
    assert sorted(one.name for one in objects) == ["a red mug", "lamp", "person", "person (2)"]
    assert objects[0].name == "lamp"
    assert {one.name: one.drafts for one in objects}["person"] == {0, 1}
    assert [one.name for one in merge(drafts, 1)] == ["lamp"]


def test_findings_go_to_the_object_they_mean() -> None:
    """A name in other words finds its object where it can mean one alone."""
    objects = merge([(0, [item("red mug"), item("blue mug"), item("table")])], None)
    assert called("The Red Mug", objects) == "red mug"
    assert called("wooden table", objects) == "table"
    assert called("mug", objects) == "mug"
    assert called("sky", objects) == "sky"


def test_a_stance_is_a_system_message_and_neutral_presumes_nothing() -> None:
    """The stances differ in the system message alone; the neutral one lets a picture be as it should be."""
    neutral, paper = (messages("scan", stance, ["picture"]) for stance in ("neutral", "assume-generated"))  # type: ignore[arg-type]
    assert neutral[1:] == paper[1:]
    assert neutral[0]["content"] == STANCES["neutral"]
    assert "may be a photograph" in STANCES["neutral"]
    assert "was made by an image generator" in STANCES["assume-generated"]


@pytest.mark.parametrize("stage", ["attributes_verify", "relations_verify", "scan", "format"])
def test_severity_is_anchored_wherever_it_is_asked(stage: Any) -> None:
    """Each prompt that wants a severity has the words of all bands with their numbers, low being severe."""
    text = messages(stage, "neutral", [])[1]["content"][-1]["text"]
    low = 0
    for above, word, _ in severity.BANDS:
        assert f"{low}-{min(above, 101) - 1} {word}" in text
        low = above
