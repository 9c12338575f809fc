"""`anomreason validate`: every planted defect is found, and only those."""

import json
from pathlib import Path

import datasets
from huggingface_hub import DatasetCard
from typer.testing import CliRunner

from dataset_builder.building.build import build
from dataset_builder.checks.texts import Texts, looks_english, read_texts, remark_contradicts
from dataset_builder.checks.validation import validate
from dataset_builder.commands import app
from dataset_builder.sources.findings import WARNINGS, by_kind
from dataset_builder.sources.opening import open_source
from tests.commands import run_command
from tests.synthetic_release import ERROR_KINDS, WARNING_KINDS


def test_each_planted_defect_is_found_by_its_name(damaged: Path) -> None:
    """All kinds of errors and warnings, and no kind that was not planted."""
    assert set(by_kind(validate(damaged).findings)) == ERROR_KINDS | WARNING_KINDS


def test_a_whole_release_and_what_is_built_from_it_are_clean(release: Path, official: Path, dataset: Path) -> None:
    """Nothing is found where nothing is wrong; the built dataset counts the same pictures."""
    told: list[tuple[str, int, int]] = []
    source, built = validate(release, progress=lambda *one: told.append(one)), validate(official)
    assert told == [("decode", 60, 60)]
    assert (source.findings, built.findings) == ([], [])
    assert (source.pictures, source.anomalies) == (built.pictures, built.anomalies)
    assert source.diversity == built.diversity
    assert not validate(dataset).has_errors


def test_the_command_writes_json_and_exits_with_1_for_errors_alone(
    damaged: Path, release: Path, tmp_path: Path
) -> None:
    """Exit code 1 with errors and 0 without; validation.json has counts, findings, diversity and overlap."""

    def run(path: Path) -> int:
        return run_command("validate", path, cwd=tmp_path).returncode

    assert run(damaged) == 1
    written = json.loads((tmp_path / "validation.json").read_text())
    assert set(written["errors"]) == ERROR_KINDS
    assert set(written["warnings"]) == WARNING_KINDS
    assert len(written["findings"]) == sum(written["errors"].values()) + sum(written["warnings"].values())
    assert 0 < written["diversity"]["test"]["distinct_1"] < written["diversity"]["test"]["distinct_2"] <= 1
    assert 0 < written["test_texts_also_in_train"] < 1
    assert run(release) == 0


def test_remarks_that_agree_with_their_score_are_left_alone() -> None:
    """A remark contradicts only when its words point the other way; neutral words never do."""
    assert remark_contradicts(70, "highly noticeable")
    assert remark_contradicts(20, "low impact")
    for level, remark in (
        (25, "moderately noticeable"),
        (10, "severely unnatural"),
        (65, "mild"),
        (50, "highly noticeable"),
    ):
        assert not remark_contradicts(level, remark)


def test_scenes_tell_their_families_and_english_is_recognised(scenes: Path) -> None:
    """Families are counted per split where the source knows them, and no scene's text passes for another language."""
    rows = open_source(scenes).rows
    texts = Texts()
    for row in rows:
        texts.add(read_texts(row))
    families = texts.diversity()["train"]["families"]
    assert sum(families.values()) == sum(len(row.anomalies or []) for row in rows if row.split == "train")
    assert all(looks_english(a.reasoning) for row in rows for a in row.anomalies or [])


def test_the_card_of_a_built_dataset_tells_what_validation_found(damaged: Path, tmp_path: Path) -> None:
    """Leakage and decoding stand on the card by kind with their counts; validating again replaces them; it still loads."""
    dataset = tmp_path / "anomreason"
    build(damaged, dataset, skip_invalid=True, recipe=None)
    assert "Not validated yet" in (dataset / "README.md").read_text()

    def run() -> str:
        assert CliRunner().invoke(app, ["validate", str(dataset)]).exit_code == 0
        return (dataset / "README.md").read_text()

    card = run()
    told = json.loads((dataset / "validation.json").read_text())["warnings"]
    assert {"near-duplicate across splits", "same text across splits", "animated picture", "empty field"} <= set(told)
    assert all(f"| {kind} | {count} | {WARNINGS[kind]} |" in card for kind, count in told.items())
    assert "truncated picture, **left out**" in card  # what was found while building stays
    assert "Not validated yet" not in card
    assert run() == card
    assert DatasetCard.load(dataset / "README.md").data.to_dict()["configs"]
    assert datasets.load_dataset(str(dataset), split="test", cache_dir=str(tmp_path / "cache")).num_rows
