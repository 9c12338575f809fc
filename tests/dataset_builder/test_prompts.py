"""Prompts: the same token ids in training and in inference, and the release's ten wordings."""

from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from dataset_builder import PROMPTS, Anomaly, chat, parse_answer, prompts, write_answer, write_official_text

MODEL = Path(__file__).resolve().parents[2] / "trainer" / "tiny" / "model"


@pytest.fixture(scope="module")
def processor() -> Any:
    """The shipped processor with Qwen2.5-VL's own chat template, as TRL ships it."""
    # Imported here: collecting the tests should not take the seconds that these need.
    import trl
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(MODEL)
    template = Path(trl.__file__).parent / "chat_templates" / "qwen2_5_vl.jinja"
    processor.chat_template = template.read_text(encoding="utf-8")
    return processor


@pytest.mark.parametrize("task", get_args(prompts.Task))
def test_training_and_inference_build_the_same_prompt(processor: Any, task: prompts.Task) -> None:
    """TRL's collator and the inference call give identical token ids up to the answer, which alone carries the loss."""
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    image = Image.new("RGB", (168, 168), "teal")
    answer = "Yes" if task == "verdict" else write_answer([Anomaly(name="Cup", phenomenon="It hovers.", severity=10)])
    row = {
        "images": [image],
        "prompt": [{"role": "user", "content": PROMPTS[task]}],
        "completion": [{"role": "assistant", "content": answer}],
    }
    trained = DataCollatorForVisionLanguageModeling(processor, max_length=None, completion_only_loss=True)([row])
    messages = chat(task)
    messages[0]["content"][0]["image"] = image
    asked = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    prompt_ids = asked["input_ids"][0].tolist()
    ids = trained["input_ids"][0].tolist()
    assert ids[: len(prompt_ids)] == prompt_ids
    assert trained["labels"][0].tolist() == [-100] * len(prompt_ids) + ids[len(prompt_ids) :]
    assert processor.tokenizer.decode(ids[len(prompt_ids) :]).startswith(answer)
    assert (trained["pixel_values"] == asked["pixel_values"]).all()


def test_answered_chat_continues_the_question() -> None:
    """With an answer the conversation has the assistant's turn, and is otherwise the same."""
    assert chat("verdict", "Yes")[:1] == chat("verdict")
    assert chat("verdict", "Yes")[1] == {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]}


@pytest.mark.parametrize("pool", [prompts.ANOMALY_QUESTIONS, prompts.CREDIBILITY_QUESTIONS])
def test_ten_wordings_in_shuffled_rounds(pool: tuple[str, ...]) -> None:
    """Every round asks all ten once, each round in another order, the same for the same seed."""
    assert len(set(pool)) == 10
    drawn = prompts.draw(pool, 35, seed=42)
    rounds = [drawn[i : i + 10] for i in range(0, 30, 10)]
    assert all(sorted(round_) == sorted(pool) for round_ in rounds)
    assert rounds[0] != rounds[1]
    assert drawn == prompts.draw(pool, 35, seed=42)
    assert drawn != prompts.draw(pool, 35, seed=43)
    assert drawn[:7] == prompts.draw(pool, 7, seed=42)
    assert prompts.draw(pool, 0, seed=42) == []


def test_official_format_asks_for_what_is_written_and_read() -> None:
    """The format, filled in, reads as one anomaly, in the lines that `write_official_text` writes; unfilled, it is none."""
    filled = prompts.OFFICIAL_FORMAT
    for blank, value in (
        ("a short name", "Floating cup"),
        ("what is wrong", "The cup hovers."),
        ("why it cannot be", "Cups fall."),
        ("0 (completely irrational) to 100 (completely realistic)", "25/100"),
    ):
        assert blank in filled
        filled = filled.replace(blank, value)
    (example,) = parse_answer(filled).anomalies
    assert (example.name, example.phenomenon, example.reasoning) == ("Floating cup", "The cup hovers.", "Cups fall.")
    assert parse_answer(prompts.OFFICIAL_FORMAT).status == "failed"
    labels = [line.split(":")[0] for line in write_official_text([example]).splitlines()]
    assert all(f"{label}: " in prompts.OFFICIAL_FORMAT for label in labels)
    assert write_official_text([]) in prompts.OFFICIAL_FORMAT
