"""The official conversation JSON (LLaVA style), for trainers that read it.

    {"image": "1_fake/cup.jpg", "id": "1_fake_cup.jpg_anomaly_only_01", "conversations": [{"from": "human", "value": …}, …]}

It is written from the same rows as the configuration `sft`, with the official builder's options, and with boxes in pixels of
the upright picture by the recipe `grounded`: a trainer that reads it has to bring them to the pixels that its model sees. Two of
its habits are not kept unless asked for: ten copies of each picture with the same answer, and no picture without anomalies.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dataset_builder import atomic
from dataset_builder.building.sft import RECIPES, Recipe, check_boxes, has_boxes, is_complete
from dataset_builder.errors import InputError
from dataset_builder.prompts import ANOMALY_QUESTIONS, CREDIBILITY_QUESTIONS, OFFICIAL_FORMAT, PROMPTS, draw
from dataset_builder.schema import Anomaly
from dataset_builder.sources.rows import Row
from dataset_builder.textform import write_answer, write_official_text

__all__ = ["ImageToken", "conversations", "write_llava", "write_metadata"]

_FOLDERS: dict[str, str] = {"fake": "1_fake", "real": "0_real"}

ImageToken = Literal["prefix", "suffix", "random"]


def conversations(
    rows: Iterable[Row],
    recipe: Recipe = "authenticity_reasoning",
    *,
    fake_copies: int = 1,
    real_copies: int = 1,
    seed: int = 42,
    shuffle_anomalies: bool = False,
    shuffle_output: bool = True,
    image_token: ImageToken = "random",
    image_extension: str | None = None,
    sentences: bool = False,
) -> list[dict[str, Any]]:
    """The samples of a recipe.

    Args:
        rows (iterable of `Row`): annotated generated pictures, and real ones.
        recipe (`str`): `anomaly_only`, one turn; `authenticity_reasoning`, the verdict and then the reasons; `grounded`, one
            turn, whose answer is a JSON list with a box to each anomaly.
        fake_copies, real_copies (`int`, defaults to 1): samples of each picture, each with another wording. 10 is the official
            builder's number.
        seed (`int`, defaults to 42): wordings, order and token places depend on it and on nothing else.
        shuffle_anomalies (`bool`): whether each sample lists its anomalies in an order of its own.
        shuffle_output (`bool`): whether samples come in another order than the rows.
        image_token (`str`): the position of `<image>` in the first question: `prefix`, `suffix` or `random`.
        image_extension (`str`, *optional*): is written instead of each picture's own, for pictures converted elsewhere.
        sentences (`bool`): whether the verdict is a short sentence instead of `Yes` or `No`.

    Raises:
        InputError: for an unknown recipe, fewer than one copy, or `grounded` without a box anywhere.
    """
    if recipe not in RECIPES:
        raise InputError(f"recipe {recipe!r}: is not known; choose {' or '.join(RECIPES)}")
    if min(fake_copies, real_copies) < 1:
        raise InputError(f"copies {min(fake_copies, real_copies)}: at least one is needed")
    rows = list(rows)
    check_boxes(rows, recipe)
    rows = [row for row in rows if is_complete(row) and (recipe != "grounded" or has_boxes(row))]
    asked = [(row, copy) for row in rows for copy in range(fake_copies if row.label == "fake" else real_copies)]
    anomalies, credible = (draw(pool, len(asked), seed) for pool in (ANOMALY_QUESTIONS, CREDIBILITY_QUESTIONS))
    samples = []
    for (row, copy), question, why in zip(asked, anomalies, credible, strict=True):
        image = f"{_FOLDERS[row.label]}/{row.image_id}"
        if image_extension:
            image = f"{image.rpartition('.')[0] or image}.{image_extension.lstrip('.')}"
        name = f"{recipe}_{row.label}" if recipe == "authenticity_reasoning" else recipe
        identity = f"{image.replace('/', '_')}_{name}_{copy + 1:02d}"
        found = list(row.anomalies or [])
        if shuffle_anomalies:
            found.sort(key=lambda anomaly: _place(seed, f"{identity}:{_key(anomaly)}"))
        turns = [(f"{question}\n\n{OFFICIAL_FORMAT}", write_official_text(found))]
        if recipe == "grounded":
            turns = [(PROMPTS["grounded"], write_answer(found, boxes=True))]
        elif recipe == "authenticity_reasoning":
            # Half of the real pictures are asked what makes them credible, half what is wrong with them: nothing.
            if row.caption and _place(seed, identity)[1] % 2 == 0:
                turns = [(why, row.caption)]
            turns.insert(0, (PROMPTS["verdict"], _verdict(row, sentences)))
        before = image_token == "prefix" or (image_token == "random" and _place(seed, identity)[0] % 2 == 0)
        first = f"<image>\n{turns[0][0]}" if before else f"{turns[0][0]}\n<image>"
        turns[0] = (first, turns[0][1])
        spoken = [
            {"from": who, "value": text} for turn in turns for who, text in zip(("human", "gpt"), turn, strict=True)
        ]
        samples.append({"image": image, "id": identity, "conversations": spoken})
    if shuffle_output:
        samples.sort(key=lambda sample: _place(seed, str(sample["id"])))
    return samples


def _place(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}:{text}".encode()).digest()


def _key(anomaly: Anomaly) -> str:
    return f"{anomaly.name}:{anomaly.phenomenon}"


def _verdict(row: Row, sentences: bool) -> str:
    fake = row.label == "fake"
    if not sentences:
        return "Yes" if fake else "No"
    return "Yes, an image generator made this picture." if fake else "No, this picture is a photograph."


def write_llava(path: Path, samples: list[dict[str, Any]]) -> Path:
    """Write samples as a JSON list, or one object per line if the name ends in `.jsonl`; whole or not at all."""
    if path.suffix == ".jsonl":
        return atomic.write(path, "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples))
    return atomic.write(path, json.dumps(samples, indent=2, ensure_ascii=False))


def write_metadata(
    path: Path,
    out: Path,
    seen: Iterable[Row],
    used: Iterable[Row],
    samples: list[dict[str, Any]],
    config: dict[str, Any],
) -> Path:
    """Write what the official builder writes next to its output: how many pictures were seen and used, and the options."""
    report: dict[str, Any] = {"recipe": config["recipe"], "seed": config["seed"]}
    all_labels, used_labels = ([row.label for row in rows] for rows in (seen, used))
    for label in ("fake", "real"):
        there, taken = all_labels.count(label), used_labels.count(label)
        created = sum(sample["image"].startswith(_FOLDERS[label]) for sample in samples)
        report |= {
            f"{label}_images_seen": there,
            f"{label}_images_used": taken,
            f"{label}_images_skipped": there - taken,
            f"{label}_entries_created": created,
        }
    content = {
        "report": report | {"total_entries": len(samples)},
        "config": config,
        "output_path": str(out),
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return atomic.write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
