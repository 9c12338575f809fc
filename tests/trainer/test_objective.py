"""The objective: losses, gradients and evaluations do not depend on how a step is split into batches and processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training import arguments, train_tiny

ROOT = Path(__file__).resolve().parents[2]
# Plain gradient descent with rate one: what the adapter has moved by is the gradient.
STEP: dict[str, Any] = {"optim": "sgd", "learning_rate": 1.0, "lr_scheduler_type": "constant", "max_grad_norm": 0.0}
EIGHT: dict[str, Any] = STEP | {"limit": 4, "tasks": ["anomalies", "verdict"], "max_steps": 1}


def split(batch: int, accumulation: int) -> dict[str, int]:
    return {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulation}


def record(adapter: Path, key: str) -> list[float]:
    """A number's values in the log of a training."""
    return [entry[key] for entry in json.loads((adapter / "training.json").read_text())["log"] if key in entry]


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter after one step of eight examples in one batch: four long answers, and four of one word."""
    return train_tiny(dataset, tmp_path_factory.mktemp("whole") / "adapter", **EIGHT, **split(8, 1))


def same_step(one: Path, other: Path) -> None:
    """Asserts that two runs had the same loss and moved every matrix alike."""
    assert record(one, "loss") == pytest.approx(record(other, "loss"), rel=1e-5)
    weights, others = (load_file(adapter / "adapter_model.safetensors") for adapter in (one, other))
    moved = [name for name in weights if ".lora_B." in name]  # they start at zero
    size = torch.cat([weights[name].flatten() for name in moved]).norm()
    apart = torch.cat([(weights[name] - others[name]).flatten() for name in moved]).norm()
    assert size > 0
    assert apart / size < 1e-5


@pytest.mark.parametrize(("batch", "accumulation"), [(2, 4), (1, 8), (3, 3)])
def test_a_step_does_not_depend_on_its_split(
    batch: int, accumulation: int, whole: Path, dataset: Path, tmp_path: Path
) -> None:
    """Loss and gradient of the same eight examples agree to 1e-5, also where the last batch is smaller."""
    same_step(whole, train_tiny(dataset, tmp_path / "split", **EIGHT, **split(batch, accumulation)))


# What torchrun does, but the second process is forked off when everything is imported.
TWO = """
import os, sys
from trainer import sft
second = os.fork()
os.environ["RANK"] = os.environ["LOCAL_RANK"] = "0" if second else "1"
sft.main(sys.argv[1:])
if second:
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_step_of_two_processes_is_that_of_one(whole: Path, dataset: Path, tmp_path: Path) -> None:
    """Two processes of two batches of two, which talk through gloo."""
    line = arguments(dataset, tmp_path / "two", "--use_cpu", "true", **EIGHT, **split(2, 2))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    done = subprocess.run(
        [sys.executable, "-c", TWO, *line],
        env=os.environ | launched | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    same_step(whole, tmp_path / "two")


def test_an_evaluation_does_not_depend_on_its_batches(dataset: Path, tmp_path: Path) -> None:
    """The loss, the accuracy and the entropy of answer tokens, at one row at a time and at seven."""
    names = ("eval_loss", "eval_mean_token_accuracy", "eval_entropy")
    found = []
    for size in (1, 7):
        out = tmp_path / str(size)
        more = {
            "learning_rate": 0.01,  # after a step of rate one it would babble to the last token that it may write
            "limit": 12,
            "eval_strategy": "steps",
            "eval_steps": 1,
            "eval_pictures": 7,
            "per_device_eval_batch_size": size,
        }
        train_tiny(dataset, out, **EIGHT | more, save_strategy="steps", save_steps=1)
        log = json.loads((out / "checkpoint-1" / "trainer_state.json").read_text())["log_history"]
        found.append([entry[name] for name in names for entry in log if name in entry])
    assert len(found[0]) == len(names)
    assert found[0] == pytest.approx(found[1], rel=1e-5)
