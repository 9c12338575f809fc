"""The signature: everything a score depends on, in one line to print beside it, as sacreBLEU does."""

from collections.abc import Sequence

__all__ = ["VERSION", "signature"]

VERSION = "1.0"  # of the definition; moves whenever the same input would get another number


def _short(threshold: float) -> str:
    return f"{threshold:g}".removeprefix("0")


def signature(
    *, encoder: str, alpha: float, thresholds: Sequence[float], matching: str, missing: str, empty: str, pictures: int
) -> str:
    """Two scores may be compared if their signatures are the same.

    Args:
        encoder (`str`): name and layer, e.g. `distilbert-base-uncased_L5`.
        alpha (`float`): the weight of the phenomenon in the view Full.
        thresholds (`list[float]`): τ.
        matching (`str`): `greedy` or `optimal`.
        missing (`str`): `count` or `ignore`: what a picture without a prediction is.
        empty (`str`): `zero` or `skip`: what a picture without references is.
        pictures (`int`): how many pictures the mean is over.

    Returns:
        `str`: e.g.
        `semap:1.0|enc:distilbert-base-uncased_L5|alpha:0.5|tau:.7,.8,.9|match:greedy|missing:count|empty:zero|n:10774`.
    """
    tau = ",".join(map(_short, thresholds))
    return (
        f"semap:{VERSION}|enc:{encoder}|alpha:{alpha:g}|tau:{tau}|match:{matching}"
        f"|missing:{missing}|empty:{empty}|n:{pictures}"
    )
