"""The embedded data: rendered scenes, whose truth is known, built into a dataset as a release would be."""

from pathlib import Path
from typing import TYPE_CHECKING

from dataset_builder.building.build import build
from dataset_builder.scenes import SceneRow, read_scenes, write_scenes

if TYPE_CHECKING:  # torch comes with it
    from trainer.predict import Progress

__all__ = ["DATA", "SEED", "SPLIT", "dataset", "scenes"]

SEED = 20_261
"""The seed of the scenes. The tiny model was trained on others."""
SPLIT = "train"
"""The larger split of a build. Nothing is trained on it where models are only asked."""
DATA = "rendered scenes with known truth, not photographs"


def scenes(out: Path, pictures: int, seed: int = SEED) -> list[SceneRow]:
    """The scenes in `out`, rendered unless they are there; twins included."""
    if (out / "scenes.jsonl").is_file():
        rows = read_scenes(out)
        if len(rows) == pictures and all(row.seed == seed for row in rows):
            return rows
    return read_scenes(write_scenes(out, pictures, seed))


def dataset(out: Path, pictures: int, progress: "Progress") -> Path:
    """The dataset of `pictures` scenes below `out`; rendered and built unless it is there."""
    progress.step(f"render {pictures} scenes and build a dataset")
    built = out / "dataset"
    there = (out / "scenes" / "scenes.jsonl").is_file() and (built / "README.md").is_file()
    before = read_scenes(out / "scenes") if there else None
    if scenes(out / "scenes", pictures) != before:
        build(out / "scenes", built, recipe=None)
    return built
