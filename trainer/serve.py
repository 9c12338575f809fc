"""The command that serves a model or an adapter to many clients, so that its answers are those of `predict` on this machine.

A server of vLLM's or transformers' takes an adapter, but not the adapter's pixel budget: pictures would come in other sizes than in
training. So an adapter is merged first; the merged directory holds its processor, and a server reads the budget from there.
"""

import json
import math
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dataset_builder.errors import InputError, OutputError, UnavailableError
from trainer.families import check_family
from trainer.loading import base_of, processor_of, read_config, resolve
from trainer.merge import MERGED, merge, merged_from

__all__ = ["ENGINES", "Serving", "serving"]

ENGINES = ("vllm", "transformers")

_IMAGES = 5
"""Pictures in one request: AnomAgent sends up to four close views besides the picture itself."""
_TEXT = 8_192
"""Tokens of a request that are not pictures: AnomAgent's longest prompts and answers."""


@dataclass(frozen=True)
class Serving:
    """What has to be run, in this order, and what asks the server then.

    Attributes:
        adapter (`str`, *optional*): the adapter to merge, `None` if there is none or it is merged already.
        base (`str`): the base that the adapter names, or that was asked for.
        model (`str`): the place that is served: a directory or a Hub id.
        dtype (`str`): the type of the merged weights.
        command (`tuple[str, ...]`): the server.
        name, base_url (`str`): what clients call the model, and where they find it.
    """

    adapter: str | None
    base: str
    model: str
    dtype: str
    command: tuple[str, ...]
    name: str
    base_url: str

    def lines(self) -> list[str]:
        """The commands as they are typed into a shell."""
        merging = [
            "anomreason",
            "merge",
            self.adapter,
            "--out",
            self.model,
            "--model",
            self.base,
            "--dtype",
            self.dtype,
        ]
        first = [shlex.join(map(str, merging))] if self.adapter else []
        return [*first, shlex.join(self.command)]

    def prepare(self) -> None:
        """Merge the adapter, if that is still to be done.

        Raises:
            InputError, OutputError, UnavailableError: see `trainer.merge.merge`.
        """
        if self.adapter is not None:
            merge(self.adapter, Path(self.model), model=self.base, dtype=self.dtype)

    def run(self) -> None:
        """Merge the adapter where that is still to be done, and become the server.

        Raises:
            UnavailableError: if the server is not installed.
        """
        program, *rest = self.command
        beside = Path(sys.executable).with_name(program)
        found = str(beside) if beside.is_file() else shutil.which(program)
        if found is None:
            how = (
                "pip install vllm, in an environment of its own"
                if program == "vllm"
                else 'pip install "transformers[serving]"'
            )
            other = "; or give --engine transformers" if program == "vllm" else ""
            raise UnavailableError(f"{program}: is not installed ({how}){other}")
        self.prepare()
        sys.stdout.flush()
        os.execv(found, [found, *rest])


def serving(
    adapter: str | None = None,
    *,
    model: str | None = None,
    engine: str = "vllm",
    merged: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
) -> Serving:
    """How to serve an adapter, merged into its base, or a model as it is.

    Args:
        adapter (`str`, *optional*): a LoRA adapter's directory or Hub id.
        model (`str`, *optional*): `tiny`, a directory or a Hub id; unless given, the adapter's base, or `tiny`.
        engine (`str`, defaults to `"vllm"`): `vllm` or `transformers`.
        merged (`Path`, *optional*): where the merged model is or goes; the adapter's name with `-merged` unless given.
        host (`str`), port (`int`): where the server listens.

    Raises:
        InputError: for an unknown engine, `merged` without an adapter, or a family that is not asked here.
        OutputError: if `merged` holds something else.
        UnavailableError: if the adapter or model is out of reach.
    """
    if engine not in ENGINES:
        raise InputError(f"--engine {engine}: is not known; choose {' or '.join(ENGINES)}")
    base = model or (base_of(adapter) if adapter else "tiny")
    if adapter is None:
        if merged is not None:
            raise InputError(f"--merged {merged}: only an adapter is merged; name the adapter, or leave it out")
        place, todo = resolve(base), None
    else:
        place = str(merged or _beside(adapter))
        todo = None if _is_merged(Path(place), adapter) else adapter
    check_family(base, read_config(base if todo else place), training=False)
    processor = processor_of(base, adapter)
    cpu = not torch.cuda.is_available()
    if engine == "vllm":
        name = Path(adapter or base).name
        command = ["vllm", "serve", place, "--served-model-name", name, "--host", host, "--port", str(port)]
        command += ["--dtype", "bfloat16", "--max-model-len", str(_length(processor.image_processor))]
        command += ["--limit-mm-per-prompt", json.dumps({"image": _IMAGES, "video": 0})]
        dtype = "auto"
    else:
        name = place
        command = ["transformers", "serve", place, "--host", host, "--port", str(port)]
        command += ["--device", "cpu" if cpu else "cuda", "--dtype", "float32" if cpu else "bfloat16"]
        dtype = "float32" if cpu else "auto"  # as `predict` computes
    return Serving(todo, base, place, dtype, tuple(command), name, f"http://{host}:{port}/v1")


def _beside(adapter: str) -> Path:
    path = Path(adapter)
    return path.with_name(f"{path.name}-merged") if path.is_dir() else Path(f"{path.name}-merged")


def _is_merged(place: Path, adapter: str) -> bool:
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return False
    try:
        made = json.loads((place / MERGED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        made = None
    if made != merged_from(adapter):
        raise OutputError(f"{place}: was not merged from {adapter} as it is now; remove it, or give another --merged")
    return True


def _length(image_processor: Any) -> int:
    """Tokens that a request may have: its pictures at the largest size that the processor lets through, and text."""
    side = int(image_processor.patch_size * image_processor.merge_size)
    return _IMAGES * math.ceil(int(image_processor.size["longest_edge"]) / side**2) + _TEXT
