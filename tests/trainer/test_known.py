"""Pictures of a kind that a model does not know: told from the others by its vision features, and not answered."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer.testing
from PIL import Image
from safetensors.torch import save_file
from scipy.stats import binomtest
from sklearn.covariance import LedoitWolf

import anomreason
from dataset_builder.building.build import build
from dataset_builder.errors import InputError
from dataset_builder.pictures import prepare
from dataset_builder.predictions import UNKNOWN, Prediction, read_predictions
from dataset_builder.publishing.hub import repository_files
from dataset_builder.scenes import pair, write_scenes
from tests.adapters import make_adapter
from tests.other_pictures import KINDS, pictures, screenshots
from tests.random_models import RANDOM
from tests.training import train_tiny
from trainer import known as module
from trainer.known import FILE, Known, features, fit, fit_known, read_known, strangers, with_errors
from trainer.loading import TINY, load
from trainer.merge import merge
from trainer.predict import Unanswered, predict, predict_dataset
from trainer.settings import fingerprint
from trainer.tiny.variation import turned


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load("tiny")


def unknown(tiny: tuple[Any, Any], images: list[Image.Image]) -> list[bool]:
    return strangers(tiny[0].known, *tiny, [prepare(image).image for image in images])


def fresh(seed: int, count: int) -> list[Image.Image]:
    """Scenes and their twins."""
    return [prepare(picture.image).image for index in range(count) for picture in pair(seed, index)]


def test_other_pictures_are_refused(tiny: tuple[Any, Any]) -> None:
    """Of a sample of each kind nearly all, and of all together 19 of 20 (the long figure: benchmarks/unknown.py)."""
    refused = {kind: unknown(tiny, [picture for _, picture in pictures(kind, 12, seed=1)]) for kind in KINDS}
    assert {kind: sum(one) for kind, one in refused.items() if sum(one) < 0.85 * len(one)} == {}
    every = [one for answers in refused.values() for one in answers]
    assert sum(every) >= 0.95 * len(every)


@pytest.mark.browser
def test_screenshots_are_refused(tiny: tuple[Any, Any], browser: Any) -> None:
    """Pages of several looks, light and dark, narrow and wide."""
    assert all(unknown(tiny, [picture for _, picture in screenshots(browser, 6, seed=1)]))


def test_fresh_scenes_are_not_refused(tiny: tuple[Any, Any]) -> None:
    """At most so many of 80 as a share of 1 % explains; they are of a seed that nothing was fitted on."""
    refused = sum(unknown(tiny, fresh(77_001, 40)))
    assert binomtest(refused, 80, 0.01, alternative="greater").pvalue > 0.01


def test_turned_scenes_are_refused_where_the_model_errs(tiny: tuple[Any, Any]) -> None:
    """Turned by 5° to either side nearly all, by 2° hardly one."""
    scenes = [picture.image for index in range(20) for picture in pair(77_002, index)]
    refused = {degrees: sum(unknown(tiny, [turned(one, degrees) for one in scenes])) for degrees in (-5, -2, 2, 5)}
    assert min(refused[-5], refused[5]) >= 0.85 * len(scenes)
    assert max(refused[-2], refused[2]) <= 0.15 * len(scenes)


def test_errors_on_both_sides_of_what_is_known_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that differ in one feature, to either side, lie too near for the distance; read back, it is the same."""
    generator = torch.Generator().manual_seed(3)
    right, others, wrong, fresh = (torch.randn(count, 6, generator=generator) for count in (600, 600, 600, 400))
    monkeypatch.setattr(module, "_probed", lambda model, processor: right[0])
    wrong[:, 2] = 2.6 * wrong[:, 2].sign() + 0.3 * wrong[:, 2]
    plain = fit(None, None, right, others)
    known = with_errors(plain, right, wrong, others)
    assert (plain.beyond(wrong) > 1).float().mean() < 0.5 < 0.8 < (known.beyond(wrong) > 1).float().mean()
    assert (known.beyond(fresh) > 1).float().mean() < 0.05
    assert torch.equal(plain.beyond(fresh), plain.distances(fresh) / plain.threshold)
    for one in (plain, known):
        one.write(tmp_path)
        read = read_known(str(tmp_path))
        assert read is not None
        assert torch.equal(read.beyond(wrong), one.beyond(wrong))


def test_an_unknown_picture_has_no_answer_and_changes_none_of_its_batch(tiny: tuple[Any, Any]) -> None:
    """Whatever is asked; the others are answered as without it, in their order."""
    scene = pair(21, 0)[0].image
    ((_, photograph),) = pictures("photographs", 1)
    for task in ("anomalies", "both", "verdict"):
        batch = [("a.png", scene), ("photograph.png", photograph), ("b.png", scene)]
        first, strange, last = predict(batch, *tiny, task=task)  # type: ignore[arg-type]
        assert strange == Prediction(image_id="photograph.png", status="unknown")
        (alone,) = predict([("a.png", scene)], *tiny, task=task)  # type: ignore[arg-type]
        assert first.raw == last.raw == alone.raw


def test_examine_says_what_to_use_instead(tmp_path: Path) -> None:
    """On the terminal and as JSON, with exit code 3: an answer that was not given."""
    ((_, photograph),) = pictures("photographs", 1)
    photograph.save(tmp_path / "photograph.png")
    run = typer.testing.CliRunner().invoke
    shown = run(anomreason.app, ["examine", str(tmp_path / "photograph.png")])
    assert (shown.exit_code, UNKNOWN in shown.stdout) == (3, True)
    told = run(anomreason.app, ["examine", str(tmp_path / "photograph.png"), "--json"])
    assert told.exit_code == 3
    assert json.loads(told.stdout) == {
        "image_id": str(tmp_path / "photograph.png"),
        "status": "unknown",
        "verdict": None,
        "anomalies": [],
        "message": UNKNOWN,
    }
    assert all(way in UNKNOWN for way in ("Qwen2.5-VL", "--base-url", "AnomAgent"))


class Silent:
    def step(self, text: str) -> None: ...

    def bar(self, text: str, total: int) -> Any:
        from contextlib import nullcontext

        return nullcontext(lambda done: None)


def test_predict_counts_unknown_pictures_apart(official: Path, tmp_path: Path) -> None:
    """Noise instead of scenes: each row has the status, and none counts as unreadable."""
    out = tmp_path / "preds.json"
    counted = predict_dataset(str(official), "test", 4, "tiny", None, 4, out, Silent())
    assert counted == Unanswered(failed=0, unknown=4)
    assert {row.status for row in read_predictions(out.with_suffix(".jsonl")).values()} == {"unknown"}


def test_the_distance_is_that_of_a_ledoit_wolf_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    """As scikit-learn estimates it, as long as all axes are kept."""
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(60, 12, generator=generator) @ torch.randn(12, 12, generator=generator) + 3
    others = torch.randn(200, 12, generator=generator)
    monkeypatch.setattr(module, "_probed", lambda model, processor: seen[0])
    known = fit(None, None, seen, others)
    scaled = (seen - seen.mean(0)) / seen.std(0)
    theirs = LedoitWolf(assume_centered=True).fit(scaled.numpy())
    expected = (theirs.mahalanobis(((others - seen.mean(0)) / seen.std(0)).numpy()) / 12) ** 0.5
    assert known.distances(others).numpy() == pytest.approx(expected, rel=1e-4)


def test_the_threshold_is_exceeded_by_the_share_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 pictures of the same kind about 1 %, although there are more features than pictures."""
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(400, 400, generator=generator)
    drawn = torch.randn(10_700, 400, generator=generator) @ mixing
    monkeypatch.setattr(module, "_probed", lambda model, processor: drawn[0])
    known = fit(None, None, drawn[:300], drawn[300:700])
    assert 0.002 <= (known.distances(drawn[700:]) > known.threshold).float().mean() <= 0.025


def test_too_few_pictures_are_told_before_training(scenes: Path, tmp_path: Path) -> None:
    """A handful says little of what else a picture may look like."""
    build(scenes, tmp_path / "anomreason", recipe=None)
    with pytest.raises(
        InputError, match=r"knows: 3\d pictures are too few to learn which ones are known; train on at le"
    ):
        train_tiny(tmp_path / "anomreason", tmp_path / "adapter", knows=True)
    assert not (tmp_path / "adapter").exists()


def test_pictures_that_are_all_the_same_are_told(tiny: tuple[Any, Any]) -> None:
    """There is nothing to measure a distance by."""
    with pytest.raises(InputError, match="knows: all training pictures are the same to the model"):
        fit_known(*tiny, [Image.new("RGB", (168, 168), "teal")] * 40)


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A copy of the tiny model's directory."""
    for path in TINY.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(TINY)).parent.mkdir(exist_ok=True)
            (tmp_path / path.relative_to(TINY)).write_bytes(path.read_bytes())
    return tmp_path


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _text(path: Path) -> None:
    path.write_text("not safetensors at all")


def _huge(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _other(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path)


def _reshaped(path: Path) -> None:
    known = read_known(str(TINY))
    assert known is not None
    Known(**{**vars(known), "mean": torch.zeros(7)}).write(path.parents[1])


def _numbers(path: Path) -> None:
    known = read_known(str(TINY))
    assert known is not None
    Known(**{**vars(known), "threshold": "far"}).write(path.parents[1])


@pytest.mark.parametrize("damage", [_cut, _text, _huge, _other, _reshaped, _numbers])
def test_a_damaged_file_is_one_sentence(damage: Callable[[Path], None], beside: Path) -> None:
    """With the file's place and what to do; nothing is answered as if there were no file."""
    damage(beside / FILE)
    with pytest.raises(
        InputError, match=r"features\.safetensors: does not say which pictures are known .*; fit it again"
    ):
        load(str(beside))


def test_a_file_of_another_model_is_one_sentence(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    """Of another size, or of the same with other weights."""
    other = RANDOM["qwen2_5_vl"](tmp_path / "other")
    tiny[0].known.write(other)
    with pytest.raises(InputError, match=r"was fitted on the features of another model or pixel budget; fit it again"):
        load(str(other))


def test_predictions_with_another_fit_are_not_continued(beside: Path) -> None:
    """What is known is a part of what made them."""
    before = fingerprint(str(beside))
    (beside / FILE).unlink()
    assert fingerprint(str(beside)) != before


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_every_family_that_is_trained_has_features(family: str, tmp_path: Path) -> None:
    """With an adapter as without, because the tower is frozen; pictures of any shape in one batch."""
    from peft import LoraConfig, get_peft_model

    from trainer.base import LORA_MODULES

    model, processor = load(str(RANDOM[family](tmp_path / family)))
    images = [Image.new("RGB", size, "teal") for size in ((300, 100), (168, 168))]
    bare = features(model, processor, images)
    assert bare.shape == (2, 2 * 64)
    adapted = get_peft_model(model, LoraConfig(target_modules=LORA_MODULES))
    assert torch.equal(features(adapted, processor, images), bare)


@pytest.fixture(scope="module")
def adapter(scene_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(scene_dataset, tmp_path_factory.mktemp("knows") / "adapter", knows=True)


@pytest.fixture(scope="module")
def scene_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 160 scenes, twins included."""
    out = tmp_path_factory.mktemp("many")
    write_scenes(out / "scenes", 160, seed=12)
    build(out / "scenes", out / "anomreason", recipe=None)
    return out / "anomreason"


def test_an_adapter_that_was_trained_to_knows_its_pictures(adapter: Path) -> None:
    """It refuses what is unlike them, wherever the adapter goes: its own file, whatever the base knows."""
    model, processor = load(adapter=str(adapter))
    assert model.known.pictures + model.known.held_out < 160
    shown = [*fresh(77_002, 10), *(picture for _, picture in pictures("noise and plain colours", 6))]
    found = [one.status == "unknown" for one in predict(enumerated(shown), model, processor)]
    assert sum(found[:20]) <= 3
    assert found[20:] == [True] * 6
    assert FILE in repository_files(adapter)
    assert "get the status\n`unknown`" in (adapter / "README.md").read_text()


def enumerated(images: list[Image.Image]) -> list[tuple[str, Image.Image]]:
    return [(f"{index}.png", image) for index, image in enumerate(images)]


def test_a_merged_model_knows_what_its_adapter_knew(adapter: Path, tmp_path: Path) -> None:
    """Also in half precision; where servers look for weights there is no other file."""
    merged = merge(str(adapter), tmp_path / "merged", dtype="float16")
    known, before = read_known(str(merged)), read_known(str(adapter))
    assert known is not None
    assert before is not None
    assert (known.threshold, known.pictures) == (before.threshold, before.pictures)
    assert load(str(merged))[0].known is not None
    assert [path.name for path in merged.glob("*.safetensors")] == ["model.safetensors"]


def test_an_adapter_without_the_file_answers_about_everything(tmp_path: Path) -> None:
    """As before: nobody said what it knows, and what its base knows is not it."""
    model, processor = load(adapter=str(make_adapter(tmp_path / "adapter")))
    assert model.known is None
    (answer,) = predict(pictures("noise and plain colours", 1), model, processor, max_new_tokens=8)
    assert answer.status != "unknown"
