"""The variants of the ablation hold what they say; training them is `make soak`'s (`tests/soak/test_ablation.py`)."""

from pathlib import Path

import datasets
import pytest

from dataset_builder.scenes import read_scenes
from trainer.reproduce import ablation
from trainer.reproduce.ablation import COMPARED, VARIANTS, Ablation
from trainer.reproduce.simulated import Person


def test_every_variant_s_training_set_is_the_same_pictures_with_its_own_annotations(
    dataset: Path, scenes: Path, tmp_path: Path
) -> None:
    """True ones; the same without severity; candidates with hallucinations; those that a perfect reviewer left, all of them
    true."""
    (tmp_path / "dataset").symlink_to(dataset)
    rows = {row.image_id: row for row in read_scenes(scenes)}
    variants = ablation._variants(rows, (Person("perfect", 1, 1),))
    assert tuple(variants) == VARIANTS
    read = {
        name: datasets.load_dataset(str(ablation._dataset(tmp_path, name, change)), split="train")
        for name, change in variants.items()
    }
    said = {name: dict(zip(of["image_id"], of["anomalies"], strict=True)) for name, of in read.items()}
    assert len({tuple(of) for of in said.values()}) == 1
    assert read["verified"][0]["image"].size
    names = {
        name: {image: sorted(one["name"] for one in listed) for image, listed in of.items()}
        for name, of in said.items()
    }
    true = {image: sorted(one.name for one in rows[image].anomalies) for image in said["LoRA"]}
    assert names["LoRA"] == names["without severity"] == true
    assert {one["severity"] for listed in said["without severity"].values() for one in listed} == {None}
    assert sum(map(len, names["unverified"].values())) > 1.5 * sum(map(len, true.values()))
    assert all(set(names["verified"][image]) <= set(true[image]) for image in true)


def test_each_comparison_is_of_two_variants_and_the_forecast_counts_trainings() -> None:
    assert {name for pair in COMPARED.values() for name in pair} == {*VARIANTS, "base"}
    one, three = (Ablation(seeds=seeds).cost() for seeds in (1, 3))
    assert three.seconds > 2.5 * one.seconds
    assert one.seconds < 300
    assert "12 trainings" in three.assumed[0]


@pytest.mark.parametrize(
    ("recipe", "ends"), [("tiny", "configs/tiny.yaml"), ("/mine/recipe.yaml", "/mine/recipe.yaml")]
)
def test_a_recipe_is_a_name_or_a_file(recipe: str, ends: str) -> None:
    assert ablation._config(recipe).endswith(ends)
