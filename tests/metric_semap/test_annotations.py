"""The annotations that the metric is tested with: enough of them, whole, and what is frozen stays out of tuning."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.corpus import FROZEN, pairs, pictures, systems

ANNOTATIONS = Path(__file__).resolve().parents[2] / "benchmarks" / "annotations"


def test_there_are_sixty_pictures_in_two_halves_that_share_none() -> None:
    """Four to eight anomalies each, and both halves of every topic."""
    halves = {half: pictures(half) for half in ("tuning", "test")}
    names = [picture.name for some in halves.values() for picture in some]
    assert len(names) == len(set(names)) >= 60
    assert min(map(len, halves.values())) >= 25
    assert all(4 <= len(picture.anomalies) <= 8 for some in halves.values() for picture in some)
    topics = {file.stem for file in ANNOTATIONS.glob("*.jsonl")}
    assert all({picture.name.split(":")[0] for picture in some} == topics for some in halves.values())


def test_every_version_differs_from_the_truth_where_it_says_so() -> None:
    """Each written version changes the text it is about; a brief form is shorter; no two texts of a kind are the same."""
    kinds: dict[str, Counter[str]] = {}
    for half in ("tuning", "test"):
        for written in (one for picture in pictures(half) for one in picture.anomalies):
            versions = written.versions
            for version in ("paraphrase", "brief", "negation"):
                assert all(a != b for a, b in zip(versions[version], written.true, strict=True)), written.true
                kinds.setdefault(version, Counter()).update(versions[version])
            assert versions["wrong object"][0] != written.true[0]
            assert versions["wrong reason"][1] != written.true[1]
            assert versions["wrong detail"] != written.true
            assert sum(map(len, versions["brief"])) < sum(map(len, written.true)) < sum(map(len, versions["verbose"]))
            assert sorted(versions["shuffled"][0].split()) == sorted(written.true[0].split())
            kinds.setdefault("true", Counter()).update(written.true)
    assert [kind for kind, texts in kinds.items() if texts.most_common(1)[0][1] > 1 and kind != "brief"] == []


def test_negations_have_seven_constructions_in_both_halves() -> None:
    """Five to tune with, two that are held back."""
    for half in ("tuning", "test"):
        constructions = {one.construction for picture in pictures(half) for one in picture.anomalies}
        assert len(constructions) == 7
        assert set(FROZEN["constructions"]) < constructions


@pytest.mark.parametrize("half", ["tuning"])
def test_what_is_frozen_is_shown_only_when_asked_for(half: str) -> None:
    """Without it neither pairs nor systems hold a frozen text."""
    rows = [json.loads(line) for file in ANNOTATIONS.glob("*.jsonl") for line in file.read_text("utf-8").splitlines()]
    known = [one for row in rows if row["half"] == half for one in row["anomalies"]]
    held = [text for one in known for text in one["wrong_detail"] if text not in (one["phenomenon"], one["reasoning"])]
    for one in known:
        if one["negation"]["construction"] in FROZEN["constructions"]:
            held += one["negation"]["texts"]
    held += [row["phenomenon"] for other in rows if other["half"] != half for row in other["anomalies"]]

    def said(frozen: bool) -> set[str]:
        shown = [one for some in pairs(half, frozen).values() for pair in some for one in pair]
        shown += [one for sides in systems(half, frozen).values() for side in sides for some in side for one in some]
        return {text for one in shown for text in (one.phenomenon, one.reasoning)}

    assert said(False).isdisjoint(held)
    assert not said(True).isdisjoint(held)
