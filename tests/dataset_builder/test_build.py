"""Building, loading and installing the dataset."""

import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
import yaml
from huggingface_hub import DatasetCard

from dataset_builder.builder import AnomReason
from dataset_builder.building.build import BuildError, build
from dataset_builder.errors import OutputError
from dataset_builder.files.hashing import content_hash
from dataset_builder.scenes import read_scenes, write_scenes
from dataset_builder.sources.opening import split_of
from metric_semap import hub_results
from tests.processes import run_python

_LOAD = """
import json
from datasets import load_dataset
dataset = load_dataset("anomreason")
row = dataset["test"][0]
print(json.dumps({"rows": sum(len(split) for split in dataset.values()), "size": row["image"].size, "keys": list(row)}))
"""


def test_load_dataset_by_its_plain_name_in_the_build_s_directory(dataset: Path, tmp_path: Path) -> None:
    """`load_dataset("anomreason")` in the directory that holds ./anomreason gives all rows with decoded pictures."""
    seen = run_python(_LOAD, dataset.parent, HF_DATASETS_CACHE=str(tmp_path))
    assert seen == {"rows": 40, "size": [168, 168], "keys": ["image", "image_id", "label", "generator", "anomalies"]}


def test_load_dataset_by_its_plain_name_from_anywhere_after_install(dataset: Path, tmp_path: Path) -> None:
    """The prepared copy answers from another directory; after --uninstall nothing does."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cache = {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    install = f"""
import json
from pathlib import Path
from dataset_builder.building.install import install_dataset, install_metric
install_dataset(Path({str(dataset)!r}))
install_dataset(Path({str(dataset)!r}))  # again: still exactly one copy
install_metric("metric_semap.semap", "SemAP")
print(json.dumps(None))
"""
    run_python(install, elsewhere, **cache)
    assert run_python(_LOAD, elsewhere, **cache)["rows"] == 40
    assert len(list((tmp_path / "cache" / "anomreason").glob("*/*/*/dataset_info.json"))) == 1
    # Without transformers, which evaluate would import first: to be found, the metric does not need it.
    hide = "import sys; sys.modules['transformers'] = None; "
    load_metric = hide + 'import json, evaluate; print(json.dumps(evaluate.load("semap").name))'
    assert run_python(load_metric, elsewhere, **cache) == "semap"
    run_python(
        "import json; from dataset_builder.building.install import uninstall; uninstall(); print(json.dumps(1))",
        elsewhere,
        **cache,
    )
    gone = subprocess.run(
        [sys.executable, "-c", _LOAD], cwd=elsewhere, env=os.environ | cache, capture_output=True, check=False
    )
    assert gone.returncode != 0


def test_pictures_are_embedded_as_rendered(dataset: Path, scenes: Path, tmp_path: Path) -> None:
    """The Parquet holds each picture's own bytes under its own name."""
    rows = datasets.load_dataset(str(dataset), split="test", cache_dir=str(tmp_path))
    rows = rows.cast_column("image", datasets.Image(decode=False))
    for row in rows:
        assert row["image"]["bytes"] == (scenes / "images" / row["image_id"]).read_bytes()


def test_streaming_and_the_builder_give_the_same_rows(dataset: Path, scenes: Path, tmp_path: Path) -> None:
    """The repository, streamed or not, and the builder class agree on features and rows."""
    loaded = datasets.load_dataset(str(dataset), split="test", cache_dir=str(tmp_path / "a"))
    streamed = datasets.load_dataset(str(dataset), split="test", streaming=True)
    builder = AnomReason(
        cache_dir=str(tmp_path / "b"), config_name="default", data_dir=str(scenes), hash=content_hash(scenes)
    )
    builder.download_and_prepare()
    built = builder.as_dataset(split="test")
    assert loaded.features == streamed.features == built.features
    names = [row["image_id"] for row in loaded]
    assert names == [row["image_id"] for row in streamed] == [row["image_id"] for row in built]
    assert [row["anomalies"] for row in loaded] == [row["anomalies"] for row in built]


def test_twins_stand_in_the_same_split(scenes: Path) -> None:
    """No scene's twin leaks into the other split, and both splits are used."""
    rows = {row.image_id: row for row in read_scenes(scenes)}
    assert all(split_of(row) == split_of(rows[row.twin_id]) for row in rows.values() if row.twin_id)
    assert {split_of(row) for row in rows.values()} == {"train", "test"}


def test_the_card_says_that_the_pictures_are_rendered(dataset: Path) -> None:
    """Front matter that huggingface_hub reads, a version that begins with scenes, and no claim to photographs."""
    card = DatasetCard.load(dataset / "README.md")
    assert card.data.to_dict()["version"].startswith("scenes")
    assert "rendered cartoon scenes, not the paper's pictures" in card.text
    described = {info["config_name"]: info for info in card.data.to_dict()["dataset_info"]}
    assert set(described) == {"default", "deepfake", "sft"}
    assert all(split["num_examples"] > 0 for info in described.values() for split in info["splits"])


def test_a_damaged_picture_stops_the_build_before_anything_is_written(tmp_path: Path) -> None:
    """The message names the picture; no dataset and no temporary file is left."""
    source = write_scenes(tmp_path / "scenes", 4, seed=2)
    victim = source / "images" / read_scenes(source)[1].image_id
    victim.write_bytes(victim.read_bytes()[:200])
    with pytest.raises(BuildError, match=victim.name):
        build(source, tmp_path / "anomreason")
    victim.unlink()
    with pytest.raises(BuildError, match="is missing"):
        build(source, tmp_path / "anomreason")
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]


def test_a_directory_that_is_no_dataset_is_not_replaced(scenes: Path, tmp_path: Path) -> None:
    """`build --out` writes over a dataset or an empty directory only."""
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="`anomreason build` did not make it"):
        build(scenes, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_the_repository_is_a_benchmark_with_a_leaderboard_for_each_headline(
    official: Path, release: Path, tmp_path: Path
) -> None:
    """Tasks name the scores that the metric reports, and configurations and splits that are there; without a test split, none."""
    content = yaml.safe_load((official / "eval.yaml").read_text(encoding="utf-8"))
    assert set(content) == {"name", "description", "tasks"}
    assert {task["id"] for task in content["tasks"]} == set(hub_results.TASKS)
    card = DatasetCard.load(official / "README.md").data.to_dict()
    splits = {config["config_name"]: [file["split"] for file in config["data_files"]] for config in card["configs"]}
    assert all(task["split"] in splits[task["config"]] for task in content["tasks"])
    built = tmp_path / "train"
    build(release, built, split="train", recipe=None, limit=4)
    assert not (built / "eval.yaml").exists()
