"""What leaves a review: the accepted set, rows with verdicts that a dataset is built from, and what the filter did."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.review.desk import Desk
from agent.review.export import export
from anomreason import app
from dataset_builder.building.build import build
from dataset_builder.errors import InputError
from dataset_builder.official import read_annotations
from dataset_builder.sources.runs import pictures_of, read_run


def review(desk: Desk, reviewer: str, *, strict: bool = True) -> None:
    """Answer everything by the known truth: a candidate on a clean twin is wrong. Without `strict`, unsure of those."""
    by_key = {item.key: item for item in desk.store.items()}
    items = desk.next(reviewer)["items"]
    while items:
        key = items[0]["item"]
        true = (by_key[key].gold or ("accept" if "_odd" in by_key[key].image_id else "reject")) == "accept"
        verdict = "accept" if true else "reject" if strict else "unsure"
        items = desk.verdict(reviewer, key, verdict, f"{reviewer} {key}", seconds=3.0)["items"]


def verdicts(run: Path) -> list[str | None]:
    rows = [json.loads(line) for line in (run / "reviewed.jsonl").read_text().splitlines()]
    return [record["verdict"] for row in rows for record in row["anomalies"]]


def test_an_export_is_built_into_a_dataset(desk: Desk, run: Path, scenes: Path, tmp_path: Path) -> None:
    """`default` holds the accepted anomalies, `candidates` all of them with verdict and votes."""
    from datasets import load_dataset

    review(desk, "ann")
    done = export(run, "majority")
    assert (done.candidates, done.accepted, done.rejected, done.unsure, done.open) == (56, 28, 28, 0, 0)
    build(run, tmp_path / "built", recipe=None)
    rows = [
        row
        for part in load_dataset(str(tmp_path / "built"), "default").values()
        for row in part.remove_columns("image")
    ]
    assert len(rows) == 40
    assert {row["image_id"] for row in rows if row["anomalies"]} == {
        name for name in (path.name for path in (scenes / "images").iterdir()) if "_odd" in name
    }
    candidates = load_dataset(str(tmp_path / "built"), "candidates")
    told = [one for part in candidates.values() for row in part.remove_columns("image") for one in row["anomalies"]]
    names = next(iter(candidates.values())).features["anomalies"].feature["verdict"].names
    assert sorted(names[one["verdict"]] for one in told) == ["accept"] * 28 + ["reject"] * 28


def test_accepted_is_the_release_s_form(desk: Desk, run: Path) -> None:
    """A picture without an accepted candidate has an empty list; read strictly, what was accepted is what was written."""
    review(desk, "ann")
    export(run, "majority")
    accepted = read_annotations(run / "accepted.json")
    assert len(accepted) == 40
    for name, anomalies in accepted.items():
        assert bool(anomalies) == ("_odd" in name)


def test_unsure_is_never_an_accept(run: Path) -> None:
    """Two people, one of them unsure of what is wrong: neither rule accepts it; unanimous asks all for a reject too."""
    desk = Desk(run, overlap=2)
    review(desk, "ann")
    review(desk, "bob", strict=False)
    for rule in ("majority", "unanimous"):
        export(run, rule)  # type: ignore[arg-type]
        assert sorted(map(str, verdicts(run))) == ["accept"] * 28 + ["unsure"] * 28
    desk.store.close()


def test_edits_and_notes_stand_beside_the_original(desk: Desk, run: Path) -> None:
    """The candidate is as the agent wrote it, in `reviewed.jsonl` and in the accepted set."""
    item = desk.next("ann")["items"][0]
    desk.verdict("ann", item["item"], "accept", "1", note="nearly", edit={"name": "Clock gone mad", "severity": 1})
    export(run, "majority")
    record = json.loads((run / "reviewed.jsonl").read_text().splitlines()[0])["anomalies"][0]
    assert record["name"] == item["name"]
    assert record["edits"] == [{"reviewer": "ann", "name": "Clock gone mad", "severity": 1}]
    assert record["notes"] == [{"reviewer": "ann", "note": "nearly"}]
    (accepted,) = (found for found in read_annotations(run / "accepted.json").values() if found)
    assert accepted[0].name == item["name"]


def test_gold_is_not_exported(run: Path, scenes: Path) -> None:
    """Known answers measure reviewers and are no candidates of the run."""
    desk = Desk(run, gold=scenes)
    review(desk, "ann")
    assert export(run, "majority").candidates == 56
    assert "28 rejected" in (run / "review.html").read_text()
    desk.store.close()


def test_what_the_filter_did_is_told(desk: Desk, run: Path) -> None:
    """By stage and support, with a plot; a page that needs no other file and runs nothing."""
    review(desk, "ann")
    export(run, "majority")
    page = re.sub(r' data-label="[^"]*"', "", (run / "review.html").read_text())
    assert "<td>relations</td><td>28</td><td>0</td><td>28</td><td>0</td><td>100%</td>" in page
    assert "<td>attributes</td><td>28</td><td>28</td><td>0</td><td>0</td><td>0%</td>" in page
    assert "On average a picture has 1.400 candidates before the review and 0.700 after it" in page
    assert (run / "severity.png").read_bytes().startswith(b"\x89PNG")
    assert "<script" not in page
    assert "://" not in page
    plot = page[page.index("<svg") : page.index("</svg>")]  # in the colours of the page, whichever they are
    assert "before: all candidates" in plot
    assert re.findall("fill: *#[0-9a-f]{6}", plot) == []


def test_reviewed_rows_are_preferred_and_pictures_are_found(desk: Desk, run: Path, scenes: Path) -> None:
    """`run.json` names the pictures; without it they lie in the run's `images/`."""
    before, _ = read_run(run, "fake", None)
    assert sum(len(row.anomalies or []) for row in before) == 56
    desk.verdict("ann", desk.next("ann")["items"][0]["item"], "accept", "1")
    export(run, "majority")
    after, _ = read_run(run, "fake", None)
    assert sum(len(row.anomalies or []) for row in after) == 1
    assert pictures_of(run) == scenes / "images"
    (run / "run.json").write_text('{"version": 1, "images": null}')
    assert pictures_of(run) == run / "images"
    (run / "run.json").write_text('{"images": 3}')
    with pytest.raises(InputError, match=r"run\.json.*3"):
        pictures_of(run)


def test_the_commands_tell_and_write(run: Path, scenes: Path) -> None:
    """`status` prints agreement and gold; `export` exits with 3 while answers are missing."""

    def command(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["verdicts", *map(str, arguments)])

    assert isinstance(command("export", run).exception, InputError)
    desk = Desk(run, overlap=2, gold=scenes)
    review(desk, "ann")
    review(desk, "bob", strict=False)
    review(desk, "eve")  # is asked where the two do not agree
    desk.store.close()
    status = command("status", run)
    assert status.exit_code == 0
    assert "56 of 56 items have their 2 answers" in status.output
    for words in ("Fleiss' kappa", "Krippendorff's alpha", "Cohen's kappa", "ann, bob", "everything", "7 of 7"):
        assert words in status.output
    assert command("export", run, "--rule", "unanimous").exit_code == 0
    Desk(run, overlap=3).store.close()
    missing = command("export", run)
    assert missing.exit_code == 3
    assert "28 items have fewer answers than asked for" in missing.output
    assert isinstance(command("export", run, "--rule", "loudest").exception, InputError)
