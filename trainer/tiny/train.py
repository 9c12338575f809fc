"""Trains the tiny base model from nothing: `python -m trainer.tiny.train --out DIR`.

1. The vision tower alone learns the renderer's dense labels (`trainer.tiny.dense`).
2. The whole model learns to answer: cross-entropy on the answer's tokens, those of the anomaly's name, of the object and of the
   severity weighted four times; the dense loss stays on. Tasks alternate by batch: anomalies, grounded, verdict. In every step
   the model is also asked what is there, right or wrong (`trainer.tiny.questions`), and it repeats random words (later in every
   fourth step only), so that it can write every token of its vocabulary. Without that, words that only the held-out families use
   stay at their random start, and a LoRA adapter, which leaves embeddings alone, cannot learn to write them.

Pictures are rendered as they are needed and never repeat; half of them are varied (`trainer.tiny.variation`). They come from
seeds from 1,000,000 on, which nothing else uses, so every other seed is unseen. A checkpoint is written every few hundred steps;
run again with the same `--out` to resume from it.

Speed on a CPU: all pictures have one size and all prompts of a task one length, so attention runs over whole batches and position
ids are computed once; the patch embedding runs as a matrix product (the convolution's stride is its kernel); short answers are not
padded to the length of long ones; bfloat16 where the processor computes with it, since elsewhere it takes three times as long;
attention as plain products, since PyTorch's fused one goes backward on a CPU at a third of their speed.
"""

import argparse
import random
import time
import types
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import rotate_half

from dataset_builder.prompts import PROMPTS, Task, chat
from dataset_builder.scenes import Picture, SceneAnomaly, clean, odd
from dataset_builder.textform import write_answer
from trainer.tiny.architecture import build_model, build_processor
from trainer.tiny.dense import DenseHeads, dense_labels
from trainer.tiny.optimizers import Optimizers
from trainer.tiny.questions import question
from trainer.tiny.tokenizer import SPECIAL_TOKENS, build_tokenizer
from trainer.tiny.variation import varied

FIRST_TRAINING_SEED = 1_000_000
BATCH = 32
CLEAN_SHARE = 0.35
TASKS: dict[Task, float] = {"anomalies": 0.65, "grounded": 0.25, "verdict": 0.1}
KEY_WEIGHT = 4.0
DENSE_WEIGHT, QUESTION_WEIGHT, COPY_WEIGHT = 0.5, 0.5, 0.5
ASKED, QUESTIONS = 16, 3  # pictures of a batch that questions are asked about, and how many of each
# Sequences of random tokens to repeat; they have one length, so that position alone finds the source.
COPIES, COPY_LENGTH = 32, 16
COPIED_ALWAYS, COPIED_SELDOM = 500, 4  # in every step until repeating is learned, in every fourth later
LENGTHS = (8, 85)  # tokens of an answer: up to 8 without an anomaly, up to 85 with one, more with two
BFLOAT16 = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
CHECKPOINT_STEPS = 200


class Told(NamedTuple):
    """What follows a prefix: its tokens, and how much each counts in the loss."""

    tokens: list[int]
    weights: list[float]


class Sample(NamedTuple):
    """A picture as the model sees it: pixels, dense labels, the answer to the batch's task, questions with their answers."""

    pixels: Tensor
    labels: Tensor
    answer: Told
    questions: Told


class Samples(torch.utils.data.IterableDataset[tuple[Task, list[Sample]]]):
    """Batches of freshly rendered pictures, each batch with its task; `start` is the first batch's number."""

    def __init__(self, processor: Qwen2_5_VLProcessor, seed: int, start: int, task: Task | None = None) -> None:
        self.processor, self.seed, self.start, self.task = processor, seed, start, task

    def __iter__(self) -> Iterator[tuple[Task, list[Sample]]]:
        batch = self.start
        while True:
            rng = random.Random(f"batch {self.seed} {batch}")
            task = self.task or rng.choices(list(TASKS), list(TASKS.values()))[0]
            samples = []
            for row in range(BATCH):
                render = clean if rng.random() < CLEAN_SHARE else odd
                picture = render(FIRST_TRAINING_SEED + self.seed, batch * BATCH + row)
                samples.append(self._sample(task, varied(picture, rng, turns=task != "grounded"), row < ASKED, rng))
            yield task, samples
            batch += 1

    def _sample(self, task: Task, picture: Picture, asked: bool, rng: random.Random) -> Sample:
        pixels = torch.from_numpy(np.asarray(picture.image).copy()).permute(2, 0, 1)
        answer = _answer(self.processor, task, picture.row.label, picture.row.anomalies)
        questions = _questions(self.processor, picture, rng) if asked else Told([], [])
        return Sample(pixels, dense_labels(picture), answer, questions)


def _answer(processor: Any, task: Task, label: str, anomalies: list[SceneAnomaly]) -> Told:
    if task == "verdict":
        text, keys = ("Yes" if label == "fake" else "No"), []
    else:
        text = write_answer(anomalies, boxes=task == "grounded")
        keys = [
            part
            for anomaly in anomalies
            for part in (f'"{anomaly.name}"', anomaly.object, f'"severity": {anomaly.severity}')
        ]
    encoded = processor.tokenizer(text + "<|im_end|>", return_offsets_mapping=True)
    spans, at = [], 0
    for key in keys:  # in the order of the text, so each search goes on where the last ended
        at = text.index(key, at)
        spans.append((at, at + len(key)))
    # Whether there is anything to report is decided at the first token.
    weights = [
        KEY_WEIGHT if index == 0 or any(start < b and end > a for a, b in spans) else 1.0
        for index, (start, end) in enumerate(encoded["offset_mapping"])
    ]
    return Told(encoded["input_ids"], weights)


def _questions(processor: Any, picture: Picture, rng: random.Random) -> Told:
    """Turns of one conversation, the first question right after the picture; only the answers count."""
    told = Told([], [])
    for turn in range(QUESTIONS):
        asked, answer = question(picture, rng)
        opening = "" if turn == 0 else "\n<|im_start|>user\n"
        before = processor.tokenizer(f"{opening}{asked}<|im_end|>\n<|im_start|>assistant\n").input_ids
        after = processor.tokenizer(f"{answer}<|im_end|>").input_ids
        told.tokens.extend(before + after)
        told.weights.extend([0.0] * len(before) + [1.0] * len(after))
    return told


class Prefix(NamedTuple):
    """What every conversation of a kind starts with: its token ids and their 3D positions."""

    ids: Tensor
    positions: Tensor
    next_position: int


class Trainee:
    """The model in training, with its dense heads and the fast paths that equal-sized pictures allow."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor) -> None:
        self.model, self.processor = model, processor
        self.heads = DenseHeads(model.config.text_config.hidden_size)
        visual = model.model.visual
        visual.patch_embed.forward = types.MethodType(_patch_embed, visual.patch_embed)
        for block in visual.blocks:
            block.attn.forward = types.MethodType(_equal_attention, block.attn)
        self.grid = visual.patch_embed.patch_size
        image = processor.image_processor
        self.mean = torch.tensor(image.image_mean).view(3, 1, 1)
        self.std = torch.tensor(image.image_std).view(3, 1, 1)
        prompts = {
            task: processor.apply_chat_template(chat(task), tokenize=False, add_generation_prompt=True)
            for task in TASKS
        }
        self.prefixes = {task: self._prefix(text) for task, text in prompts.items()}
        self.picture_alone = self._prefix(prompts["anomalies"].partition(PROMPTS["anomalies"])[0])

    def _prefix(self, text: str) -> Prefix:
        blank = np.zeros((168, 168, 3), dtype=np.uint8)
        inputs = self.processor(images=[blank], text=[text], return_tensors="pt")
        positions, _ = self.model.model.get_rope_index(
            inputs.input_ids, mm_token_type_ids=inputs.mm_token_type_ids, image_grid_thw=inputs.image_grid_thw
        )
        return Prefix(inputs.input_ids[0], positions[:, 0], int(positions.max()) + 1)

    def see(self, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        """The image tokens [batch, 36, width] of the pictures, and their dense loss."""
        pixels = (torch.stack([sample.pixels for sample in samples]) / 255 - self.mean) / self.std
        batch, _, side, _ = pixels.shape
        patch = self.grid
        cells = side // (2 * patch)
        # The processor's order: image tokens row by row, the four patches of a token together.
        patches = pixels.view(batch, 3, cells, 2, patch, cells, 2, patch).permute(0, 2, 5, 3, 6, 1, 4, 7)
        patches = patches.reshape(batch * 4 * cells * cells, 3, 1, patch, patch).expand(-1, -1, 2, -1, -1).flatten(1)
        grid = torch.tensor([[1, 2 * cells, 2 * cells]]).expand(batch, -1)
        tokens = self.model.model.visual(patches, grid_thw=grid).pooler_output.view(batch, cells * cells, -1)
        return tokens, self.heads(tokens, torch.stack([sample.labels for sample in samples]))

    def answer_loss(self, task: Task, samples: list[Sample], tokens: Tensor) -> Tensor:
        """Weighted cross-entropy of the answers, per unit of weight."""
        return self._loss(self.prefixes[task], [sample.answer for sample in samples], tokens)

    def question_loss(self, samples: list[Sample], tokens: Tensor) -> Tensor:
        """Cross-entropy of the answers to the questions about the first pictures of the batch."""
        return self._loss(self.picture_alone, [sample.questions for sample in samples[:ASKED]], tokens[:ASKED])

    def _loss(self, prefix: Prefix, told: list[Told], tokens: Tensor) -> Tensor:
        groups = defaultdict[int, list[int]](list)
        for row, one in enumerate(told):
            groups[sum(len(one.tokens) > length for length in LENGTHS)].append(row)
        sums = [self._summed_loss(prefix, [told[row] for row in rows], tokens[rows]) for rows in groups.values()]
        return torch.stack(sums).sum() / sum(sum(one.weights) for one in told)

    def _summed_loss(self, prefix: Prefix, told: list[Told], tokens: Tensor) -> Tensor:
        batch, longest = len(told), max(len(one.tokens) for one in told)
        answers = torch.zeros(batch, longest, dtype=torch.long)
        weights = torch.zeros(batch, longest)
        for row, one in enumerate(told):
            answers[row, : len(one.tokens)] = torch.tensor(one.tokens)
            weights[row, : len(one.tokens)] = torch.tensor(one.weights)
        language = self.model.model.language_model
        ids = torch.cat([prefix.ids.expand(batch, -1), answers[:, :-1]], 1)
        embeds = language.embed_tokens(ids)
        at = int((prefix.ids == self.model.config.image_token_id).nonzero()[0])
        embeds = torch.cat([embeds[:, :at], tokens.to(embeds.dtype), embeds[:, at + tokens.shape[1] :]], 1)
        later = torch.arange(longest - 1).expand(3, -1) + prefix.next_position
        positions = torch.cat([prefix.positions, later], 1)[:, None].expand(-1, batch, -1)
        # Answers are padded on the right, where causal attention never looks back from a real token.
        hidden = language(inputs_embeds=embeds, position_ids=positions, use_cache=False).last_hidden_state
        logits = self.model.lm_head(hidden[:, len(prefix.ids) - 1 :]).float()
        losses = F.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="none")
        return (losses * weights.flatten()).sum()

    def copy_loss(self, step: int) -> Tensor:
        """Cross-entropy of repeating random tokens in a conversation without a picture; `step` seeds the tokens."""
        tokenizer = self.processor.tokenizer
        generator = torch.Generator().manual_seed(step)
        words = torch.randint(len(SPECIAL_TOKENS), len(tokenizer), (COPIES, COPY_LENGTH), generator=generator)

        def fixed(text: str) -> Tensor:
            return torch.tensor(tokenizer(text).input_ids).expand(COPIES, -1)

        ids = torch.cat([fixed("<|im_start|>user\n"), words, fixed("<|im_end|>\n<|im_start|>assistant\n"), words], 1)
        language = self.model.model.language_model
        positions = torch.arange(ids.shape[1] - 1).expand(3, COPIES, -1)
        hidden = language(input_ids=ids[:, :-1], position_ids=positions, use_cache=False).last_hidden_state
        logits = self.model.lm_head(hidden[:, -COPY_LENGTH:]).float()
        return F.cross_entropy(logits.flatten(0, 1), words.flatten())


def _patch_embed(self: Any, patches: Tensor) -> Tensor:
    return F.linear(patches, self.proj.weight.flatten(1))


def _equal_attention(self: Any, hidden: Tensor, cu_seqlens: Tensor, position_embeddings: Any, **_: Any) -> Tensor:
    """Qwen2.5-VL's vision attention for pictures of one size, all at once."""
    pictures = len(cu_seqlens) - 1
    length = hidden.shape[0] // pictures
    query, key, value = self.qkv(hidden).view(pictures, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    cos, sin = (table[:length] for table in position_embeddings)
    query = (query * cos + rotate_half(query) * sin).to(value.dtype)
    key = (key * cos + rotate_half(key) * sin).to(value.dtype)
    attended = F.scaled_dot_product_attention(query, key, value)
    attended = attended.transpose(1, 2).reshape(hidden.shape[0], -1)
    return F.linear(attended, self.proj.weight, self.proj.bias)


def train(out: Path, seed: int, vision_steps: int, answer_steps: int) -> None:
    """Train from nothing, or resume from the checkpoint in `out`, and save model and processor there."""
    out.mkdir(parents=True, exist_ok=True)
    processor = build_processor(build_tokenizer())
    trainee = Trainee(build_model(processor.tokenizer, seed).train(), processor)
    model = trainee.model
    checkpoint = out / "checkpoint.pt"
    state: dict[str, Any] = {"stage": 0, "step": 0, "seconds": 0.0}
    stages = [
        ("vision", vision_steps, Optimizers([model.model.visual, trainee.heads], 3e-3, vision_steps)),
        ("answers", answer_steps, Optimizers([model, trainee.heads], 2e-3, answer_steps)),
    ]
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        trainee.heads.load_state_dict(state["heads"])
        for optimizer, saved in zip(stages[state["stage"]][2].all, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    for stage, (name, steps, optimizers) in enumerate(stages):
        if stage < state["stage"]:
            continue
        first = state["step"] if stage == state["stage"] else 0
        offset = sum(steps for _, steps, _ in stages[:stage])  # no picture is seen twice
        samples = Samples(processor, seed, offset + first, "verdict" if stage == 0 else None)
        loader = iter(torch.utils.data.DataLoader(samples, batch_size=None, num_workers=1, prefetch_factor=8))
        started, seconds, losses = time.monotonic(), state["seconds"], defaultdict[str, list[float]](list)
        for step in range(first, steps):
            task, batch = next(loader)
            with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16), sdpa_kernel(SDPBackend.MATH):
                tokens, dense = trainee.see(batch)
                loss = dense
                if stage > 0:
                    answers = trainee.answer_loss(task, batch, tokens)
                    questions = trainee.question_loss(batch, tokens)
                    loss = answers + DENSE_WEIGHT * dense + QUESTION_WEIGHT * questions
                    told = {"questions": questions, task: answers}
                    if step < COPIED_ALWAYS or step % COPIED_SELDOM == 0:
                        told["copies"] = trainee.copy_loss(step)
                        loss = loss + COPY_WEIGHT * told["copies"]
                    for key, value in told.items():
                        losses[key].append(value.item())
                losses["dense"].append(dense.item())
            optimizers.step(loss, step)
            done = step + 1
            if done % 50 == 0 or done == steps:
                elapsed = seconds + time.monotonic() - started
                means = "  ".join(f"{key} {fmean(values):.3f}" for key, values in sorted(losses.items()))
                print(f"{name} {done}/{steps}  {means}  {elapsed:.0f} s", flush=True)
                losses.clear()
            if done % CHECKPOINT_STEPS == 0 or done == steps:
                state = {"stage": stage, "step": done, "seconds": seconds + time.monotonic() - started}
                saved = {"model": model.state_dict(), "heads": trainee.heads.state_dict()}
                saved["optimizers"] = [optimizer.state_dict() for optimizer in optimizers.all]
                torch.save(state | saved, checkpoint.with_suffix(".part"))
                checkpoint.with_suffix(".part").replace(checkpoint)
        del loader
    model.to(torch.bfloat16).save_pretrained(out / "model")
    processor.save_pretrained(out / "model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vision-steps", type=int, default=1400)
    parser.add_argument("--answer-steps", type=int, default=1000)
    arguments = parser.parse_args()
    train(arguments.out, arguments.seed, arguments.vision_steps, arguments.answer_steps)


if __name__ == "__main__":
    main()
