"""The dataset card, generated from what was built and never typed."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData
from PIL import Image, ImageDraw

from dataset_builder import severity
from dataset_builder.boxes import scaled
from dataset_builder.building.features import DESCRIPTIONS, FEATURES
from dataset_builder.building.histogram import severity_histogram
from dataset_builder.building.shards import ShardWriter
from dataset_builder.errors import PictureError
from dataset_builder.pictures import open_picture
from dataset_builder.schema import Anomaly
from dataset_builder.sources.findings import ERRORS, WARNINGS, Finding, by_kind
from dataset_builder.sources.opening import Source
from dataset_builder.sources.rows import SPLITS, Config, Row
from dataset_builder.templates import environment

__all__ = ["Built", "Table", "write_card"]

_SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
_EXAMPLES = 3
_SHOWN = 4


@dataclass
class Table:
    """A configuration as written: its splits' rows, bytes and files; `narrow` if its files hold more columns than it has."""

    config: Config
    narrow: bool = False
    splits: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=dict)
    download: int = 0

    @property
    def meaning(self) -> str:
        """What the configuration holds, in a few words."""
        return DESCRIPTIONS[self.config]

    def add(self, split: str, name: str, writer: ShardWriter) -> None:
        """Count the shards of a writer as part of a split."""
        self.splits[split] = self.splits.get(split, 0) + writer.rows
        self.bytes[split] = self.bytes.get(split, 0) + writer.memory
        self.patterns.setdefault(split, []).append(f"{name}-*")
        self.download += sum(shard.path.stat().st_size for shard in writer.shards)

    def info(self, source: Source) -> datasets.DatasetInfo:
        """The configuration's `dataset_info`: features, and splits that are checked on loading."""
        splits = datasets.SplitDict()
        for split in SPLITS:
            if split in self.splits:
                splits.add(datasets.SplitInfo(split, self.bytes[split], self.splits[split], dataset_name="anomreason"))
        return datasets.DatasetInfo(
            description=source.description,
            features=FEATURES[self.config],
            splits=splits,
            download_size=self.download,
            dataset_size=sum(self.bytes.values()),
            config_name=self.config,
            version=source.version,
        )


@dataclass(frozen=True)
class Built:
    """What a card is about: the source with the rows that were kept, the configurations, and what was left out."""

    source: Source
    tables: list[Table]
    skipped: list[Finding]


def write_card(directory: Path, built: Built) -> None:
    """Write `README.md` and the pictures it shows (`assets/`) into a repository."""
    assets = directory / "assets"
    assets.mkdir()
    rows = built.source.rows
    annotated = [row for row in rows if row.anomalies is not None]
    (assets / "severity.png").write_bytes(severity_histogram(_severities(annotated)))
    examples = _examples(annotated, assets)
    body = (
        environment(Path(__file__).parent)
        .get_template("card.md.jinja")
        .render(
            kind=built.source.kind,
            description=built.source.description,
            tables=built.tables,
            composition=_composition(rows),
            per_image=_per_image(annotated),
            severities=_severity_words(annotated),
            lengths=_lengths(annotated),
            examples=examples,
            shown=_SHOWN,
            boxes=sum(anomaly.bbox is not None for row in annotated for anomaly in row.anomalies or []),
            word=severity.word,
            warnings=[(kind, count, WARNINGS[kind]) for kind, count in by_kind(built.source.findings).items()],
            skipped=[(kind, count, ERRORS[kind]) for kind, count in by_kind(built.skipped).items()],
            pictures=len(rows),
            annotated=len(annotated),
            anomalies=sum(len(row.anomalies or []) for row in annotated),
            candidates=sum(len(row.candidates or []) for row in rows),
            captions=sum(row.caption is not None for row in rows),
        )
    )
    (directory / "README.md").write_text(f"---\n{_front_matter(built)}\n---\n{body}", encoding="utf-8")


def _front_matter(built: Built) -> str:
    source = built.source
    scenes, imported = source.kind == "scenes", source.kind not in ("scenes", "release", "run")
    count = len(source.rows)
    reals = any(row.label == "real" for row in source.rows)
    data = DatasetCardData(
        # The authors state no licence for their data, and pictures of a run are whoever's they are.
        license="apache-2.0" if scenes else "unknown" if imported else "other",
        license_name=None if scenes or imported else "unstated",
        license_link=None if scenes or imported else "https://arxiv.org/abs/2510.10231",
        pretty_name="AnomReason (rendered scenes)" if scenes else f"AnomReason{' (imported)' if imported else ''}",
        task_categories=["image-text-to-text", *(["image-classification"] if reals else [])],
        annotations_creators=None
        if imported
        else ["machine-generated", *(["expert-generated"] if source.kind == "release" else [])],
        language=["en"],
        size_categories=[next((size for limit, size in _SIZES if count < limit), "1M<n<10M")],
        source_datasets=None if imported else ["original"],
        tags=[
            "anomaly-reasoning",
            "generated-images",
            "arxiv:2510.10231",
            *(["synthetic", "scenes"] if scenes else []),
        ],
        version=f"scenes-{source.version}" if scenes else source.version,
    )
    configs: dict[str, Any] = {}
    for table in built.tables:
        files = [{"split": split, "path": table.patterns[split]} for split in SPLITS if split in table.patterns]
        # What `load_dataset(…).info.version` says; the one in `dataset_info` is not looked at.
        configs[table.config] = {"version": source.version, "data_files": files}
        if table.narrow:
            configs[table.config]["columns"] = list(FEATURES[table.config])
        if table is built.tables[0]:  # `default`, where anything is annotated
            configs[table.config]["default"] = True
    MetadataConfigs(configs).to_dataset_card_data(data)
    DatasetInfosDict({table.config: table.info(source) for table in built.tables}).to_dataset_card_data(data)
    # datasets reads a description from here, but does not write it.
    infos = data["dataset_info"]
    data["dataset_info"] = [
        {**info, "description": source.description} for info in (infos if isinstance(infos, list) else [infos])
    ]
    return str(data.to_yaml())


def _composition(rows: list[Row]) -> list[tuple[str, str, str, int, int]]:
    """Split, label, generator, pictures, anomalies; by size."""
    pictures: Counter[tuple[str, str, str]] = Counter()
    anomalies: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        key = (row.split or row.deepfake or "", row.label, row.generator or "")
        pictures[key] += 1
        anomalies[key] += len(row.anomalies or [])
    return [(*key, count, anomalies[key]) for key, count in sorted(pictures.items(), key=lambda item: item[0])]


def _per_image(rows: list[Row]) -> list[tuple[str, str]]:
    """How many pictures have how many anomalies, as rows of a table; ten and more together."""
    counts = Counter(min(len(row.anomalies or []), 10) for row in rows)
    return [("10 or more" if number == 10 else str(number), f"{counts[number]:,}") for number in sorted(counts)]


def _severities(rows: Iterable[Row]) -> list[int]:
    counts = [0] * 101
    for row in rows:
        for anomaly in row.anomalies or []:
            if anomaly.severity is not None:
                counts[anomaly.severity] += 1
    return counts


def _severity_words(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    counts = _severities(rows)
    bounds = [0, *(bound for bound, _, _ in severity.BANDS)]
    return [
        (word, f"{low}–{min(high - 1, 100)}", sum(counts[low:high]))
        for low, (high, word, _) in zip(bounds, severity.BANDS, strict=False)
    ]


def _lengths(rows: list[Row]) -> list[tuple[str, int, int, int]]:
    """Field, then its length in words: median, 95th percentile, longest."""
    found = []
    for name in ("name", "phenomenon", "reasoning"):
        words = sorted(len(getattr(anomaly, name).split()) for row in rows for anomaly in row.anomalies or [])
        if words:
            found.append((name, round(statistics.median(words)), words[int(0.95 * (len(words) - 1))], words[-1]))
    return found


def _examples(rows: list[Row], assets: Path) -> list[tuple[str, Row]]:
    """The first pictures with anomalies, made small for the card."""
    shown: list[tuple[str, Row]] = []
    for row in [row for row in rows if row.anomalies]:
        if len(shown) == _EXAMPLES:
            break
        assert row.picture is not None
        try:
            picture = open_picture(row.image_id, row.picture.read())
        # Damage that only decoding finds is for `validate` to tell; here another picture does as well.
        except PictureError:
            continue
        full = picture.size
        picture.thumbnail((320, 320))
        _draw_boxes(picture, full, row.anomalies[:_SHOWN] if row.anomalies else [])
        name = f"example-{len(shown) + 1}.jpg"
        picture.save(assets / name, "JPEG", quality=85)
        shown.append((f"assets/{name}", row))
    return shown


def _draw_boxes(picture: Image.Image, full: tuple[int, int], anomalies: Iterable[Anomaly]) -> None:
    """Draw the anomalies' boxes, given in pixels of the full picture, numbered as in the table below it."""
    draw = ImageDraw.Draw(picture)
    for number, anomaly in enumerate(anomalies, 1):
        if anomaly.bbox is None:
            continue
        box = scaled(anomaly.bbox, full, picture.size)
        colour = severity.colour(50 if anomaly.severity is None else anomaly.severity)
        draw.rectangle(box, outline=colour, width=2)
        draw.text((box[0] + 4, box[1] + 2), str(number), fill=colour, stroke_width=2, stroke_fill="white")
