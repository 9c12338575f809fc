"""Whether a picture is of a kind that a model knows: how far its vision features lie from those of its training pictures.

A model that was trained on one kind of pictures answers about any other as well, and absurdly. `Known` describes the features of
pictures it was trained on; a picture further away than the threshold is `unknown`, and the model is not asked about it.

- Features: mean and spread, over a picture's patches, of what the middle and the last block of the vision tower give. The tower is
  frozen, so a base and its adapters share them, and every family has them. The tokens that the language model is handed are worse:
  the nearest of 420 other pictures lay at 0.98 of the threshold, not at 1.48 of it (`docs/design.md`).
- Distance: Mahalanobis's, per dimension, in features scaled to unit variance, with the covariance of Ledoit and Wolf (A
  well-conditioned estimator for large-dimensional covariance matrices, 2004, eq. 14), which shrinks the sample covariance towards
  a multiple of the identity. Its first `AXES` principal axes are kept, with the mean variance of all others in place of each.
- Threshold: the distance that a share of at most `refused` of other training pictures exceeds (split conformal prediction: the k-th
  largest of n, k = ⌊refused · (n + 1)⌋ or 1).
- Errors, optional: pictures that lie near the known ones, and that the model errs about all the same, such as scenes that are
  turned. A ridge regression from the scaled features and their squares tells them from pictures that it is right about. Turned to
  the left and to the right lie on both sides of upright ones, so features without squares do not tell them. The limit is set as
  the threshold is.

A fit is one file, `known/features.safetensors`, next to a model or an adapter. It is in a folder because servers take every
.safetensors next to a model for its weights.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dataset_builder import atomic
from dataset_builder.errors import InputError, UnavailableError
from trainer.tower import block_outputs, tower_of

__all__ = [
    "FILE",
    "LEAST",
    "REFUSED",
    "Known",
    "check_enough",
    "features",
    "fit",
    "fit_known",
    "read_known",
    "strangers",
    "with_errors",
]

FILE = "known/features.safetensors"
AXES = 256
REFUSED = 0.01
LEAST = 40
"""Pictures, of which a quarter is held out."""
BATCH = 8  # pictures that the tower looks at at once: those of a large model may have five thousand patches each
RIDGE = 10.0  # of 3, 10 and 30, which hardly differ
_RUN = 8
_PROBE_SIDE = 224
_UNLIKE = 0.2
"""How far the features of the probe may be from those that were fitted, relative to their length: rounding stays far below it,
another tower or pixel budget comes out above."""


@dataclass(frozen=True)
class Known:
    """What the features of known pictures are like.

    Attributes:
        mean, scale (`Tensor`): of each feature, [features].
        axes (`Tensor`): principal axes of the scaled features, [axes, features].
        variances (`Tensor`): along these, [axes].
        probe (`Tensor`): the features of a fixed picture, [features], which tell whether a model sees as the fitted one did.
        rest (`float`): the variance along every other axis.
        threshold (`float`): the largest distance of a known picture.
        pictures, held_out (`int`): how many the description and the threshold were fitted on.
        errors (`Tensor`, *optional*): weights of 1, each scaled feature and its square, [1 + 2 × features], which give about 0 for
            pictures that the model is right about and 1 for those it errs about.
        limit (`float`): the largest such number of a known picture.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    variances: Tensor
    probe: Tensor
    rest: float
    threshold: float
    pictures: int
    held_out: int
    errors: Tensor | None = None
    limit: float = 1.0

    def beyond(self, seen: Tensor) -> Tensor:
        """How far each picture is from what is known: above 1, it is unknown.

        Args:
            seen (`Tensor`): as `features` gives them, [pictures, features].

        Returns:
            `Tensor`: [pictures]; distances as multiples of the threshold, or error scores as multiples of the limit if larger.
        """
        far = self.distances(seen) / self.threshold
        if self.errors is None:
            return far
        return torch.maximum(far, _with_squares(self, seen) @ self.errors / self.limit)

    def distances(self, seen: Tensor) -> Tensor:
        """The distance of each picture from the known ones, about 1 for one of them.

        Args:
            seen (`Tensor`): as `features` gives them, [pictures, features].

        Returns:
            `Tensor`: [pictures], from 0.
        """
        scaled = (seen - self.mean) / self.scale
        along = scaled @ self.axes.T
        other = (scaled.square().sum(1) - along.square().sum(1)).clamp(min=0)
        squared = (along.square() / self.variances).sum(1) + other / self.rest
        return (squared / len(self.mean)).sqrt()

    def check(self, place: str, model: Any, processor: Any) -> None:
        """Raise an `InputError` if a model, which is loaded from `place`, sees otherwise than the one that was fitted."""
        probe = _probed(model, processor)
        if probe.shape != self.probe.shape or (probe - self.probe).norm() > _UNLIKE * self.probe.norm():
            raise InputError(
                f"{place}/{FILE}: was fitted on the features of another model or pixel budget; {_FIT_AGAIN}"
            )

    def write(self, directory: Path) -> Path:
        """Write `FILE` into a model's or adapter's directory, whole or not at all.

        Raises:
            OutputError: if it cannot be written.
        """
        numbers = {"rest", "threshold", "pictures", "held_out", "limit"}
        parts = {name: part for name, part in vars(self).items() if part is not None and name not in numbers}
        tensors = {name: part.contiguous() for name, part in parts.items()}
        told = {"known": json.dumps({name: vars(self)[name] for name in sorted(numbers)})}
        return atomic.write(directory / FILE, save(tensors, told))


def fit(model: Any, processor: Any, seen: Tensor, held_out: Tensor, refused: float = REFUSED) -> Known:
    """Describe the pictures a model knows.

    Args:
        model, processor: whose features they are.
        seen, held_out (`Tensor`): features of training pictures to describe, and of others to set the threshold by.
        refused (`float`, defaults to 0.01): the share of known pictures that may be taken for unknown.

    Raises:
        InputError: for too few pictures, or if all are the same to the model.
    """
    check_enough(len(seen) + len(held_out))
    mean, scale = seen.mean(0), seen.std(0).clamp(min=1e-4)
    scaled = ((seen - mean) / scale).double()
    count, width = scaled.shape
    _, singular, axes = torch.linalg.svd(scaled, full_matrices=False)
    eigen = singular.square() / count
    average = eigen.sum() / width
    if average < 0.01:  # 1, unless features hardly vary
        raise InputError("knows: all training pictures are the same to the model; train on others, or leave it out")
    # Ledoit and Wolf's d², b² and shrinkage b²/d², all divided by the width.
    spread = eigen.square().sum() / width - average.square()
    error = (scaled.square().sum(1).square().mean() - eigen.square().sum()) / (count * width)
    shrinkage = (error / spread).clamp(0, 1)
    shrunk = (1 - shrinkage) * eigen + shrinkage * average
    kept = min(AXES, len(eigen), width)
    left = shrunk[kept:].sum() + (width - len(eigen)) * shrinkage * average
    rest = float(left / (width - kept)) if width > kept else 1.0
    described = Known(
        mean,
        scale,
        axes[:kept].float(),
        shrunk[:kept].float(),
        _probed(model, processor),
        rest,
        math.inf,
        count,
        len(held_out),
    )
    return replace(described, threshold=_exceeded_by(refused, described.distances(held_out)))


def with_errors(known: Known, right: Tensor, wrong: Tensor, held_out: Tensor, refused: float = REFUSED) -> Known:
    """Have pictures refused, too, that lie near the known ones and that the model errs about.

    Args:
        known (`Known`): what is known.
        right, wrong (`Tensor`): features of pictures that the model is right about and that it errs about, [pictures, features].
        held_out (`Tensor`): features of known pictures to set the limit by.
        refused (`float`, defaults to 0.01): the share of known pictures that may be taken for such ones.
    """
    rows = _with_squares(known, torch.cat([right, wrong])).double()
    errs = torch.cat([torch.zeros(len(right)), torch.ones(len(wrong))]).double()
    penalty = RIDGE * torch.eye(rows.shape[1], dtype=rows.dtype)
    weights = torch.linalg.solve(rows.T @ rows + penalty, rows.T @ errs).float()
    return replace(known, errors=weights, limit=_exceeded_by(refused, _with_squares(known, held_out) @ weights))


def _with_squares(known: Known, seen: Tensor) -> Tensor:
    scaled = (seen - known.mean) / known.scale
    return torch.cat([torch.ones(len(scaled), 1), scaled, scaled.square()], 1)


def _exceeded_by(share: float, numbers: Tensor) -> float:
    """The number that at most this share of others exceed, as split conformal prediction has it."""
    exceeding = max(math.floor(share * (len(numbers) + 1)), 1)
    return float(numbers.sort(descending=True).values[exceeding - 1])


def check_enough(pictures: int) -> None:
    """Raise an `InputError` if so many pictures are too few to describe what is known."""
    if pictures < LEAST:
        raise InputError(
            f"knows: {pictures} pictures are too few to learn which ones are known; train on at least {LEAST}, or leave it out"
        )


def fit_known(model: Any, processor: Any, pictures: Iterable[Image.Image]) -> Known:
    """Describe the pictures a model is trained on; a quarter of them sets the threshold.

    Held out are runs of `_RUN` pictures: neighbours are often of one scene or one prompt, and a threshold that is set by pictures
    whose twins were described would be too tight.

    Args:
        model, processor: as in `features`.
        pictures (iterable of `PIL.Image.Image`): prepared, related ones next to each other.

    Raises:
        InputError: for too few pictures.
    """
    seen = features(model, processor, pictures)
    held_out = torch.arange(len(seen)) // _RUN % 4 == 3
    return fit(model, processor, seen[~held_out], seen[held_out])


def features(model: Any, processor: Any, images: Iterable[Image.Image]) -> Tensor:
    """Mean and spread over each picture's patches, of the tower's middle and last block, float32 on the CPU: [pictures, 4 × width].

    Args:
        model: a Qwen-VL as `trainer.loading.load` gives it, bare or with an adapter.
        processor: its processor.
        images (iterable of `PIL.Image.Image`): prepared (`dataset_builder.pictures.prepare`); read a batch at a time.
    """
    depth = len(tower_of(model).blocks)  # type: ignore[union-attr]  # every family that is asked has a tower
    rows = []
    for batch in _batches(images):
        inputs = processor.image_processor(images=batch, return_tensors="pt")
        grids = inputs["image_grid_thw"]
        patches = block_outputs(model, inputs["pixel_values"], grids, (depth // 2 - 1, depth - 1))
        pooled = [
            [torch.cat([one.mean(0), one.std(0, correction=0)]) for one in block.float().split(grids.prod(-1).tolist())]
            for block in patches
        ]
        rows += [torch.cat(blocks).cpu() for blocks in zip(*pooled, strict=True)]
    return torch.stack(rows)


def strangers(known: Known | None, model: Any, processor: Any, images: Sequence[Image.Image]) -> list[bool]:
    """Whether each picture is of a kind that the model does not know: none is where nobody fitted what is known."""
    if known is None or not images:
        return [False] * len(images)
    # Written so that a distance that is not a number is not a known one.
    return [not bool(far <= 1) for far in known.beyond(features(model, processor, images))]


def read_known(place: str) -> Known | None:
    """What is known to a model or adapter, a directory or a Hub id, if a fit lies next to it.

    Raises:
        InputError: if the file is damaged.
        UnavailableError: if the Hub cannot be reached.
    """
    path = _found(place)
    if path is None:
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {})["known"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
        known = Known(**tensors, **told)
        limits_hold = 0 < known.threshold < math.inf and 0 < known.limit < math.inf
        if not limits_hold or not known.beyond(known.probe.unsqueeze(0)).isfinite().all():
            raise ValueError("it holds numbers that are not finite")
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: does not say which pictures are known ({error}); {_FIT_AGAIN}") from None
    return known


_FIT_AGAIN = (
    "fit it again (an adapter: train --knows true; the tiny model: python -m trainer.tiny.known --model DIRECTORY), "
    "or remove it"
)


def _found(place: str) -> Path | None:
    if Path(place).is_dir():
        path = Path(place) / FILE
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(place, FILE))
    except EntryNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"{place}/{FILE}: cannot be looked for ({error}); try again") from None


def _probed(model: Any, processor: Any) -> Tensor:
    """The features of a picture that is always the same: a slope of each colour."""
    slope = Image.linear_gradient("L").resize((_PROBE_SIDE, _PROBE_SIDE))
    probe = Image.merge("RGB", (slope, slope.rotate(90), slope.rotate(180)))
    return features(model, processor, [probe])[0]


def _batches(images: Iterable[Image.Image]) -> Iterator[list[Image.Image]]:
    pending = iter(images)
    while batch := list(islice(pending, BATCH)):
        yield batch
