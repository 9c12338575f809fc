"""What the benchmarks of training take back or count is what they say."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import fixes, training
from benchmarks.first_card import Prompted
from benchmarks.predict import served
from tests.training import arguments
from trainer import sft
from trainer.tower import tower_of


@pytest.fixture(scope="module")
def trainer(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four pictures, two questions each, in steps of two batches."""
    out = tmp_path_factory.mktemp("measured") / "out"
    options = {"limit": 4, "tasks": ["anomalies", "verdict"], "gradient_accumulation_steps": 2}
    return sft.build(*sft.parse(arguments(dataset, out, "--use_cpu", "true", **options)))


class Watch:
    """Counts what a step does that its gradients do not show."""

    def __init__(self, model: Any) -> None:
        tower, decoder = tower_of(model), model.get_base_model().get_decoder()
        self.seen = dict.fromkeys(("looks", "patches", "tower backward", "layers", "masks"), 0)
        layer = decoder.layers[0]
        self.hooks = [
            tower.patch_embed.register_forward_hook(lambda _, given, __: self.add("looks", given[0].shape[0])),  # type: ignore[union-attr]
            tower.blocks[0].register_full_backward_hook(lambda *_: self.add("tower backward")),  # type: ignore[union-attr]
            layer.self_attn.register_forward_hook(lambda *_: self.add("layers")),
            layer.register_forward_pre_hook(
                lambda _, __, named: self.add("masks", int(named.get("attention_mask") is not None)), with_kwargs=True
            ),
        ]

    def add(self, name: str, count: int = 1) -> None:
        self.seen[name] += count

    def end(self) -> dict[str, int]:
        for hook in self.hooks:
            hook.remove()
        return self.seen


def stepped(trainer: Any, batches: Any) -> tuple[torch.Tensor, dict[str, int]]:
    """The gradients of a step in one vector, and what it did."""
    model = trainer.model
    training.forget_pictures(model)
    watch = Watch(model)
    for batch in batches:
        (-model(**batch, use_cache=False, fused_lm_head=True).log_probs.sum()).backward()
    gradients = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.requires_grad])
    model.zero_grad()
    return gradients, watch.end()


def test_what_is_taken_back_changes_the_work_and_never_the_gradients(trainer: Any) -> None:
    """Each change alone: what the step then does, the same gradients to rounding, and all is as before afterwards."""
    trainer.model.eval()
    (batches,) = training.read_steps(trainer, 1)
    whole, usual = stepped(trainer, batches)
    assert usual["tower backward"] == 0
    assert usual["masks"] == 0
    differs = {
        "tower outside autograd": ("tower backward", len(batches)),
        "nothing computed again": ("layers", 2 * usual["layers"]),
        "each picture looked at once": ("looks", 2 * usual["looks"]),
        "no mask": ("masks", len(batches)),
    }
    for change, taken_back in fixes.TAKEN_BACK.items():
        proj = tower_of(trainer.model).patch_embed.proj  # type: ignore[union-attr]
        with taken_back(trainer.model):
            gradients, did = stepped(trainer, batches)
            assert (type(proj) is nn.Conv3d) == (change == "patches as one product")
        torch.testing.assert_close(gradients, whole, rtol=1e-3, atol=1e-4 * float(whole.abs().max()))
        if change in differs:
            name, count = differs[change]
            assert did[name] == count, change
        assert stepped(trainer, batches)[1] == usual, change


def test_matrices_in_four_bits_count_by_their_shape() -> None:
    """The library packs two weights into a byte, in a tensor of another shape."""
    packed = nn.Linear(64, 32)
    packed.weight = nn.Parameter(torch.zeros(64 * 32 // 2, 1, dtype=torch.uint8), requires_grad=False)
    assert training.matrices(nn.Sequential(nn.Linear(64, 32), packed)) == 2 * 64 * 32


def test_the_client_for_endpoints_is_timed_on_answers(scenes: Path, tmp_path: Path) -> None:
    """All pictures have an answer in the file that it writes."""
    assert served(scenes, tmp_path) > 0
    rows = [json.loads(line) for line in (tmp_path / "served.jsonl").read_text().splitlines()]
    assert len(rows) == len(list((scenes / "images").iterdir()))
    assert {row["status"] for row in rows} <= {"anomalies", "none"}


def test_a_model_says_what_it_is_given() -> None:
    """Whatever its scores are: token by token, and from the beginning again."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 9)

        def get_output_embeddings(self) -> nn.Module:
            return self.head

    model = Model()
    prompted = Prompted(model, [3, 8, 1])
    said = [int(model.head(torch.randn(1, 5, 4))[0, -1].argmax()) for _ in range(5)]
    assert said == [3, 8, 1, 3, 8]
    assert prompted.said == 5
