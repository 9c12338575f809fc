"""What verification does, with planted truths: reviewers of known errors, severities of a known shift."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from agent.review.answers import Answer
from agent.review.export import export
from agent.review.items import gold_items, run_items
from agent.review.store import FILE, Store
from agent.review.verdicts import verdicts_of
from dataset_builder.errors import InputError
from dataset_builder.scenes import read_scenes
from dataset_builder.terminal import Steps
from tests.reviewing import write_run
from trainer.evaluation.intensity import Score
from trainer.reproduce import shift as shifts
from trainer.reproduce.hitl import Hitl, verified
from trainer.reproduce.reviewed import read_dataset, read_release, read_run
from trainer.reproduce.shift import Judged, shift
from trainer.reproduce.simulated import Person, Rates


def judged(rng: np.random.Generator, by: float, pictures: int = 60) -> list[list[Judged]]:
    """Candidates of pictures that differ, of which the kept ones are `by` points lower."""
    found = []
    for _ in range(pictures):
        base, kept = rng.normal(50, 10), rng.random(rng.integers(2, 9)) < 0.7
        drawn = [base + rng.normal(0, 8) - (by if one else 0) for one in kept]
        found.append([Judged(int(np.clip(round(s), 0, 100)), bool(k)) for s, k in zip(drawn, kept, strict=True)])
    return found


def test_the_shift_is_the_median_of_all_differences() -> None:
    """As numpy has it, for an odd and an even number of pairs."""
    rng = np.random.default_rng(0)
    for kept, removed in ((29, 41), (30, 40)):
        a, b = rng.integers(0, 101, kept), rng.integers(0, 101, removed)
        pictures = [[Judged(int(s), True) for s in a] + [Judged(int(s), False) for s in b]]
        assert shift(pictures, 0).points.value == np.median(np.subtract.outer(a, b))


def test_a_planted_shift_is_found_and_none_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight points lower: the intervals hold −8 and p is small. Not lower: p is below 0.05 about as often as it should be."""
    monkeypatch.setattr(shifts, "RESAMPLES", 200)
    monkeypatch.setattr(shifts, "DEALS", 200)
    rng = np.random.default_rng(1)
    lower = [shift(judged(rng, 8), seed) for seed in range(40)]
    assert np.mean([one.points.low <= -8 <= one.points.high for one in lower]) >= 0.88
    assert np.mean([one.p < 0.05 for one in lower]) >= 0.9
    assert np.mean([shift(judged(rng, 0), seed).p < 0.05 for seed in range(60)]) <= 0.13


def test_severities_that_follow_the_picture_are_no_shift_of_verification() -> None:
    """Where severe pictures lose more candidates, but within a picture chance decides, removing at random does the same."""
    pictures = [[Judged(20, k < 2) for k in range(8)] for _ in range(20)] + [
        [Judged(80, k < 7) for k in range(8)] for _ in range(20)
    ]
    found = shift(pictures, 0)
    assert found.points.value > 0
    assert found.p > 0.9


def test_nothing_removed_is_no_shift() -> None:
    assert math.isnan(shift([[Judged(20, True)]], 0).points.value)
    assert math.isnan(shift([], 0).points.value)


def test_reviewers_of_known_errors_are_measured_as_they_are(tmp_path: Path) -> None:
    """Each one's rates lie in their intervals; one who removes every hallucination makes precision 1, one who accepts all,
    none."""
    perfect, blind = Person("perfect", 1, 1), Person("blind", 1, 0)
    people = (Person("a", 0.95, 0.9), Person("b", 0.9, 0.7), perfect)
    found = Hitl(scenes=120, people=people).run(tmp_path, Steps())
    rows = {row[0]: row for row in found.tables[2].rows}
    for person in people:
        _, _, accepted, rejected = rows[person.name]
        assert isinstance(accepted, Score)
        assert isinstance(rejected, Score)
        assert accepted.low <= person.accepts_true <= accepted.high + 1e-9
        assert rejected.low <= person.rejects_false <= rejected.high + 1e-9
    before, after = (found.numbers[f"precision {when}"] for when in ("before", "after"))
    assert isinstance(before, Score)
    assert isinstance(after, Score)
    assert after.low > before.high
    assert found.simulated
    assert Hitl(scenes=120, people=(perfect,)).run(tmp_path, Steps()).numbers["precision after"].value == 1  # type: ignore[union-attr]
    none = Hitl(scenes=120, people=(blind,)).run(tmp_path, Steps())
    assert none.numbers["share kept"].value == 1  # type: ignore[union-attr]
    assert math.isnan(none.numbers["severity shift, kept against removed"].value)  # type: ignore[union-attr]


def test_hallucinations_come_at_the_planted_rate(scenes: Path) -> None:
    """Two a picture, mostly of the stage that was given most of them; true candidates are missed as often as planted."""
    rows = read_scenes(scenes)
    listed = [one for pictures in verified(rows, Rates(miss=0, invented=2), (), 3).values() for one in pictures]
    false = [one for one in listed if not one.true]
    assert len(false) / len(rows) == pytest.approx(2, abs=0.6)
    assert len(listed) - len(false) == sum(len(row.anomalies) for row in rows)
    assert sum(one.stage == "relations" for one in false) > len(false) * 0.35


def test_a_reviewed_run_is_read_with_each_reviewer_s_verdicts_and_gold(scenes: Path, tmp_path: Path) -> None:
    """From the desk's own files: true candidates on odd pictures, the same ones, wrongly, on clean twins."""
    run = write_run(tmp_path / "run", scenes)
    items, gold = run_items(run), gold_items(scenes)
    store = Store(run / FILE)
    store.register([*items, *gold])
    with store.write() as db:
        from agent.review.store import append

        for at, item in enumerate([*items, *gold]):
            verdict = item.gold or ("accept" if "_odd" in item.image_id else "reject")
            append(db, Answer(f"t{at}", item.key, "ada", verdict, seconds=1.0))
    store.close()
    export(run, "majority")
    found = Hitl(lambda: read_run(run, verdicts_of), "run").run(tmp_path / "out", Steps())
    assert found.numbers["precision after"].value == 1  # type: ignore[union-attr]
    assert found.numbers["precision before"].value == pytest.approx(0.5)  # type: ignore[union-attr]
    (reviewer,) = found.tables[-1].rows
    assert reviewer[:3] == ["ada", len(items), len(gold)]
    assert not found.simulated


def test_a_run_without_verdicts_is_one_sentence(scenes: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", scenes)
    with pytest.raises(InputError, match="verdicts export"):
        read_run(run)
    rows = [json.loads(line) for line in (run / "annotations.jsonl").read_text().splitlines()]
    (run / "reviewed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="no picture has a verdict"):
        read_run(run)


def test_a_release_and_its_dataset_tell_what_verification_did(release: Path, official: Path, tmp_path: Path) -> None:
    """The authors' files have no verdicts: each picture has one candidate that is not among its annotations. The dataset built
    from them says the same."""
    truth = json.loads((release / "AnomReason_After_HITL.json").read_text(encoding="utf-8"))
    before, after = read_release(release), read_dataset(str(official))
    assert {name: len(listed) for name, listed in before.pictures.items()} == {
        name: len(listed) + 1 for name, listed in truth.items()
    }
    assert {name: sum(one.kept for one in listed) for name, listed in before.pictures.items()} == {
        name: len(listed) for name, listed in truth.items()
    }
    assert after.pictures == before.pictures
    assert before.notes == [
        f"{len(truth)} pictures have no verdicts: a candidate counts as kept if the annotations hold its very texts."
    ]
    found = Hitl(lambda: before, "the release").run(tmp_path, Steps())
    assert found.numbers["removed per picture"].value == 1  # type: ignore[union-attr]
    assert not found.simulated


def test_verdicts_in_a_dataset_are_taken_as_they_are(scenes: Path, tmp_path: Path) -> None:
    """A reviewed run, built into a dataset, gives what the run itself gives."""
    from dataset_builder.building.build import build

    run = write_run(tmp_path / "run", scenes)
    rows = [json.loads(line) for line in (run / "annotations.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        for at, one in enumerate(row["anomalies"]):
            one["verdict"] = "reject" if at or "_odd" not in row["image_id"] else "accept"
    (run / "reviewed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    build(run, tmp_path / "dataset", recipe=None, images=scenes / "images")
    there, here = read_dataset(str(tmp_path / "dataset")).pictures, read_run(run).pictures
    assert {name: [one.verdict for one in listed] for name, listed in there.items() if listed} == {
        name: [one.verdict for one in listed] for name, listed in here.items() if listed
    }


def test_data_without_candidates_are_one_sentence(dataset: Path) -> None:
    with pytest.raises(InputError, match="candidates"):
        read_dataset(str(dataset))
