"""Batched prediction against one picture at a time: pictures a second, and whether the texts are the same.

    OMP_NUM_THREADS=1 python -m benchmarks.predict                         # the tiny model on rendered scenes
    python -m benchmarks.predict --model Qwen/Qwen2.5-VL-3B-Instruct --batch-size 16 --pictures 64
    python -m benchmarks.predict --model Qwen/Qwen2.5-VL-7B-Instruct --decode 1 16 64      # on a GPU, in bf16

(Started as a module: beside it lies a script that would hide the package `agent`.)

"One at a time" is what one writes without this package: a model as transformers loads it, the processor and `model.generate` for
each picture. "Batched" is `trainer.predict.predict`. Both run in fp32, greedily, on the same pictures, and take turns, so that
whatever else the machine does meets both; ratios are medians over the rounds. Where two texts differ, the logits are computed
again without a cache, and the lead of the chosen token over the other is told: below about 1e-4 the two are a tie that rounding
decides.

With `--decode`, only token steps are measured, at these batch sizes and in the type the model is used in: milliseconds per step and
tokens per second, ours and `generate`'s, beside the time of reading the weights once (`benchmarks.decoding`).

Last, the same pictures through the client for endpoints (`predict --base-url`) to a server on loopback that knows the answers: what
that path costs without a model.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from agent.direct import predict as predict_served
from agent.run import Endpoint
from agent.simulated import MODEL, serve
from benchmarks.decoding import decoding
from dataset_builder.prompts import chat
from dataset_builder.scenes import read_scenes, write_scenes
from dataset_builder.stored import StoredPictures
from trainer.answers import MAX_NEW_TOKENS
from trainer.decoding import ends
from trainer.loading import load, resolve
from trainer.predict import predict

Pictures = list[tuple[str, Image.Image]]


@torch.inference_mode()
def one_at_a_time(pictures: Pictures, model: Any, processor: Any) -> list[str]:
    prompt = processor.apply_chat_template(chat("anomalies"), tokenize=False, add_generation_prompt=True)
    answers = []
    for _, image in pictures:
        inputs = processor(images=[image], text=[prompt], return_tensors="pt").to(model.device)
        made = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        tokens = made[0, inputs["input_ids"].shape[1] :]
        answers.append(processor.tokenizer.decode(tokens, skip_special_tokens=True))
    return answers


def timed(work: Callable[[], list[str]]) -> tuple[float, float, list[str]]:
    """Seconds on the clock and of the processor, and the answers."""
    started, spent = time.perf_counter(), time.process_time()
    answers = work()
    return time.perf_counter() - started, time.process_time() - spent, answers


@torch.inference_mode()
def lead(image: Image.Image, one: str, other: str, model: Any, processor: Any) -> float:
    """By how much the likelier of the two tokens at which the texts part is ahead of the other, in logits."""
    prompt = processor.apply_chat_template(chat("anomalies"), tokenize=False, add_generation_prompt=True)
    stop = ends(model)[:1]
    first, second = (processor.tokenizer.encode(text, add_special_tokens=False) + stop for text in (one, other))
    at = next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    shared = processor.tokenizer.decode(first[:at])
    inputs = processor(images=[image], text=[prompt + shared], return_tensors="pt").to(model.device)
    logits = model(**inputs, logits_to_keep=1).logits[0, -1]
    return abs(float(logits[first[at]] - logits[second[at]]))


def served(scenes: Path, work: Path) -> float:
    """Pictures a second through the client for endpoints, with a journal on the disk."""
    names = [row.image_id for row in read_scenes(scenes)]
    pictures = StoredPictures.of({name: (scenes / "images" / name).read_bytes() for name in names})
    with serve(scenes) as base_url:
        started = time.perf_counter()
        predict_served(pictures, Endpoint(MODEL, base_url), work / "served.json")
        return len(names) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--pictures", type=int, default=768)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3, help="the pictures are divided among them")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument(
        "--decode", type=int, nargs="+", metavar="BATCH", help="measure token steps at these batch sizes"
    )
    arguments = parser.parse_args()
    if arguments.decode:
        with tempfile.TemporaryDirectory() as directory:
            scenes = write_scenes(Path(directory), 16, arguments.seed)
            images = [Image.open(scenes / "images" / row.image_id).convert("RGB") for row in read_scenes(scenes)]
            found = {"model": arguments.model} | decoding(*load(arguments.model), images, arguments.decode)
        json.dump(found, sys.stdout, indent=1)
        print()
        return
    with tempfile.TemporaryDirectory() as directory:
        scenes = write_scenes(Path(directory) / "scenes", arguments.pictures, arguments.seed)
        names = [row.image_id for row in read_scenes(scenes)]
        pictures: Pictures = [(name, Image.open(scenes / "images" / name).convert("RGB")) for name in names]
        model, processor = load(arguments.model, dtype=torch.float32)
        model.known = None  # one at a time asks about every picture, and so do we
        ratios, spent, alone, together, seconds = [], [], [], [], [0.0, 0.0]
        plain = AutoModelForImageTextToText.from_pretrained(resolve(arguments.model), dtype=torch.float32)
        plain = plain.to(model.device).eval()
        one_at_a_time(pictures[:2], plain, processor)  # what is slow only once
        for turn in range(arguments.rounds):
            part = pictures[turn :: arguments.rounds]
            slow, slow_cpu, texts = timed(lambda part=part: one_at_a_time(part, plain, processor))  # type: ignore[misc]
            alone += zip(part, texts, strict=True)
            fast, fast_cpu, texts = timed(
                lambda part=part: [  # type: ignore[misc]
                    str(answer.raw) for answer in predict(part, model, processor, batch_size=arguments.batch_size)
                ]
            )
            together += texts
            ratios.append(slow / fast)
            spent.append(slow_cpu / fast_cpu)
            seconds = [seconds[0] + slow, seconds[1] + fast]
        other = [
            (image, one, two)
            for ((_, image), one), two in zip(alone, together, strict=True)
            if one.strip() != two.strip()
        ]
        found = {
            "device": torch.cuda.get_device_name()
            if torch.cuda.is_available()
            else f"CPU, {torch.get_num_threads()} thread(s)",
            "model": arguments.model,
            "pictures": len(pictures),
            "batch size": arguments.batch_size,
            "one at a time, pictures a second": round(len(pictures) / seconds[0], 2),
            "batched, pictures a second": round(len(pictures) / seconds[1], 2),
            "ratio, median of rounds": round(statistics.median(ratios), 2),
            "ratio, all rounds": [round(ratio, 2) for ratio in ratios],
            "ratio of processor time, median": round(statistics.median(spent), 2),
            "same text": f"{len(pictures) - len(other)} of {len(pictures)}",
            "lead where texts part, logits": [round(lead(*one, plain, processor), 7) for one in other],
            "endpoint that answers at once, pictures a second": round(served(scenes, Path(directory)), 1),
        }
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
