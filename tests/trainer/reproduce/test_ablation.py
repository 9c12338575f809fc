"""The variants of the ablation hold what they say; training them is `make soak`'s (`tests/soak/test_ablation.py`)."""

from pathlib import Path

import datasets
import pytest

from dataset_builder.errors import InputError
from dataset_builder.scenes import read_scenes
from trainer import sft
from trainer.reproduce import ablation, variants
from trainer.reproduce.ablation import Ablation
from trainer.reproduce.ablation_result import pairs
from trainer.reproduce.simulated import Person


def test_every_variant_s_training_set_is_the_same_pictures_with_its_own_annotations(
    dataset: Path, scenes: Path, tmp_path: Path
) -> None:
    """True ones; the same without severity; candidates with hallucinations; those that a perfect reviewer left, all of them
    true."""
    rows = {row.image_id: row for row in read_scenes(scenes)}
    made = variants.of_scenes(rows, (Person("perfect", 1, 1),))
    assert tuple(made) == ("LoRA", "without severity", "unverified", "verified")
    read = {
        name: datasets.load_dataset(str(variants.written(str(dataset), tmp_path, name, change)), split="train")
        for name, change in made.items()
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


def test_a_release_has_candidates_to_compare_its_annotations_with(
    official: Path, dataset: Path, tmp_path: Path
) -> None:
    """One candidate more per picture than annotations; scenes have none, and nothing is compared then."""
    made = variants.of_dataset(str(official))
    assert tuple(made) == ("LoRA", "without severity", "unverified")
    rows = {
        name: datasets.load_dataset(str(variants.written(str(official), tmp_path, name, change)), split="train")
        for name, change in made.items()
    }
    for true, before in zip(rows["LoRA"]["anomalies"], rows["unverified"]["anomalies"], strict=True):
        assert [one["phenomenon"] for one in true] == [one["phenomenon"] for one in before][:-1]
    assert tuple(variants.of_dataset(str(dataset))) == ("LoRA", "without severity")
    assert pairs(made)["verified over unverified"] == ("LoRA", "unverified")
    assert "verified over unverified" not in pairs({"base": 0, "LoRA": 0})


def test_the_forecast_counts_trainings_and_the_hours_of_a_gpu(release: Path, official: Path) -> None:
    """Of the tiny model seconds here, of a recipe for GPUs hours there, in proportion to pictures and seeds."""
    one, three = (Ablation(seeds=seeds).cost() for seeds in (1, 3))
    assert three.seconds > 2.5 * one.seconds
    assert one.seconds < 300
    assert "12 trainings" in three.assumed[0]
    seven, more = (Ablation("anomreasonor_7b", seeds, 1000) for seeds in (1, 2))
    assert seven.cost().gpu_hours == pytest.approx((4 * 750 * 2 * 0.0135 + 5 * 250 * 0.06) * 7 / 3600)
    assert more.cost().gpu_hours > 1.8 * seven.cost().gpu_hours
    of_release, of_dataset = (
        Ablation("anomreasonor_7b", release=release).cost(),
        Ablation("anomreasonor_7b", dataset=str(official)).cost(),
    )
    assert of_release == of_dataset
    assert of_release.pictures == 4 * 15


def test_adapters_of_another_recipe_are_not_taken_for_its_own(tmp_path: Path) -> None:
    """Nor those of other data: the second command is refused before it renders anything."""
    Ablation(scenes=40)._claim(tmp_path)
    Ablation(scenes=40, seeds=3)._claim(tmp_path)
    for other in (Ablation(scenes=80), Ablation("anomreasonor_3b", scenes=40), Ablation(dataset="mine")):
        with pytest.raises(InputError, match="another recipe or other data; remove it or give another --out"):
            other._claim(tmp_path)


@pytest.mark.parametrize("recipe", ["tiny", str(sft.CONFIGS / "tiny.yaml")])
def test_a_recipe_is_a_name_or_a_file(recipe: str) -> None:
    assert ablation._config(recipe) == sft.CONFIGS / "tiny.yaml"
    with pytest.raises(InputError, match="no such recipe"):
        ablation._config(f"{recipe}s")


def test_a_recipe_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match=r"list\.yaml: is not a YAML mapping"):
        Ablation(str(tmp_path / "list.yaml")).cost()
