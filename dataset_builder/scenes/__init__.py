"""Procedural scenes: cartoon pictures with known truth, each anomalous one with its clean twin."""

from dataset_builder.scenes.families import FAMILIES, HELD_OUT, TRAINED, Family, family_of
from dataset_builder.scenes.files import (
    SCENES_VERSION,
    Picture,
    SceneAnomaly,
    SceneRow,
    clean,
    odd,
    pair,
    read_scenes,
    write_scenes,
)

__all__ = [
    "FAMILIES",
    "HELD_OUT",
    "SCENES_VERSION",
    "TRAINED",
    "Family",
    "Picture",
    "SceneAnomaly",
    "SceneRow",
    "clean",
    "family_of",
    "odd",
    "pair",
    "read_scenes",
    "write_scenes",
]
