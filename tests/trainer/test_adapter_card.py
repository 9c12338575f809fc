"""An adapter's card: generated from its files, readable by the Hub, and harmless whatever stands in them."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from dataset_builder.errors import InputError
from tests.adapters import RECORD
from trainer.adapter_card import check_card, write_card

NUMBERS = {
    "SemAP_Full": 0.41,
    "SemAP_Full_low": 0.3,
    "SemAP_Full_high": 0.5,
    "chance_SemAP_Full": 0.1,
    "SemF1_Full": 0.4,
    "SemAP_Rea": None,
    "false_alarms": 3,
    "clean_images": 20,
    "failed_images": 1,
    "signature": "semap:1.0|enc:minilm|n:40",
}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter's directory as far as its card is concerned."""
    config = {"base_model_name_or_path": "org/base", "r": 8, "lora_alpha": 16, "lora_dropout": 0.0}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    return tmp_path


def scored(adapter: Path, **results: object) -> None:
    (adapter / "metrics.json").write_text(json.dumps({"configuration": "default", "results": results}))


def test_the_card_says_base_data_scores_and_training(adapter: Path) -> None:
    """Front matter as the Hub reads it, a model-index with values and intervals, the training table, the loss curve."""
    scored(adapter, preds=NUMBERS)
    write_card(adapter, RECORD, repo_id="org/my-adapter")
    check_card(adapter)
    card = ModelCard.load(adapter / "README.md")
    data = card.data.to_dict()
    assert (data["base_model"], data["library_name"], data["datasets"]) == ("org/base", "peft", ["anomreason"])
    assert data["metrics"] == ["semap"]
    results = {result.metric_name: result for result in card.data.eval_results}
    assert results["SemAP_Full"].metric_value == 0.41
    assert results["SemAP_Full"].metric_args == {"interval_95": [0.3, 0.5], "signature": NUMBERS["signature"]}
    assert results.keys() == {"SemAP_Full", "SemF1_Full"}
    assert "| SemAP_Full | 0.4100 | 0.3000 – 0.5000 | 0.1000 |" in card.text
    assert "reported on 3 of 20 clean pictures" in card.text
    assert "| learning rate | 0.002 |" in card.text
    assert 'PeftModel.from_pretrained(base, "org/my-adapter")' in card.text
    assert "vllm serve org/base --enable-lora --max-lora-rank 8 --lora-modules anomreason=org/my-adapter" in card.text
    with Image.open(adapter / "assets" / "loss.png") as curve:
        assert curve.format == "PNG"


def test_without_scores_or_training_the_card_says_so(adapter: Path) -> None:
    """Nothing is claimed that no file says."""
    write_card(adapter)
    card = ModelCard.load(adapter / "README.md")
    assert "model-index" not in card.data.to_dict()
    assert "No scores were given" in card.text
    assert "nothing else is recorded" in card.text
    assert not (adapter / "assets").exists()


def test_a_text_of_one_s_own_is_kept(adapter: Path) -> None:
    """Publishing a card that somebody wrote changes where it belongs in its front matter, and not a word of its text."""
    (adapter / "README.md").write_text("---\nlicense: mit\nbase_model: tiny\n---\n# Mine\n\nMy words.\n")
    write_card(adapter, repo_id="org/mine")
    check_card(adapter)
    card = ModelCard.load(adapter / "README.md")
    assert "My words." in card.text
    assert "LoRA adapter" not in card.text
    assert (card.data.to_dict()["license"], card.data.to_dict()["base_model"]) == ("mit", "org/base")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", '{"results": {"a": {}, "b": {}}}', "does not hold the scores of exactly one prediction file"),
        ("metrics.json", "[", "cannot be read"),
        ("training.json", "[]", "is not a JSON object"),
        ("training.json", '{"steps": 3}', "is not what training writes"),
    ],
)
def test_files_that_are_something_else_are_refused(name: str, content: str, message: str, adapter: Path) -> None:
    """The message names the file; no card is written from half of what it needs."""
    (adapter / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name}.* {message}"):
        write_card(adapter)
    assert not (adapter / "README.md").exists()


def test_text_from_outside_cannot_speak_in_the_card(adapter: Path) -> None:
    """Markup in a dataset's name or a signature stays text."""
    hostile = "<script>alert(1)</script>|`x`\n# Heading"
    scored(adapter, preds=NUMBERS | {"signature": hostile})
    write_card(adapter, RECORD | {"dataset": RECORD["dataset"] | {"name": hostile}, "device": hostile})
    text = ModelCard.load(adapter / "README.md").text
    assert "<script>" not in text
    assert "\n# Heading" not in text


def test_a_base_without_a_hub_id_does_not_pass_the_check(adapter: Path) -> None:
    """A card that nobody could follow to its base is not published."""
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "tiny", "r": 8}')
    write_card(adapter)
    with pytest.raises(InputError, match=r"'tiny' is not a Hub id; give --base-id"):
        check_card(adapter)
