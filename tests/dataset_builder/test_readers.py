"""What reads a built dataset besides `load_dataset`: Croissant's validator, DuckDB, Polars, pyarrow's page index."""

import hashlib
import io
import json
from pathlib import Path

import datasets
import duckdb
import mlcroissant
import polars
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from dataset_builder.building.read_back import read_built
from dataset_builder.scenes import SCENES_VERSION


@pytest.fixture(params=["official", "dataset"])
def built(request: pytest.FixtureRequest) -> Path:
    """A dataset built from a release, and one built from scenes."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_croissant_metadata_is_valid_and_tells_the_rows_of_every_configuration(built: Path) -> None:
    """mlcroissant finds no error; its records are the dataset's, with splits, pictures and nested anomalies."""
    metadata = mlcroissant.Dataset(str(built / "croissant.json"))
    assert not metadata.metadata.ctx.issues.errors
    configs = [config["config_name"] for config in DatasetCard.load(built / "README.md").data.to_dict()["configs"]]
    assert {record_set.id for record_set in metadata.metadata.record_sets} == set(configs)
    for config in configs:
        records = list(metadata.records(config))
        for split in ("train", "test"):
            loaded = datasets.load_dataset(str(built), config, split=split, streaming=True)
            assert sum(record[f"{config}/split"] == split.encode() for record in records) == sum(1 for _ in loaded)
    names = {row.image_id: row for row in read_built(built)[0]}
    for record in metadata.records("default"):
        row = names[record["default/image_id"].decode()]
        assert isinstance(record["default/image"], Image.Image)
        told = [one["default/anomalies/name"].decode() for one in record["default/anomalies"]]
        assert told == [anomaly.name for anomaly in row.anomalies or []]


def test_croissant_s_checksums_are_those_of_the_files(built: Path) -> None:
    """Every shard is there with its size and SHA-256."""
    content = json.loads((built / "croissant.json").read_text())
    files = {one["@id"]: one for one in content["distribution"] if one["@type"] == "cr:FileObject"}
    assert files.keys() == {path.relative_to(built).as_posix() for path in built.rglob("*.parquet")}
    for name, told in files.items():
        data = (built / name).read_bytes()
        assert told["sha256"] == hashlib.sha256(data).hexdigest()
        assert told["contentSize"] == f"{len(data)} B"


def test_version_and_description_are_there_after_loading(built: Path, tmp_path: Path) -> None:
    """For each configuration, loaded or streamed; both are the data's, as on the card."""
    card = DatasetCard.load(built / "README.md").data.to_dict()
    for config in ("default", "deepfake", "sft"):
        for streaming in (False, True):
            rows = datasets.load_dataset(
                str(built), config, split="test", streaming=streaming, cache_dir=str(tmp_path / "cache")
            )
            meant = f"{SCENES_VERSION}.0.0" if card["version"].startswith("scenes") else "1.0.0"
            assert str(rows.info.version) == card["version"].removeprefix("scenes-") == meant
            assert rows.info.description.startswith("scenes" if card["version"].startswith("scenes") else "AnomReason")


def test_filters_work_on_a_stream_and_without_the_check_of_split_sizes(official: Path, tmp_path: Path) -> None:
    """As the card says; the split sizes on it are those of the whole split."""
    options = {"path": str(official), "name": "deepfake", "split": "test", "filters": [("label", "==", 0)]}
    real = [row["image_id"] for row in datasets.load_dataset(**options, streaming=True)]
    assert len(real) == 15
    loaded = datasets.load_dataset(**options, verification_mode="no_checks", cache_dir=str(tmp_path))
    assert loaded["image_id"] == real
    assert 'verification_mode="no_checks"' in (official / "README.md").read_text()


def test_duckdb_reads_pictures_anomalies_and_boxes(built: Path) -> None:
    """One query over all shards: rows, nested fields, nulls."""
    rows = {row.image_id: row for row in read_built(built)[0]}
    table = duckdb.sql(
        "SELECT image_id, label, octet_length(image.bytes), anomalies "
        f"FROM read_parquet('{built}/data/*.parquet') ORDER BY image_id"
    ).fetchall()
    assert [name for name, *_ in table] == sorted(rows)
    for name, label, size, anomalies in table:
        row = rows[name]
        assert ("real", "fake")[label] == row.label
        assert size > 100
        assert (anomalies is None) == (row.anomalies is None)
        boxes = [pytest.approx(one.bbox) if one.bbox else None for one in row.anomalies or []]
        assert [anomaly["bbox"] for anomaly in anomalies or []] == boxes


def test_polars_reads_and_filters_lazily(built: Path) -> None:
    """A scan with a filter and a choice of columns; a picture's bytes open."""
    rows = {row.image_id: row for row in read_built(built)[0]}
    scan = polars.scan_parquet(str(built / "data" / "*.parquet"))
    names = scan.filter(polars.col("label") == 1).select("image_id").collect()["image_id"].to_list()
    assert sorted(names) == sorted(name for name, row in rows.items() if row.label == "fake")
    first = scan.filter(polars.col("label") == 1).select("image", "anomalies").head(1).collect().to_dicts()[0]
    with Image.open(io.BytesIO(first["image"]["bytes"])) as picture:
        picture.load()
    assert set(first["anomalies"][0]) == {"name", "phenomenon", "reasoning", "severity", "remark", "bbox"}


def test_shards_have_a_page_index(built: Path) -> None:
    """A reader can fetch single pages instead of whole row groups."""
    for path in built.rglob("*.parquet"):
        group = pq.ParquetFile(path).metadata.row_group(0)
        assert all(group.column(index).has_offset_index for index in range(group.num_columns))
        assert any(group.column(index).has_column_index for index in range(group.num_columns))
