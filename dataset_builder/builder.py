"""AnomReason as a `datasets` builder: the loading script, in the form datasets 5 allows."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import datasets

from dataset_builder.scenes import SCENES_VERSION, SceneRow, read_scenes

__all__ = ["FEATURES", "SPLITS", "AnomReason", "content_hash", "split_of"]

FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "image_id": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["real", "fake"]),
        "generator": datasets.Value("string"),
        "anomalies": datasets.List(
            {
                "name": datasets.Value("string"),
                "phenomenon": datasets.Value("string"),
                "reasoning": datasets.Value("string"),
                "severity": datasets.Value("int32"),
                "remark": datasets.Value("string"),
            }
        ),
    }
)
"""The features of the configuration `default`."""

SPLITS = ("train", "test")

SCENES_DESCRIPTION = (
    f"scenes (version {SCENES_VERSION}): cartoon pictures rendered with known truth, not the paper's pictures. "
    "A clean picture is labelled real because it follows the world's rules, not because a camera took it."
)


def split_of(row: SceneRow, test_share: float = 0.25) -> str:
    """The split of a scene, by a hash that twins share, so that no picture's twin stands in the other split."""
    name = min(row.image_id, row.twin_id or row.image_id)
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return "test" if draw < test_share else "train"


def content_hash(directory: Path) -> str:
    """A hash of a source directory's files (names and bytes), which keeps a prepared copy of other content from being reused."""
    digest = hashlib.sha256()
    for path in sorted(Path(directory).rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(directory).parts):
            digest.update(f"{path.relative_to(directory).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class AnomReason(datasets.GeneratorBasedBuilder):
    """Builds the dataset from its source; `AnomReason(config_name="default", data_dir=SOURCE, hash=content_hash(SOURCE))`.

    `data_dir` is a scenes directory. Name the arguments: the first positional one is `cache_dir`.
    """

    VERSION = datasets.Version(f"{SCENES_VERSION}.0.0")
    BUILDER_CONFIGS: ClassVar[list[datasets.BuilderConfig]] = [
        datasets.BuilderConfig(name="default", version=VERSION, description=SCENES_DESCRIPTION)
    ]
    DEFAULT_CONFIG_NAME = "default"

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=SCENES_DESCRIPTION, features=FEATURES, license="apache-2.0")

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        source = Path(self.config.data_dir)
        rows: dict[str, list[SceneRow]] = {split: [] for split in SPLITS}
        for row in read_scenes(source):
            rows[split_of(row)].append(row)
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"rows": rows[split], "images": str(source / "images")})
            for split in SPLITS
        ]

    def _generate_examples(self, rows: list[SceneRow], images: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, row in enumerate(rows):
            anomalies = [
                anomaly.model_dump(include={"name", "phenomenon", "reasoning", "severity", "remark"})
                for anomaly in row.anomalies
            ]
            path = Path(images) / row.image_id
            yield (
                index,
                {
                    "image": {"bytes": path.read_bytes(), "path": row.image_id},
                    "image_id": row.image_id,
                    "label": row.label,
                    "generator": None,
                    "anomalies": anomalies,
                },
            )
