"""Captions of photographs: asked for once, written in the authors' form, and read by the builder."""

import json
import urllib.request
from pathlib import Path

import datasets
import pytest
from typer.testing import CliRunner, Result

import anomreason
from agent.captions import FILE, _problem
from agent.simulated import serve
from dataset_builder.official import read_captions
from dataset_builder.scenes import read_scenes, write_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("captions") / "scenes", 8, seed=3)


def annotate(scenes: Path, out: Path, url: str, *more: object) -> Result:
    arguments = [
        "annotate",
        scenes / "images",
        "--plan",
        "caption",
        "--model",
        "simulated",
        "--base-url",
        url,
        "--out",
        out,
        *more,
    ]
    return CliRunner().invoke(anomreason.app, [str(one) for one in arguments])


def calls(url: str) -> int:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=30) as answer:
        return int(json.load(answer)["calls"])


def test_every_picture_gets_a_caption_that_the_builder_reads(scenes: Path, tmp_path: Path) -> None:
    """In the authors' form; run again, nothing is asked; with a budget, what it allows is written and the rest comes later."""
    names = {row.image_id for row in read_scenes(scenes)}
    with serve(scenes) as url:
        some = annotate(scenes, tmp_path / "out", url, "--budget-calls", 3, "--concurrency", 1)
        assert some.exit_code == 3
        assert "not captioned" in some.stderr
        assert 0 < len(read_captions(tmp_path / "out" / FILE)) < len(names)
        done = annotate(scenes, tmp_path / "out", url)
        assert done.exit_code == 0, done.output
        asked = calls(url)
        assert annotate(scenes, tmp_path / "out", url).exit_code == 0
        assert calls(url) == asked
    captions = read_captions(tmp_path / "out" / FILE)
    assert set(captions) == names
    assert all("their shadows fall to one side" in text for text in captions.values())


def test_a_release_with_these_captions_builds_the_two_turn_recipe(scenes: Path, tmp_path: Path) -> None:
    """Photographs and their captions beside annotated fakes: `authenticity_reasoning` has an answer for both."""
    from dataset_builder.building.build import build

    with serve(scenes) as url:
        assert annotate(scenes, tmp_path / "out", url).exit_code == 0
    release = tmp_path / "release"
    annotations = {}
    for row in read_scenes(scenes):
        place = release / ("0_real" if row.label == "real" else "1_fake")
        place.mkdir(parents=True, exist_ok=True)
        (place / row.image_id).write_bytes((scenes / "images" / row.image_id).read_bytes())
        if row.label == "fake":
            annotations[row.image_id] = [
                {
                    "Name": one.name,
                    "Observed Phenomenon": one.phenomenon,
                    "Reasoning": one.reasoning,
                    "Severity Score": f"{one.severity}/100",
                }
                for one in row.anomalies
            ]
    (release / "AnomReason_After_HITL.json").write_text(json.dumps(annotations))
    captions = {name: text for name, text in read_captions(tmp_path / "out" / FILE).items() if "_clean" in name}
    (release / FILE).write_text(json.dumps(captions))
    built = build(release, tmp_path / "built", recipe="authenticity_reasoning")
    assert set(built.rows["sft"]) == {"train", "test"}
    rows = [row for split in datasets.load_dataset(str(tmp_path / "built"), "sft").values() for row in split]
    answered = {
        turn["content"] for row in rows for turn in [*row["prompt"], *row["completion"]] if turn["role"] == "assistant"
    }
    assert answered & set(captions.values())


def test_a_picture_that_cannot_be_read_is_told(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    row = read_scenes(scenes)[0]
    (tmp_path / "pictures" / row.image_id).write_bytes((scenes / "images" / row.image_id).read_bytes())
    with serve(scenes) as url:
        arguments = ["annotate", tmp_path / "pictures", "--plan", "caption", "--model", "simulated", "--base-url", url]
        done = CliRunner().invoke(anomreason.app, [str(one) for one in (*arguments, "--out", tmp_path / "out")])
    assert done.exit_code == 3
    assert "broken.png: no caption" in done.stderr
    assert set(read_captions(tmp_path / "out" / FILE)) == {row.image_id}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("Soft light from the window falls on the table and the cup throws a fitting shadow.", False),
        ("I'm sorry, I can't help with that request, which is about a picture.", True),
        ("- the light is soft\n- the shadow of the cup fits", True),
        ('{"caption": "Soft light from the window falls on the table."}', True),
        ("It looks real.", True),
    ],
)
def test_what_is_no_paragraph_is_asked_for_again(answer: str, wrong: bool) -> None:
    assert (_problem(answer) is not None) == wrong


def test_options_that_do_not_go_with_it_are_one_sentence(scenes: Path, tmp_path: Path) -> None:
    done = annotate(scenes, tmp_path / "out", "http://127.0.0.1:9/v1", "--canaries", 2)
    assert "does not support --engine and --canaries" in str(done.exception)
