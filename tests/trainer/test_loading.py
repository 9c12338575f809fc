"""Loading: the base is read off the adapter, and an adapter of another base is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.scenes import pair
from tests.adapters import make_adapter
from tests.hub_client import HubClient
from tests.loopback_hub import Repository
from trainer import loading
from trainer.predict import predict


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on tiny."""
    return make_adapter(tmp_path_factory.mktemp("made") / "adapter")


def test_the_base_is_read_off_the_adapter(adapter: Path) -> None:
    """Without `--model` the adapter's base is loaded, and merged or not the answers are the same and not the base's."""
    assert loading.base_of(str(adapter)) == "tiny"
    pictures = [(str(index), pair(31, index)[0].image) for index in range(4)]
    merged, apart, base = (
        [answer.raw for answer in predict(pictures, *loading.load(None, name, merge=merge), task="both")]
        for name, merge in ((str(adapter), True), (str(adapter), False), (None, True))
    )
    assert merged == apart
    assert merged != base
    model, _ = loading.load(None, str(adapter))
    assert loading.is_tiny(model)


def test_pictures_come_in_the_adapter_s_pixels(adapter: Path, tmp_path: Path) -> None:
    """The processor is the one the adapter was trained with."""
    copy = shutil.copytree(adapter, tmp_path / "copy")
    config = json.loads((copy / "processor_config.json").read_text())
    config["image_processor"]["size"] = {"shortest_edge": 56 * 56, "longest_edge": 56 * 56}
    (copy / "processor_config.json").write_text(json.dumps(config))
    _, processor = loading.load("tiny", str(copy))
    assert processor.image_processor.size["longest_edge"] == 56 * 56
    assert processor.tokenizer.padding_side == "left"


def test_an_adapter_of_another_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    """Matrices of other shapes, of a deeper model, and of modules that the base lacks: each names the adapter and its base."""
    weights = load_file(adapter / "adapter_model.safetensors")
    deeper = {name.replace("layers.3", "layers.9"): matrix.clone() for name, matrix in weights.items()} | weights
    wider = {name: torch.zeros(matrix.shape[0] * 2, matrix.shape[1] * 2) for name, matrix in weights.items()}
    for name, changed in (("deeper", deeper), ("wider", wider)):
        copy = shutil.copytree(adapter, tmp_path / name)
        save_file(changed, copy / "adapter_model.safetensors")
        with pytest.raises(
            InputError, match=rf"{name}: does not fit tiny; give the base model it was trained on, tiny"
        ):
            loading.load("tiny", str(copy))
    copy = shutil.copytree(adapter, tmp_path / "elsewhere")
    config = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["no_such_proj"]}))
    with pytest.raises(InputError, match="elsewhere: does not fit tiny"):
        loading.load("tiny", str(copy))


def test_an_adapter_that_names_no_base_or_is_no_json_is_refused(tmp_path: Path) -> None:
    """The message says what is wrong with adapter_config.json."""
    for content, message in (
        ("{}", "names no base model; give it with --model"),
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
    ):
        (tmp_path / "adapter_config.json").write_text(content)
        with pytest.raises(InputError, match=message):
            loading.base_of(str(tmp_path))
    with pytest.raises(UnavailableError, match="the adapter cannot be loaded"):
        loading.base_of("no such/adapter at all")


def test_a_gated_model_says_how_to_get_access(hub_client: HubClient, tmp_path: Path) -> None:
    """Exit code 2 and one sentence: accept the conditions, then log in."""
    (tmp_path / "picture.png").write_bytes(pair(0, 0)[0].png())
    hub_client.hub.repositories["model", "org/gated"] = Repository(private=False)
    hub_client.hub.repositories["model", "org/gated"].files["config.json"] = b"{}"
    hub_client.hub.gated.add("org/gated")
    done = hub_client.run("examine", "picture.png", "--model", "org/gated", cwd=tmp_path)
    assert done.returncode == 2
    assert "org/gated: is gated; accept its conditions" in done.stderr
    assert "Traceback" not in done.stderr
