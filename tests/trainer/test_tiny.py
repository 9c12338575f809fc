"""The shipped tiny model: small, plain to load, able to see its families; `test_merge.py` serves it like any other model."""

import random
from typing import Any

import pytest
import torch

from dataset_builder.predictions import Prediction
from dataset_builder.prompts import chat
from dataset_builder.scenes import TRAINED, pair
from dataset_builder.scenes.world import COLOURS, KINDS
from dataset_builder.textform import parse_answer, write_answer
from trainer.loading import TINY, load
from trainer.predict import predict
from trainer.tiny.evaluate import evaluate_scenes, score, text_scores
from trainer.tiny.questions import question
from trainer.tiny.train import ASKED, Samples, Told, Trainee


def test_the_weights_are_small_and_load_through_plain_transformers() -> None:
    """At most 12 MB, at most 6 M parameters, no code of ours needed."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    assert sum(path.stat().st_size for path in TINY.iterdir()) <= 12_000_000
    model = AutoModelForImageTextToText.from_pretrained(TINY)
    processor = AutoProcessor.from_pretrained(TINY)
    assert type(model).__name__ == "Qwen2_5_VLForConditionalGeneration"
    assert sum(parameter.numel() for parameter in model.parameters()) <= 6_000_000
    text = processor.apply_chat_template(chat("anomalies"), tokenize=False, add_generation_prompt=True)
    inputs = processor(images=[pair(0, 0)[0].image], text=[text], return_tensors="pt")
    assert (inputs.input_ids == model.config.image_token_id).sum() == 36


def test_it_names_what_it_sees_on_fresh_scenes() -> None:
    """On 120 scenes of a seed used for nothing else, and their twins: what its card claims, with room for so few pictures."""
    pictures = [picture for index in range(120) for picture in pair(4_242, index, TRAINED)]
    rows = [picture.row for picture in pictures]
    named = [(picture.row.image_id, picture.image) for picture in pictures]
    answers = list(predict(named, *load("tiny"), batch_size=32))
    scores = score(rows, answers) | text_scores(rows, answers)
    assert scores["parseable"] == 1.0
    assert scores["micro_f1"] >= 0.90
    assert min(scores["family_f1"].values()) >= 0.60
    assert scores["false_alarms"][0] <= 3
    assert scores["object"][0] >= 0.8 * scores["object"][1]
    assert scores["severity_mae"] <= 10
    for name in ("SemAP_Full", "SemF1_Full"):  # strict, one answer in 256 has the renderer's very words
        assert scores["answers"][name] > scores["wrong_object"][name]
        assert scores["answers"][name] > 2 * scores["chance"][name]


def test_boxes_are_scored_beside_the_rest() -> None:
    """On a few scenes; by chance the small boxes hardly meet."""
    scores = evaluate_scenes("tiny", None, scenes=8, seed=4_242)
    assert scores["mean_iou"] > 0.2
    assert {"micro_f1", "answers", "chance"} <= scores.keys()


def test_text_scores_of_the_truth_and_of_the_wrong_thing() -> None:
    """The truth scores 1 and beats what is said of other pictures; of the wrong thing, the same sentences score 0 when strict."""
    rows = [picture.row for index in range(20) for picture in pair(12, index)]
    status: list[Any] = ["anomalies" if row.anomalies else "none" for row in rows]
    truth = [
        Prediction(image_id=row.image_id, status=one, anomalies=list(row.anomalies))
        for row, one in zip(rows, status, strict=True)
    ]
    scores = text_scores(rows, truth)
    assert set(scores["answers"].values()) == {1.0}
    for name, value in scores["wrong_object"].items():
        assert scores["chance"][name] < 0.2
        assert value == 0 if name.endswith("_strict") else value > 0.9


def test_training_s_fast_paths_are_the_model_s_own_mathematics() -> None:
    """Loss and image tokens computed in training equal those of the unmodified model on the processor's inputs."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(TINY)
    plain = AutoModelForImageTextToText.from_pretrained(TINY, dtype=torch.float32).eval()
    trainee = Trainee(AutoModelForImageTextToText.from_pretrained(TINY, dtype=torch.float32).eval(), processor)
    task, samples = next(iter(Samples(processor, 0, 0, "anomalies")))
    samples = [
        sample._replace(answer=Told(sample.answer.tokens, [1.0] * len(sample.answer.tokens))) for sample in samples[:4]
    ]
    with torch.no_grad():
        tokens, _ = trainee.see(samples)
        loss = trainee.answer_loss(task, samples, tokens)
        total, count = 0.0, 0
        prompt = processor.apply_chat_template(chat(task), tokenize=False, add_generation_prompt=True)
        for row, sample in enumerate(samples):
            inputs = processor(images=[sample.pixels], text=[prompt], return_tensors="pt")
            features = plain.model.get_image_features(inputs.pixel_values, inputs.image_grid_thw).pooler_output[0]
            torch.testing.assert_close(tokens[row], features, atol=2e-3, rtol=1e-3)
            answer = torch.tensor([sample.answer.tokens])
            ids = torch.cat([inputs.input_ids, answer], 1)
            kinds = torch.cat([inputs.mm_token_type_ids, torch.zeros_like(answer)], 1)
            logits = plain(
                input_ids=ids,
                pixel_values=inputs.pixel_values,
                image_grid_thw=inputs.image_grid_thw,
                mm_token_type_ids=kinds,
            ).logits[0, inputs.input_ids.shape[1] - 1 : -1]
            total += torch.nn.functional.cross_entropy(logits, answer[0], reduction="sum").item()
            count += answer.numel()
    assert loss.item() == pytest.approx(total / count, rel=2e-3)


def test_questions_are_turns_of_one_conversation_in_the_chat_template() -> None:
    """Picture, questions and answers are tokenized as the chat template would write them; only the answers count."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(TINY)
    trainee = Trainee(AutoModelForImageTextToText.from_pretrained(TINY), processor)
    _, samples = next(iter(Samples(processor, 0, 0, "anomalies")))
    for told in (sample.questions for sample in samples[:ASKED]):
        text = processor.tokenizer.decode([*trainee.picture_alone.ids, *told.tokens])
        turns = text.split("<|im_start|>")[2:]
        messages = [
            {"role": role, "content": said.removesuffix("\n").removesuffix("<|im_end|>")}
            for role, said in (turn.split("\n", 1) for turn in turns)
        ]
        assert len(messages) == 6
        assert processor.tokenizer.apply_chat_template(messages, tokenize=False).removesuffix("\n") == text
        counted = [token for token, weight in zip(told.tokens, told.weights, strict=True) if weight]
        answers = [message["content"] + "<|im_end|>" for message in messages[1::2]]
        assert processor.tokenizer.decode(counted) == "".join(answers)


def test_answers_to_questions_are_what_fits() -> None:
    """Read from the words alone: the things of the scene whose colour and kind are asked for, from left to right."""
    rng = random.Random(0)
    empty = 0
    for picture in (picture for index in range(100) for picture in pair(11, index)):
        asked, answer = question(picture, rng)
        words = set(asked.removeprefix("List every ").removesuffix(".").split())
        colours, kinds = words & set(COLOURS), words & set(KINDS)
        assert words - colours - kinds <= {"or", "thing"}
        fitting = [
            thing.object
            for thing in sorted(picture.scene.things, key=lambda thing: thing.x)
            if thing.colour in (colours or COLOURS) and thing.kind in (kinds or KINDS)
        ]
        assert answer == (", ".join(fitting) or "nothing")
        empty += not fitting
    assert 40 < empty < 120


def test_the_tokenizer_writes_and_reads_every_answer() -> None:
    """An answer, and any other text, survives encoding and decoding."""
    from transformers import AutoProcessor

    tokenizer = AutoProcessor.from_pretrained(TINY).tokenizer
    anomalies = pair(0, 3)[0].row.anomalies
    answer = write_answer(anomalies, boxes=True)
    assert tokenizer.decode(tokenizer(answer).input_ids) == answer
    assert [anomaly.name for anomaly in parse_answer(answer).anomalies] == [anomaly.name for anomaly in anomalies]
    assert tokenizer.decode(tokenizer("Ünïcode 椅子 🪑").input_ids) == "Ünïcode 椅子 🪑"
