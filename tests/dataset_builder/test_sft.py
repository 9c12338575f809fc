"""Training examples: the configuration `sft` and the official conversation JSON."""

import json
from pathlib import Path

import datasets
import pytest

from dataset_builder.building.build import build
from dataset_builder.building.llava import conversations
from dataset_builder.building.sft import sft_turns
from dataset_builder.errors import InputError
from dataset_builder.prompts import PROMPTS
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import of_config
from dataset_builder.textform import parse_answer
from tests.commands import run_command
from tests.processes import run_process


def test_anomaly_lists_ask_as_inference_does_and_real_pictures_answer_that_there_is_nothing(
    official: Path, tmp_path: Path
) -> None:
    """One prompt, the inference's; answers that parse; as many empty as not; each picture once."""
    rows = datasets.load_dataset(str(official), "sft", split="train", cache_dir=str(tmp_path))
    assert {row["prompt"][0]["content"] for row in rows} == {PROMPTS["anomalies"]}
    statuses = [parse_answer(row["completion"][0]["content"]).status for row in rows]
    assert statuses.count("none") == statuses.count("anomalies") == len(rows) / 2
    names = [
        row["images"][0]["path"] for row in rows.cast_column("images", datasets.List(datasets.Image(decode=False)))
    ]
    assert len(set(names)) == len(names)


def test_the_verdict_comes_before_the_reasons(release: Path, tmp_path: Path) -> None:
    """`authenticity_reasoning` asks both prompts of inference in turn; a real picture then says what makes it credible."""
    build(release, tmp_path / "out", recipe="authenticity_reasoning", split="test")
    rows = datasets.load_dataset(str(tmp_path / "out"), "sft", split="test", cache_dir=str(tmp_path))
    for row in rows:
        assert row["prompt"] == [{"role": "user", "content": PROMPTS["verdict"]}]
        verdict, question, answer, *more = row["completion"]
        assert question["content"] == PROMPTS["anomalies"]
        assert verdict["content"] == ("No" if answer["content"] == "[]" else "Yes")
        assert bool(more) == (verdict["content"] == "No")


def test_copies_and_balance_depend_on_the_seed_alone(release: Path) -> None:
    """Copies differ in wording, the larger class is thinned the same way each time, other seeds choose otherwise."""
    rows = of_config(open_source(release).rows, "sft", "train")
    fakes = [row for row in rows if row.label == "fake"]
    uneven = fakes + [row for row in rows if row.label == "real"][:4]
    first, again, other = (sft_turns(uneven, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [turn.row.label for turn in first].count("fake") == 4
    copies = sft_turns(fakes[:3], copies=3)
    assert len({(turn.row.image_id, turn.question) for turn in copies}) == 9
    with pytest.raises(InputError, match="anomaly_only"):
        sft_turns(rows, "poem")  # type: ignore[arg-type]


def test_conversations_have_the_official_form(release: Path) -> None:
    """Keys, ids, image paths and the place of the token; verbatim severities; real pictures with both kinds of reasons."""
    rows = of_config(open_source(release).rows, "sft", "train")
    samples = conversations(rows, fake_copies=2, image_token="prefix", shuffle_output=False)
    assert samples == conversations(rows, fake_copies=2, image_token="prefix", shuffle_output=False)
    first = samples[0]
    assert list(first) == ["image", "id", "conversations"]
    assert first["image"] == f"1_fake/{rows[0].image_id}"
    assert first["id"] == f"1_fake_{rows[0].image_id}_authenticity_reasoning_fake_01"
    assert [turn["from"] for turn in first["conversations"]] == ["human", "gpt", "human", "gpt"]
    assert first["conversations"][0]["value"] == f"<image>\n{PROMPTS['verdict']}"
    assert "Severity Score: " in first["conversations"][3]["value"]
    last = {sample["conversations"][-1]["value"] for sample in samples if sample["image"].startswith("0_real/")}
    assert "No anomalies." in last
    assert len(last) > 1
    assert all(sample["conversations"][1]["value"] in ("Yes", "No") for sample in samples)


def test_the_command_writes_them(release: Path, tmp_path: Path) -> None:
    """`anomreason sft --format llava` gives JSON, or a sample a line; another format is refused."""
    for name in ("a.json", "b.jsonl"):
        done = run_command("sft", release, "--format", "llava", "--out", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert json.loads((tmp_path / "a.json").read_text()) == lines
    refused = run_process("sft", release, "--format", "csv", cwd=tmp_path)
    assert refused.returncode == 2
    assert "llava" in refused.stderr


def test_lists_choose_the_pictures_and_the_metadata_counts_them(release: Path, tmp_path: Path) -> None:
    """A list of one class stands in place of the shared one; a split file's split is taken from all of that."""
    rows = of_config(open_source(release).rows, "sft", "train") + of_config(open_source(release).rows, "sft", "test")
    fakes, reals = ([row.image_id for row in rows if row.label == label] for label in ("fake", "real"))
    (tmp_path / "all.txt").write_text("\n".join([f"1_fake/{fakes[0]}", *reals[:6]]))
    (tmp_path / "reals.json").write_text(json.dumps({reals[7]: "caption", f"0_real\\{reals[8]}": ""}))
    (tmp_path / "splits.json").write_text(json.dumps({"mine": [*fakes, reals[7]], "other": []}))
    options = ["--allowlist", "all.txt", "--real-allowlist", "reals.json", "--split-file", "splits.json"]
    done = run_command(
        "sft", release, *options, "--split-name", "mine", "--image-extension", "png", "--fake-copies", 2, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    images = [sample["image"] for sample in json.loads((tmp_path / "sft.json").read_text())]
    assert sorted(images) == sorted([f"0_real/{reals[7][:-4]}.png", *[f"1_fake/{fakes[0][:-4]}.png"] * 2])
    metadata = json.loads((tmp_path / "sft_metadata.json").read_text())
    counts = [
        metadata["report"][f"{label}_{what}"]
        for label in ("fake", "real")
        for what in ("images_used", "entries_created")
    ]
    assert (counts, metadata["report"]["total_entries"]) == ([1, 2, 1, 1], 3)
    assert metadata["config"]["split_name"] == "mine"
    for wrong in (options, ["--allowlist", "nowhere.txt"], [*options, "--split-name", "other"]):
        assert run_command("sft", release, *wrong, cwd=tmp_path).returncode == 2
