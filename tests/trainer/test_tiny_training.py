"""What the tiny model's training does to pictures and weights: variation with its labels, and the optimizer."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from dataset_builder.scenes import Picture, odd
from dataset_builder.scenes.world import COLOURS, SIZE
from trainer.tiny.dense import dense_labels
from trainer.tiny.optimizers import Muon, orthogonal
from trainer.tiny.variation import _turned, mirrored, turned, varied


def _pixels(picture: Picture) -> np.ndarray:
    return np.asarray(picture.image, dtype=int)


def test_a_mirrored_picture_keeps_its_labels_with_its_things() -> None:
    """Boxes, extents and patch labels with the pixels; anomalies are told from left to right; twice gives the first."""
    for index in range(40):
        picture = odd(31, index)
        other = mirrored(picture)
        assert (_pixels(other) == _pixels(picture)[:, ::-1]).all()
        boxes = [anomaly.bbox for anomaly in other.row.anomalies]
        assert all(boxes)
        assert boxes == sorted(boxes, key=lambda box: box or ())
        assert {anomaly.object for anomaly in other.row.anomalies} == {
            anomaly.object for anomaly in picture.row.anomalies
        }
        labels = dense_labels(other).view(6, 6, 2, 2, -1).transpose(1, 2).reshape(12, 12, -1)
        before = dense_labels(picture).view(6, 6, 2, 2, -1).transpose(1, 2).reshape(12, 12, -1)
        assert (labels == before.flip(1)).float().mean() > 0.95  # patches at the very edge of a thing are rounded
        again = mirrored(other)
        assert again.row == picture.row
        assert again.extents == picture.extents


@pytest.mark.parametrize("degrees", [-5.0, 4.0])
def test_extents_turn_with_the_picture(degrees: float) -> None:
    """The middle of a ball is where its extent says, before and after."""
    seen = 0
    for index in range(60):
        picture = odd(32, index, ("giant",))
        other = _turned(picture, degrees)
        for thing, (x0, y0, x1, y1) in zip(other.scene.things, other.extents, strict=True):
            if thing.kind == "ball" and thing.flaw is None and 20 < thing.x < SIZE - 20:
                # Just below the band, which has another shade.
                colour = _pixels(other)[round(y0 + 0.8 * (y1 - y0)), round((x0 + x1) / 2)]
                assert np.abs(colour - np.array(COLOURS[thing.colour])).max() < 30
                seen += 1
    assert seen > 5


def test_corners_of_a_turned_picture_have_the_colours_of_its_edges() -> None:
    """No grey wedge tells that a picture was turned."""
    plain = Image.new("RGB", (SIZE, SIZE), (10, 200, 30))
    assert (np.asarray(turned(plain, 5)) == (10, 200, 30)).all()


def test_half_of_the_pictures_stay_as_rendered_and_boxes_are_never_turned() -> None:
    """Each change comes in 10 to 25 % of pictures; one that may not be turned is only mirrored in its geometry."""
    rng = random.Random(0)
    same = mirrors = 0
    pictures = [odd(33, index) for index in range(40)]
    for picture in pictures * 10:
        other = varied(picture, rng, turns=False)
        same += other.image is picture.image
        mirrors += other.scene.light != picture.scene.light
        expected = mirrored(picture) if other.scene.light != picture.scene.light else picture
        assert other.extents == expected.extents
        assert other.row == expected.row
    assert 0.45 < same / 400 < 0.65
    assert 0.10 < mirrors / 400 < 0.25
    turns = sum(
        varied(picture, rng, turns=True).extents not in (picture.extents, mirrored(picture).extents)
        for picture in pictures * 10
    )
    assert 0.10 < turns / 400 < 0.25


def test_muon_is_the_librarys_but_for_rounding() -> None:
    """The same steps as `torch.optim.Muon`, which iterates in bfloat16, for wide and tall matrices together."""
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in ((12, 30), (30, 12), (12, 30))]
    theirs = [torch.nn.Parameter(matrix.detach().clone()) for matrix in ours]
    start = [matrix.detach().clone() for matrix in ours]
    mine = Muon(ours, lr=0.01, weight_decay=0.05)
    library = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        mine.step()
        library.step()
    for one, other, before in zip(ours, theirs, start, strict=True):
        assert (one - other).norm() < 0.03 * (one - before).norm()


def test_orthogonal_matrices_have_singular_values_near_one() -> None:
    """Whatever they were before."""
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 20, 40, generator=torch.Generator().manual_seed(1))))
    assert values.min() > 0.6
    assert values.max() < 1.3
