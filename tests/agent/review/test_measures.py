"""What a review measures beside agreement: recall against planted truth, severities that people rated, and exports that do not
depend on who answered first."""

import json
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from agent.review.answers import REASONS
from agent.review.desk import Desk
from agent.review.export import export
from agent.review.recall import recall
from agent.review.store import FILE
from anomreason import app
from dataset_builder.building.build import build
from dataset_builder.sources.runs import read_run
from dataset_builder.terminal import Steps
from tests.agent.review.conftest import OLD
from trainer.evaluation.audit_answers import HUMAN, review
from trainer.evaluation.audit_plan import REVIEWER, Plan, Source
from trainer.reproduce.hitl import Hitl
from trainer.reproduce.reviewed import read_dataset
from trainer.reproduce.reviewed import read_run as read_reviewed

MISSED: dict[str, Any] = {
    "name": "Lamp",
    "phenomenon": "It hangs from nothing.",
    "reasoning": "It needs a cable.",
    "severity": 12,
}


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def look_over(desk: Desk, who: str, missed: dict[str, int]) -> None:
    """Accept everything, add so many anomalies per picture as the agent missed, and say of each picture that this is all."""
    images = {item.key: item.image_id for item in desk.store.items()}
    while items := desk.next(who)["items"]:
        item = items[0]
        if item["asks"] == "missed":
            for n in range(missed.get(images[item["item"]], 0)):
                desk.add(who, item["item"], uuid.uuid4().hex, **MISSED | {"name": f"Lamp {n}"})
        desk.verdict(who, item["item"], "accept", uuid.uuid4().hex)


def test_recall_is_what_was_planted(small_run: Path) -> None:
    """Of ten anomalies the agent found eight, each of its two stages four; a picture nobody has looked over does not count."""
    desk = Desk(small_run, ask_missed=True)
    look_over(desk, "ann", {"0.png": 1, "4.png": 1})
    found = recall(desk.store.items(), desk.store.standing(), "majority")
    assert (found.asked, found.pictures, found.added) == (True, 5, 2)
    assert (found.whole.found, found.whole.true, found.whole.share) == (8, 10, 0.8)
    assert found.whole.low is not None
    assert found.whole.high is not None
    assert found.whole.low < 0.8 < found.whole.high
    assert {one.agent: one.found for one in found.agents} == {"attributes": 4, "relations": 4}
    last = desk.store.standing()
    desk.undo("ann", "u")
    assert recall(desk.store.items(), desk.store.standing(), "majority").pictures == 4
    assert len(desk.store.standing()) == len(last) - 1
    desk.store.close()
    told = json.loads(command("verdicts", "status", small_run, "--json").output)["recall"]
    assert told["pictures"] == 4
    assert "people added" in command("verdicts", "status", small_run).output
    export(small_run, "majority")
    assert "said that nothing else is wrong" in (small_run / "review.html").read_text()


def test_recall_is_an_upper_bound_where_nobody_was_asked(small: Desk, small_run: Path) -> None:
    """It is over the pictures whose candidates have all been answered, and says so."""
    small.add("ann", small.next("ann")["focus"], "t", **MISSED)
    for item in small.next("ann")["items"][:2]:
        small.verdict("ann", item["item"], "accept", uuid.uuid4().hex)
    found = recall(small.store.items(), small.store.standing(), "majority")
    assert (found.asked, found.pictures, found.whole.found, found.whole.true) == (False, 1, 2, 3)
    assert "recall at most" in command("verdicts", "status", small_run).output
    export(small_run, "majority")
    assert "upper bounds" in (small_run / "review.html").read_text()


def test_what_people_added_is_exported_and_built(small: Desk, small_run: Path, tmp_path: Path) -> None:
    """With who added it, apart from the agent's candidates; in the dataset when accepted."""
    small.add("ann", small.next("ann")["focus"], "t", **MISSED, bbox=[1, 2, 30, 20])
    first = small.next("ann")["items"][0]["item"]
    small.verdict("ann", first, "reject", "r", reason="hallucinated")
    done = export(small_run, "majority")
    assert (done.added, done.accepted, done.rejected) == (1, 1, 1)
    row = json.loads((small_run / "reviewed.jsonl").read_text().splitlines()[0])
    assert len(row["anomalies"]) == 2
    assert row["anomalies"][0]["reasons"] == {"hallucinated": 1}
    (added,) = row["added"]
    assert (added["added_by"], added["verdict"], added["votes"], added["name"]) == (
        "ann",
        "accept",
        {"accept": 1},
        "Lamp",
    )
    rows, _ = read_run(small_run, "fake", None)
    assert [one.name for one in rows[0].anomalies or []] == ["Lamp"]
    assert (rows[0].anomalies or [])[0].bbox == (1.0, 2.0, 30.0, 20.0)
    build(small_run, tmp_path / "built", recipe=None)
    page = re.sub(r' data-label="[^"]*"', "", (small_run / "review.html").read_text())
    assert "<td>relations</td><td>1</td><td>0</td><td>0</td><td>0</td><td>0</td>" in page


def test_what_people_added_counts_where_their_verdicts_do(small: Desk, small_run: Path, tmp_path: Path) -> None:
    """Among the human verdicts of an audit, and apart from the agent's candidates in the report and in `reproduce hitl`, read from
    the run or from the dataset that is built of it."""
    small.add("ann", small.next("ann")["focus"], "t", **MISSED, bbox=[1, 2, 30, 20])
    while items := small.next("ann")["items"]:
        small.verdict("ann", items[0]["item"], "accept" if len(items) % 2 else "reject", uuid.uuid4().hex)
    export(small_run, "majority")
    plan = Plan(generators={"a": Source(annotations=str(small_run)), "b": Source(annotations=str(small_run))})
    said = review(plan, tmp_path / "audit", lambda _: pytest.fail("nobody is asked")).generators["a"].by_reviewer
    before, after = ({name: len(one.anomalies) for name, one in said[who].items()} for who in (REVIEWER, HUMAN))
    assert (sum(before.values()), sum(after.values())) == (8, 5)
    assert "Lamp" in [one.name for one in said[HUMAN]["0.png"].anomalies]
    build(small_run, tmp_path / "built", recipe=None)
    for read, place in ((read_reviewed, small_run), (read_dataset, str(tmp_path / "built"))):
        found = Hitl(lambda read=read, place=place: read(place), "it").run(tmp_path / "out", Steps())  # type: ignore[misc]
        told: Any = found.numbers
        assert told["candidates per picture before"].value * len(before) == pytest.approx(8)
        assert told["candidates per picture after"].value * len(before) == pytest.approx(4)
        assert told["share of all accepted that the agent had found"].value == pytest.approx(4 / 5)
        assert "People added 1" in "".join(found.notes)
    page = (small_run / "review.html").read_text()
    assert "8 candidates on 5 pictures; 4 accepted, 4 rejected" in page
    assert "People added 1 anomalies that the agent had missed; 1 of them" in page


def test_rated_severities_calibrate_an_audit(run: Path, tmp_path: Path) -> None:
    """Rated at the desk, exported, read by `audit --calibrated`: the report says on how many ratings; agreement is told."""
    desk = Desk(run, overlap=2, rate_severity=True)
    severity = {item.key: item.candidate.severity or 0 for item in desk.store.items()}
    for who, bias in (("ann", 10), ("bob", 14)):
        while items := desk.next(who)["items"]:
            key = items[0]["item"]
            desk.verdict(who, key, "accept", uuid.uuid4().hex, rating=severity[key] // 2 + bias)
    desk.store.close()
    done = export(run, "majority")
    assert run / "ratings.csv" in done.files
    status = command("verdicts", "status", run)
    assert "112 severities of 56 anomalies rated by 2 people" in status.output
    alpha = json.loads(command("verdicts", "status", run, "--json").output)["ratings"]["alpha"]
    assert 0 < alpha < 1
    (tmp_path / "plan.yaml").write_text(f"generators:\n  a: {{annotations: {run}}}\n  b: {{annotations: {run}}}\n")
    audited = command("audit", tmp_path / "plan.yaml", "--out", tmp_path / "audit", "--calibrated", run / "ratings.csv")
    assert audited.exit_code == 0, audited.output
    assert "calibrated on 112 ratings" in (tmp_path / "audit" / "audit.html").read_text()


Said = tuple[str, int, str, str | None, bool, bool]

SAYING = st.tuples(
    st.sampled_from(["ann", "bob", "eve"]),
    st.integers(0, 7),
    st.sampled_from(["accept", "reject", "unsure"]),
    st.sampled_from(REASONS),
    st.booleans(),
    st.booleans(),
)


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(SAYING, min_size=4, max_size=16, unique_by=lambda one: one[:2]), st.randoms(use_true_random=False))
def test_an_export_is_the_same_whoever_answered_first(
    tmp_path_factory: pytest.TempPathFactory, said: list[Said], random: Any
) -> None:
    """Byte for byte, but for the hour in the report: the same answers, edits, notes and additions in another order."""
    shuffled = list(said)
    random.shuffle(shuffled)
    written = []
    for order in (said, shuffled):
        run = tmp_path_factory.mktemp("order") / "run"
        shutil.copytree(OLD, run, ignore=shutil.ignore_patterns(FILE))
        desk = Desk(run, overlap=2)
        keys = [item.key for item in desk.store.items()]
        for who, at, verdict, reason, edits, adds in order:
            desk.verdict(
                who, keys[at], verdict, f"{who} {at}", reason=reason if verdict == "reject" else None,
                edit={"name": f"Clock of {who}"} if edits else None, note=who if edits else "", seconds=at,
            )  # fmt: skip
            if adds:
                desk.add(who, keys[at], f"{who} {at} add", **MISSED | {"name": f"Lamp {at % 2}"})
        desk.store.close()
        files = {path.name: path.read_bytes() for path in export(run, "majority").files}
        files["review.html"] = re.sub(rb"<dt>Made</dt><dd>[\d -:]+ UTC", b"", files["review.html"])
        written.append(files)
    assert written[0] == written[1]
