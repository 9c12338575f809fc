"""Fine-tuning: the adapter learns on the language model alone, and settings that cannot work are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from dataset_builder.errors import InputError, UnavailableError
from tests.hub_client import HubClient
from tests.random_models import RANDOM
from tests.training import arguments, train_tiny
from trainer import loading, sft
from trainer.examples import DataArguments, evaluation_sample, training_examples, training_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter after three steps of the tiny recipe."""
    # Both tasks, so that the verdict's path is run as well.
    return train_tiny(dataset, tmp_path_factory.mktemp("adapter") / "tiny", tasks=["anomalies", "verdict"])


def test_every_lora_parameter_moved_and_no_other_did(trained: Path) -> None:
    """The adapter holds only LoRA matrices of the language model, and each B matrix has left its zero start."""
    from safetensors.torch import load_file

    weights = load_file(trained / "adapter_model.safetensors")
    base, _ = loading.load("tiny")
    layers = base.config.text_config.num_hidden_layers
    assert len(weights) == layers * 7 * 2  # q, k, v, o, gate, up, down; A and B each
    assert all(".language_model.layers." in name and ".lora_" in name for name in weights)
    # B starts at zero; A moves as soon as B has.
    assert all(tensor.abs().max() > 0 for tensor in weights.values())


class Watch(TrainerCallback):
    """Keeps every parameter as it was before the first step and after the last."""

    def _copy(self, model: Any) -> dict[str, torch.Tensor]:
        return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    def on_train_begin(self, *_: Any, model: Any, **__: Any) -> None:
        self.before = self._copy(model)

    def on_train_end(self, *_: Any, model: Any, **__: Any) -> None:
        self.after = self._copy(model)

    def moved(self) -> set[str]:
        return {name for name in self.before if not torch.equal(self.before[name], self.after[name])}

    def lora(self) -> set[str]:
        return {name for name in self.before if ".lora_" in name}


@pytest.mark.parametrize(
    ("recipe", "configuration", "base"),
    [
        ("tiny", "default", "tiny"),
        ("anomreasonor_3b", "deepfake", "qwen2_5_vl"),
        ("anomreasonor_7b", "deepfake", "qwen2_5_vl"),
        ("anomreasonor_7b", "deepfake", "qwen2_vl"),
        ("qwen3vl_8b", "sft", "qwen3_vl"),
    ],
)
def test_training_moves_every_lora_matrix_of_the_language_model_and_nothing_else(
    recipe: str, configuration: str, base: str, official: Path, tmp_path: Path
) -> None:
    """Each recipe, as it stands but for the size of model and batch: compared parameter by parameter before and after."""
    model = "tiny" if base == "tiny" else str(RANDOM[base](tmp_path / base))
    options = ["--model_name_or_path", model, "--dataset_name", str(official), "--output_dir", str(tmp_path / "out")]
    options += ["--use_cpu", "true", "--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "1"]
    options += ["--max_steps", "2", "--learning_rate", "0.01", "--warmup_steps", "0", "--disable_tqdm", "true"]
    options += ["--dataloader_num_workers", "0", "--report_to", "none"]
    options += ["--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"]
    # What bitsandbytes needs is not here, and compiling takes minutes; the rest of the recipe is run.
    options += [
        "--load_in_4bit",
        "false",
        "--compile_layers",
        "false",
        "--min_pixels",
        "12544",
        "--max_pixels",
        "25088",
    ]
    script, training, model_config = sft.parse(["--config", recipe, *options])
    assert script.dataset_config in (None, configuration)
    watch = Watch()
    out = sft.train(script, training, model_config, callbacks=[watch])
    layers = len(
        {name.split(".layers.")[1].split(".")[0] for name in watch.before if ".language_model.layers." in name}
    )
    assert watch.moved() == watch.lora()
    assert len(watch.lora()) == layers * 7 * 2  # q, k, v, o, gate, up, down; A and B each
    assert all(".language_model.layers." in name for name in watch.lora())
    processor = json.loads((out / "processor_config.json").read_text())["image_processor"]
    assert processor["size"] == {"shortest_edge": 12544, "longest_edge": 25088}


def test_the_recipes_say_what_the_paper_and_the_official_code_say() -> None:
    """Rank, alpha, dropout, rate, schedule, decay, epochs, pixels and the global batch; and none cuts tokens."""
    for name, base, dropout in (
        ("anomreasonor_7b", "Qwen/Qwen2.5-VL-7B-Instruct", 0.05),
        ("qwen3vl_8b", "Qwen/Qwen3-VL-8B-Instruct", 0.5),
    ):
        script, training, model = sft.parse(["--config", name, "--use_cpu", "true"])
        assert (model.model_name_or_path, model.lora_r, model.lora_alpha, model.lora_dropout) == (base, 8, 16, dropout)
        assert (training.learning_rate, training.warmup_steps, training.weight_decay) == (2e-5, 0.03, 0.1)
        assert (str(training.lr_scheduler_type), training.num_train_epochs) == ("SchedulerType.COSINE", 1)
        assert training.per_device_train_batch_size * training.gradient_accumulation_steps == 128
        assert (script.min_pixels, script.max_pixels) == (256 * 28 * 28, 512 * 28 * 28)
        assert training.max_length is None


def test_the_adapter_names_its_base_and_no_path_of_this_machine(trained: Path) -> None:
    """adapter_config.json says `tiny`, there is no pickle, and the card says what it was made from."""
    config = json.loads((trained / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert not list(trained.glob("*.bin"))
    assert "base_model: tiny" in (trained / "README.md").read_text()


def test_the_adapter_loads_with_plain_peft(trained: Path) -> None:
    """`PeftModel.from_pretrained` needs nothing of ours."""
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    base = AutoModelForImageTextToText.from_pretrained(loading.TINY, dtype=torch.float32)
    assert PeftModel.from_pretrained(base, trained).peft_config["default"].r == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max_length", "1024"], r"max_length: 1024 would cut image tokens; set it to null and lower max_pixels"),
        (["--packing", "true"], r"packing: true"),
        (["--padding_free", "true"], r"padding_free: true"),
        (["--completion_only_loss", "false"], r"completion_only_loss: false trains on the question"),
        (["--assistant_only_loss", "true"], r"assistant_only_loss: true finds no answers"),
        (["--learning_rate", "0"], r"learning_rate: 0.0 trains nothing"),
        (["--num_train_epochs", "0"], r"num_train_epochs: 0.0 trains nothing"),
        (["--limit", "0"], r"limit: 0 leaves nothing"),
        (["--per_device_train_batch_size", "0"], r"per_device_train_batch_size: 0 leaves nothing"),
        (["--gradient_accumulation_steps", "0"], r"gradient_accumulation_steps: 0 leaves nothing"),
        (["--dataset_streaming", "true"], r"max_steps: is not set, and a stream has no length"),
        (["--max_pixels", "100"], r"max_pixels: 100 is less than one image token; give at least 784 \(28 × 28\)"),
        (["--min_pixels", "9000", "--max_pixels", "8000"], r"min_pixels: 9000 is above max_pixels, 8000"),
        (["--load_in_4bit", "true"], r"load_in_4bit: needs a CUDA GPU and bitsandbytes .* no CUDA GPU here"),
        (["--lora_modules_to_save", "norm"], r"would be trained whole; leave out lora_modules_to_save"),
        (["--lora_r", "0"], r"`?r`? should be a positive integer"),
        (["--attn_implementation", "flash_attention_2"], r"tiny: the model cannot be loaded .*[Ff]lash"),
        (["--dataset_config", "sft", "--tasks", "verdict"], r"tasks: verdict: the configuration sft brings its own"),
        (["--tasks", "poem"], r"tasks: poem: choose anomalies"),
        (["--lora_target_modules", "gate_proj", "up_proj"], r"vision tower .*use a regex on language_model"),
        (["--lora_target_modules", "no_such_proj"], r"Target modules no_such_proj not found .*; change that setting"),
    ],
)
def test_settings_that_train_nothing_or_everything_are_refused(
    options: list[str], message: str, dataset: Path, tmp_path: Path
) -> None:
    """Each is named with its value and the setting that mends it, before anything is written."""
    with pytest.raises((InputError, UnavailableError), match=message):
        sft.main(["--config", "tiny", "--dataset_name", str(dataset), "--output_dir", str(tmp_path / "out"), *options])
    assert not (tmp_path / "out" / "adapter_config.json").exists()


def test_trackio_is_named_where_it_is_missing(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a logging choice that no extra brings; the package is named before anything is loaded."""
    monkeypatch.setattr("trainer.running.find_spec", lambda name: None)
    options = [
        "--config",
        "tiny",
        "--dataset_name",
        str(dataset),
        "--output_dir",
        str(tmp_path),
        "--report_to",
        "trackio",
    ]
    with pytest.raises(UnavailableError, match=r"report_to: trackio needs a package .*; run pip install trackio"):
        sft.main(options)


def test_a_recipe_s_unknown_key_is_named(tmp_path: Path) -> None:
    """A misspelt key is told instead of being passed over."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model_name_or_path: tiny\nlearning_rat: 1.0e-3\nbf16: false\n")
    with pytest.raises(InputError, match="learning_rat"):
        sft.parse(["--config", str(recipe)])
    with pytest.raises(
        InputError, match="give a YAML file or one of: anomreasonor_3b, anomreasonor_7b, qwen3vl_8b, tiny"
    ):
        sft.parse(["--config", "huge"])
    with pytest.raises(InputError, match=r"--learning_rate.*: invalid float value: 'fast'"):
        sft.parse(["--config", "tiny", "--learning_rate", "fast"])


def test_shipped_recipes_are_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`trainer/configs/tiny.yaml` and `tiny` mean the shipped recipe wherever the command is run."""
    monkeypatch.chdir(tmp_path)
    for name in ("trainer/configs/tiny.yaml", "tiny"):
        script, training, model = sft.parse(["--config", name, "--learning_rate", "0.5"])
        assert (script.dataset_name, training.learning_rate, model.model_name_or_path) == ("anomreason", 0.5, "tiny")


def test_a_base_model_or_dataset_out_of_reach_is_named(dataset: Path, tmp_path: Path) -> None:
    """The message names what was asked for and what can be given instead."""
    with pytest.raises(UnavailableError, match="nobody/nothing"):
        sft.main(
            [
                "--config",
                "tiny",
                "--dataset_name",
                str(dataset),
                "--model_name_or_path",
                "nobody/nothing",
                "--output_dir",
                str(tmp_path),
            ]
        )
    with pytest.raises(InputError, match="not-there"):
        sft.main(["--config", "tiny", "--dataset_name", str(tmp_path / "not-there"), "--output_dir", str(tmp_path)])


def test_a_conversation_is_an_example_for_every_answer(official: Path, tmp_path: Path) -> None:
    """Of the configuration `sft` each turn of the assistant is learned, with the turns before it as its prompt."""
    script = DataArguments(dataset_name=str(official), dataset_config="sft")
    rows = training_rows(script)
    examples = training_examples(script, rows, loading.load_processor("tiny").image_processor)
    answers = [turn for row in rows for turn in row["prompt"] + row["completion"] if turn["role"] == "assistant"]
    assert len(examples) == len(answers) >= len(rows)
    for example in examples:
        assert [turn["role"] for turn in example["completion"]] == ["assistant"]
        assert example["prompt"][-1]["role"] == "user"
        assert len(example["images"]) == 1


def test_a_picture_nobody_looked_at_is_not_one_with_nothing_wrong(official: Path) -> None:
    """A generated picture without annotation is asked for its verdict alone."""
    from trainer.asked import questions

    tasks = ["anomalies", "verdict"]
    assert questions({"label": 1, "anomalies": None}, tasks) == ["verdict"]
    assert questions({"label": 1, "anomalies": []}, tasks) == tasks
    assert questions({"label": 0, "anomalies": None}, tasks) == tasks


def test_a_limit_is_spread_over_the_split(official: Path) -> None:
    """A build has all generated pictures first; ten of it are of both classes."""
    rows = training_rows(DataArguments(dataset_name=str(official), dataset_config="deepfake", limit=10))
    assert len(rows) == 10
    assert set(rows["label"]) == {0, 1}


@pytest.mark.parametrize("configuration", ["deepfake", "sft"])
def test_pictures_to_examine_are_held_out_of_training(configuration: str, official: Path) -> None:
    """The same ones every time, none of them trained on; and a split that shares pictures with it is refused."""
    script = DataArguments(dataset_name=str(official), dataset_config=configuration)
    rows = training_rows(script)
    left, sample = evaluation_sample(script, 5, rows)
    again = evaluation_sample(script, 5, rows)[1]
    assert len(left) == len(rows) - 5
    assert sample.references == again.references

    def pixels(images: Any) -> set[bytes]:
        return {image.tobytes() for image in images}

    trained = pixels(row["images"][0] if "images" in row else row["image"] for row in left)
    assert len(trained & pixels(sample.picture(index) for index in range(5))) == 0
    script.dataset_test_split = "train"
    with pytest.raises(InputError, match=r"of its pictures are trained on as well.*leave it out"):
        evaluation_sample(script, 5, rows)


def test_a_dataset_without_the_columns_is_refused(tmp_path: Path) -> None:
    """The missing ones are named."""
    (tmp_path / "data.jsonl").write_text('{"image_id": "a.png", "label": 1}\n')
    with pytest.raises(InputError, match="lacks the columns anomalies, image; build it with"):
        training_rows(DataArguments(dataset_name=str(tmp_path)))


def test_a_gated_model_without_a_token_says_how_to_get_in() -> None:
    """What the Hub's refusal means for the person at the keyboard."""
    refusal = OSError(
        "You are trying to access a gated repo.\nMake sure to have access to it at https://huggingface.co/a/b."
    )
    assert loading.unreachable("a/b", refusal) == (
        "a/b: is gated; accept its conditions on its page, then log in with `hf auth login` or set HF_TOKEN"
    )


def test_push_to_hub_publishes_the_adapter(dataset: Path, hub_client: HubClient, tmp_path: Path) -> None:
    """As a user would, against a Hub on loopback: a card with the base's id; no checkpoint, pickle or path of this machine."""
    line = arguments(dataset, tmp_path / "out", max_steps=2, save_strategy="steps", save_steps=1)
    line += ["--push_to_hub", "true", "--hub_model_id", "org/adapter", "--base_id", "org/tiny"]
    done = hub_client.run("train", *line, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    files = hub_client.hub.repositories["model", "org/adapter"].files
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md", "processor_config.json"} <= files.keys()
    assert {"tokenizer.json", "chat_template.jinja", "training.json", "assets/loss.png"} <= files.keys()
    assert not [name for name in files if "checkpoint" in name or name.endswith((".bin", ".pt", ".pth"))]
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "org/tiny"
    assert b"base_model: org/tiny" in files["README.md"]
    for name, content in files.items():
        for path in (tmp_path, dataset.parent, ROOT):
            assert str(path).encode() not in content, name
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hub_model_id": "org/adapter"}, r"push_to_hub: true, but tiny is only on this machine.* as base_id"),
        ({"base_id": "org/tiny"}, r"hub_model_id: .*write ORG/NAME"),
        ({"hub_model_id": "org/a", "base_id": "tiny"}, r"base_id: .*tiny.*write ORG/NAME"),
        ({"hub_model_id": "org/a", "base_id": "org/tiny"}, r"HF_TOKEN is not set"),
        ({"hub_model_id": "org/a", "base_id": "org/tiny", "hub_token": "hf_x"}, r"hub_token: a token in a recipe"),
    ],
)
def test_a_push_that_could_only_fail_is_refused_before_training(
    options: dict[str, str], message: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after hours; and no secret stands in an error."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(InputError, match=message) as told:
        train_tiny(dataset, tmp_path / "out", push_to_hub=True, **options)
    assert "hf_x" not in str(told.value)
    assert not (tmp_path / "out").exists()
