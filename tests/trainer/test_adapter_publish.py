"""Publishing adapters and the metric, against a real HTTP server that implements the Hub's endpoints."""

import json
import pickle
import shutil
from pathlib import Path

import pytest

from dataset_builder.errors import InputError
from dataset_builder.scenes import pair
from tests.adapters import make_adapter
from tests.commands import run_command
from tests.hub_client import HubClient
from tests.loopback_hub import Repository
from trainer.publish import publish_adapter


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on tiny, with what training leaves beside it."""
    out = make_adapter(tmp_path_factory.mktemp("made") / "adapter")
    (out / "checkpoint-3").mkdir()
    (out / "checkpoint-3" / "optimizer.pt").write_bytes(pickle.dumps({}))
    return out


_LOADED = """
import torch
from huggingface_hub import HfApi, ModelCard
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor
base = AutoModelForImageTextToText.from_pretrained("org/mine-base", dtype=torch.float32)
model = PeftModel.from_pretrained(base, "org/mine")
AutoProcessor.from_pretrained("org/mine")
ModelCard.load("org/mine").validate()
assert model.peft_config["default"].base_model_name_or_path == "org/mine-base"
(result,) = HfApi().model_info("org/mine", expand=["evalResults"]).eval_results
assert (result.dataset_id, result.task_id, result.value) == ("org/anomreason", "SemF1_Full", 0.4)
(entry,) = HfApi().get_dataset_leaderboard("org/anomreason")
assert (entry.rank, entry.model_id, entry.filename) == (1, "org/mine", ".eval_results/anomreason.yaml")
assert entry.notes == result.notes == "95 % interval 0.3000 to 0.5000; semap:2.0|n:40"
print(sum(p.abs().sum().item() > 0 for n, p in model.named_parameters() if "lora_B" in n))
"""


def test_an_adapter_goes_with_its_base_and_loads_with_plain_peft(
    adapter: Path, hub_client: HubClient, tmp_path: Path
) -> None:
    """Base and adapter arrive whole, the adapter names the base's id, plain PEFT loads both, the card validates, `examine` runs,
    and the score is on the leaderboard of its benchmark."""
    before = (adapter / "adapter_config.json").read_bytes()
    numbers = {"SemF1_Full": 0.4, "SemF1_Full_low": 0.3, "SemF1_Full_high": 0.5, "signature": "semap:2.0|n:40"}
    scores = {"dataset": "org/anomreason", "configuration": "default", "results": {"preds": numbers}}
    (tmp_path / "metrics.json").write_text(json.dumps(scores))
    repositories = hub_client.hub.repositories
    repositories["dataset", "org/anomreason"] = Repository(private=False)
    repositories["dataset", "org/anomreason"].files["eval.yaml"] = b"tasks: [{id: SemF1_Full}]"
    line = ["publish", adapter, "--repo-id", "org/mine", "--with-base", "--metrics", tmp_path / "metrics.json"]
    done = hub_client.run(*line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = repositories["model", "org/mine"].files
    assert {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "README.md"} <= files.keys()
    assert {
        "assets/loss.png",
        "processor_config.json",
        "tokenizer.json",
        "training.json",
        "metrics.json",
    } <= files.keys()
    assert not [name for name in files if "checkpoint" in name or name.endswith((".pt", ".bin"))]
    assert "model.safetensors" in repositories["model", "org/mine-base"].files
    assert b"SemF1_Full" in files["README.md"]
    assert b"base_model: org/mine-base" in files["README.md"]
    assert hub_client.python(_LOADED) == "28\n"
    (tmp_path / "odd.png").write_bytes(pair(31, 0, ("giant",))[0].png())
    found = hub_client.run("examine", "odd.png", "--adapter", "org/mine", "--json", cwd=tmp_path)
    assert found.returncode in (0, 1), found.stderr
    assert json.loads(found.stdout)["verdict"] is None
    assert (adapter / "adapter_config.json").read_bytes() == before


def test_an_adapter_on_tiny_needs_a_base_that_others_can_load(adapter: Path, tmp_path: Path) -> None:
    """Without --base-id or --with-base it is refused; with an id a dry run lists what would go, and sends nothing."""
    with pytest.raises(
        InputError, match=r"its base, tiny, is only on this machine; give --base-id ORG/NAME, or --with-base"
    ):
        publish_adapter(adapter, "org/mine")
    with pytest.raises(InputError, match=r"--base-id .*write ORG/NAME"):
        publish_adapter(adapter, "org/mine", base_id="no name")
    (published,) = publish_adapter(adapter, "org/mine", base_id="org/tiny", dry_run=True)
    assert (published.url, published.note) == ("", "base org/tiny")
    assert "adapter_model.safetensors" in dict(published.files)


@pytest.mark.parametrize("name", ["adapter_model.bin", "extra.pt", "notes.pkl"])
def test_pickles_are_refused(name: str, adapter: Path, tmp_path: Path) -> None:
    """A file that may run code on loading is named and nothing is pushed."""
    copy = shutil.copytree(adapter, tmp_path / "copy")
    (copy / name).write_bytes(pickle.dumps({}))
    with pytest.raises(InputError, match=rf"{name}: may be a pickle"):
        publish_adapter(copy, "org/mine", base_id="org/tiny", dry_run=True)


def test_half_an_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    """No processor, or weights that cannot be read: the message names the file."""
    copy = shutil.copytree(adapter, tmp_path / "copy")
    (copy / "adapter_model.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match=r"adapter_model.safetensors: cannot be read"):
        publish_adapter(copy, "org/mine", base_id="org/tiny", dry_run=True)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"lacks tokenizer.json"):
        publish_adapter(copy, "org/mine", base_id="org/tiny", dry_run=True)


def test_the_metric_is_published_as_a_space_that_evaluate_loads(hub_client: HubClient, tmp_path: Path) -> None:
    """`anomreason publish metric_semap` from any directory; afterwards `evaluate.load("org/semap")` scores with it."""
    code = (
        "import evaluate\nsemap = evaluate.load('org/semap')\n"
        "one = {'name': 'n', 'phenomenon': 'A third arm.', 'reasoning': 'People have two.', 'severity': 3}\n"
        "print(semap.compute(predictions=[[one]], references=[[one]], encoder='minilm', bootstrap=0)['SemAP_Full'])"
    )
    done = hub_client.run("publish", "metric_semap", "--repo-id", "org/semap", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = hub_client.hub.repositories["space", "org/semap"].files
    assert {"app.py", "semap.py", "README.md", "requirements.txt"} <= files.keys()
    assert not [name for name in files if "__pycache__" in name]
    assert float(hub_client.python(code).split()[-1]) == 1.0


def test_a_directory_of_no_kind_is_refused(tmp_path: Path) -> None:
    """The message says what can be published, and that options of adapters belong to adapters."""
    done = run_command("publish", tmp_path, "--repo-id", "org/x")
    assert (done.returncode, "is not a dataset, adapter or Space" in done.stderr) == (2, True)
    done = run_command("publish", tmp_path, "--repo-id", "org/x", "--with-base")
    assert (done.returncode, "is not an adapter" in done.stderr) == (2, True)
