"""Croissant metadata (`croissant.json`): the files with their checksums, and what their columns mean, for tools that read it.

Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html). Each shard is a `FileObject` with its SHA-256;
each configuration a `FileSet` over its shards and a `RecordSet` with a field for each column and one for the split.
"""

import hashlib
from pathlib import Path
from typing import Any

import datasets

from dataset_builder.building.card import Table
from dataset_builder.building.features import FEATURES
from dataset_builder.sources.opening import Source
from dataset_builder.sources.rows import SPLITS, Config

__all__ = ["croissant"]

_PARQUET = "application/x-parquet"
_PAPER = "https://arxiv.org/abs/2510.10231"
_TYPES = {"string": "sc:Text", "int32": "sc:Integer", "float32": "sc:Float"}
# The split in the name of a shard; of one that belongs to different splits of two configurations, the first is default's.
_SPLIT: dict[Config, str] = {
    "default": r".*?(train|test)-.*\.parquet",
    "candidates": r".*/(train|test)-.*\.parquet",
    "deepfake": r".*(train|test)-\d+\.parquet",
    "sft": r".*/(train|test)-.*\.parquet",
}
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(directory: Path, source: Source, tables: list[Table]) -> dict[str, Any]:
    """The metadata of what a build wrote into `directory`, as JSON-LD."""
    shards = [_file_object(path, directory) for path in sorted(directory.rglob("*.parquet"))]
    scenes = source.kind == "scenes"
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "anomreason",
        "description": source.description,
        "version": source.version,
        # The authors state no licence for their data; their paper is the place to ask.
        "license": "https://spdx.org/licenses/Apache-2.0" if scenes else _PAPER,
        "url": _PAPER,
        "citeAs": "arXiv:2510.10231",
        "distribution": [*shards, *(_file_set(table) for table in tables)],
        "recordSet": [_record_set(table.config) for table in tables],
    }


def _file_object(path: Path, directory: Path) -> dict[str, Any]:
    name = path.relative_to(directory).as_posix()
    with path.open("rb") as content:
        checksum = hashlib.file_digest(content, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _PARQUET,
        "sha256": checksum,
    }


def _file_set(table: Table) -> dict[str, Any]:
    patterns = [pattern for split in SPLITS for pattern in table.patterns.get(split, [])]
    return {
        "@type": "cr:FileSet",
        "@id": f"files-of-{table.config}",
        "name": f"files-of-{table.config}",
        "encodingFormat": _PARQUET,
        "includes": [f"{pattern}.parquet" for pattern in patterns],
    }


def _record_set(config: Config) -> dict[str, Any]:
    split = {
        "@type": "cr:Field",
        "@id": f"{config}/split",
        "name": "split",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": f"files-of-{config}"},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": _SPLIT[config]},
        },
    }
    fields = [_field(config, name, kind, name, []) for name, kind in FEATURES[config].items()]
    return {"@type": "cr:RecordSet", "@id": config, "name": config, "field": [split, *fields]}


def _field(config: Config, name: str, kind: Any, column: str, path: list[str]) -> dict[str, Any]:
    """A field for a column, or for a part of one: `path` leads to it within the column's values."""
    repeated = isinstance(kind, datasets.List) and not path
    inner = kind.feature if isinstance(kind, datasets.List) else kind
    if isinstance(inner, datasets.Image):
        path = [*path, "bytes"]
    field: dict[str, Any] = {"@type": "cr:Field", "@id": "/".join([config, *name.split(".")]), "name": name}
    if repeated:
        field["repeated"] = True
    if isinstance(inner, dict):
        field["subField"] = [
            part
            for key, value in inner.items()
            for part in _parts(config, f"{name}.{key}", value, column, [*path, key])
        ]
    else:
        field["dataType"] = _data_type(inner)
    source: dict[str, Any] = {"fileSet": {"@id": f"files-of-{config}"}, "extract": {"column": column}}
    if path:
        source["transform"] = {"jsonPath": ".".join(path)}
    return field | {"source": source}


def _parts(config: Config, name: str, kind: Any, column: str, path: list[str]) -> list[dict[str, Any]]:
    """The fields of a record's part: of a record within it, such as the votes, those of its own parts."""
    if isinstance(kind, dict):
        return [
            one for key, value in kind.items() for one in _parts(config, f"{name}.{key}", value, column, [*path, key])
        ]
    return [_field(config, name, kind, column, path)]


def _data_type(kind: Any) -> str:
    if isinstance(kind, datasets.Image):
        return "sc:ImageObject"
    return "sc:Integer" if isinstance(kind, datasets.ClassLabel) else _TYPES[kind.dtype]
