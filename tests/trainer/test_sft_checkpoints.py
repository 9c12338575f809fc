"""Checkpoints: whole or not at all, gone on from without a trace, and told apart from those of other runs."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from dataset_builder import owned
from dataset_builder.errors import InputError, OutputError, UnavailableError
from tests.training import arguments, losses, train_tiny
from trainer import sft

SAVING: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}


class At(TrainerCallback):
    """Does something at the end of a step."""

    def __init__(self, step: int, act: Any) -> None:
        self.step, self.act = step, act

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            self.act()


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps with dropout, and checkpoints after two and four."""
    return train_tiny(dataset, tmp_path_factory.mktemp("runs") / "whole", lora_dropout=0.5, **SAVING)


def test_a_resumed_run_has_the_losses_of_an_undisturbed_one(undisturbed: Path, dataset: Path, tmp_path: Path) -> None:
    """Gone on from the checkpoint after step two, steps three and four have the same losses, and the adapter the same bytes."""
    half = undisturbed / "checkpoint-2"
    again = train_tiny(dataset, tmp_path / "again", lora_dropout=0.5, resume_from_checkpoint=half, **SAVING)
    assert losses(again / "checkpoint-4") == losses(undisturbed / "checkpoint-4")
    assert len(losses(again / "checkpoint-4")) == 4
    assert (again / "adapter_model.safetensors").read_bytes() == (
        undisturbed / "adapter_model.safetensors"
    ).read_bytes()


def test_a_resumed_stream_has_the_losses_of_an_undisturbed_one(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A streamed dataset is drawn from in the same order again."""
    monkeypatch.setattr(
        datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0
    )  # it waits so long whenever a stream is left
    whole = train_tiny(dataset, tmp_path / "whole", dataset_streaming=True, **SAVING)
    half = whole / "checkpoint-2"
    again = train_tiny(dataset, tmp_path / "again", dataset_streaming=True, resume_from_checkpoint=half, **SAVING)
    assert losses(again / "checkpoint-4") == losses(whole / "checkpoint-4")


def test_a_checkpoint_names_the_base(undisturbed: Path) -> None:
    """Not the path it was loaded from on this machine."""
    config = json.loads((undisturbed / "checkpoint-2" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"


def test_checkpoints_of_another_run_base_or_rank_are_not_taken_up(
    undisturbed: Path, dataset: Path, tmp_path: Path
) -> None:
    """Each refusal says what is there and what to set."""
    half = str(undisturbed / "checkpoint-2")
    with pytest.raises(InputError, match=r"output_dir: .* holds the checkpoints of a run; continue with"):
        train_tiny(dataset, undisturbed)
    with pytest.raises(InputError, match="holds no checkpoint; leave it out"):
        train_tiny(dataset, tmp_path / "new", resume_from_checkpoint="true")
    with pytest.raises(InputError, match=r"nowhere is not a checkpoint; give a checkpoint-N directory"):
        train_tiny(dataset, tmp_path / "new", resume_from_checkpoint=tmp_path / "nowhere")
    with pytest.raises(
        InputError, match=r"was trained on tiny, not on Qwen/Qwen2.5-VL-3B-Instruct; set model_name_or_path"
    ):
        train_tiny(
            dataset, tmp_path / "new", resume_from_checkpoint=half, model_name_or_path="Qwen/Qwen2.5-VL-3B-Instruct"
        )
    with pytest.raises(InputError, match=r"lora_r: 4, but .* holds an adapter of rank 8"):
        train_tiny(dataset, tmp_path / "new", resume_from_checkpoint=half, lora_r=4)


def test_a_disk_that_is_full_leaves_the_last_good_checkpoint(dataset: Path, tmp_path: Path) -> None:
    """The second checkpoint cannot be written: nothing of it stays, the first is whole, and going on from it works."""
    out = tmp_path / "run"
    line = arguments(dataset, out, **SAVING)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    fill = At(4, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1])))
    try:
        with pytest.raises(
            OutputError, match=r"checkpoint-4: cannot be saved .*; make room there, then resume with .*checkpoint-2"
        ):
            sft.train(*sft.parse(line), callbacks=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {path.name for path in out.iterdir()} == {"checkpoint-2", owned.MANIFEST}
    assert not (out / ".saving").exists()
    sft.main([*line, "--resume_from_checkpoint", "true"])
    assert (out / "checkpoint-4" / "trainer_state.json").is_file()
    assert (out / "adapter_model.safetensors").is_file()


def test_sigterm_saves_a_checkpoint_and_exits_with_143(dataset: Path, tmp_path: Path) -> None:
    """And the run that goes on from it has the losses of one that was never stopped."""
    out = tmp_path / "run"
    command = Path(sys.executable).with_name("anomreason")
    options = {**SAVING, "max_steps": 400, "save_strategy": "no", "lr_scheduler_type": "constant"}
    line = arguments(dataset, out, **options)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [command, "train", *line], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for text in process.stdout:  # the first logged loss: it is training
            said.append(text)
            if "loss" in text:
                process.send_signal(signal.SIGTERM)
                break
        said.append(process.stdout.read())
        assert process.wait(timeout=120) == 143, "".join(said)
    (checkpoint,) = out.glob("checkpoint-*")
    stopped = int(checkpoint.name.removeprefix("checkpoint-"))
    assert f"stopped after step {stopped}; resume with --resume_from_checkpoint true" in "".join(said)
    assert not (out / "adapter_model.safetensors").exists()

    steps = stopped + 1
    options |= {"max_steps": steps, "save_strategy": "steps", "save_steps": steps}
    resumed = train_tiny(dataset, out, **options, resume_from_checkpoint="true")
    whole = train_tiny(dataset, tmp_path / "whole", **options)
    name = f"checkpoint-{steps}"
    assert losses(resumed / name) == losses(whole / name)


def test_a_process_killed_while_saving_leaves_no_half_checkpoint(
    undisturbed: Path, dataset: Path, tmp_path: Path
) -> None:
    """What it leaves has a name that nothing resumes from, and the next checkpoint clears it away."""
    out = tmp_path / "run"
    owned.begin(out, "train")
    (out / ".saving" / "checkpoint-9").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no checkpoint"):
        train_tiny(dataset, out, resume_from_checkpoint="true")
    train_tiny(dataset, out, max_steps=1, save_strategy="steps", save_steps=1)
    assert not (out / ".saving").exists()


def test_out_of_memory_says_which_settings_to_lower(dataset: Path, tmp_path: Path) -> None:
    """With the values they have now."""
    exhaust = At(1, lambda: torch.empty(10**15))
    with pytest.raises(
        UnavailableError,
        match=r"out of memory: set activation_checkpointing to true; or lower per_device_train_batch_size \(2\) .*max_pixels",
    ):
        sft.train(*sft.parse(arguments(dataset, tmp_path / "run")), callbacks=[exhaust])


def test_the_same_seed_gives_the_same_adapter_and_another_does_not(
    undisturbed: Path, dataset: Path, tmp_path: Path
) -> None:
    """Byte for byte, in the same number of threads."""
    again = {"lora_dropout": 0.5, "max_steps": SAVING["max_steps"]}
    one, same, other = (
        load_file(adapter / "adapter_model.safetensors")
        for adapter in (
            undisturbed,
            *(train_tiny(dataset, tmp_path / f"{seed}", **again, seed=seed) for seed in (0, 1)),
        )
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_there_is_replaced_only_when_told(undisturbed: Path, dataset: Path, tmp_path: Path) -> None:
    """An adapter wants --overwrite, a directory of something else too; a history and notes stay in both."""
    out = tmp_path / "adapter"
    shutil.copytree(undisturbed, out)
    shutil.rmtree(out / "checkpoint-2")
    shutil.rmtree(out / "checkpoint-4")
    for name in (".git/HEAD", "notes.md"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    with pytest.raises(InputError, match=r"holds an adapter; continue with .*--resume_from_checkpoint.*--overwrite"):
        train_tiny(dataset, out, max_steps=1)
    train_tiny(dataset, out, max_steps=1, overwrite=True)
    assert (out / ".git" / "HEAD").read_text() == (out / "notes.md").read_text() == "mine"
    (out / "README.md").write_text("edited")
    (out / "adapter_config.json").unlink()
    with pytest.raises(OutputError, match=r"README.md: was changed since .*--overwrite"):
        train_tiny(dataset, out, max_steps=1)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="did not make it"):
        train_tiny(dataset, tmp_path / "thesis", max_steps=1)
