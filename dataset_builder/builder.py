"""AnomReason as a `datasets` builder: the loading script, in the form datasets 5 allows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import datasets

from dataset_builder.building.features import DESCRIPTIONS, FEATURES, example
from dataset_builder.building.sft import Turns, conversation_row, sft_turns
from dataset_builder.errors import InputError
from dataset_builder.files.hashing import content_hash
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import SPLITS, Config, Row, of_config

__all__ = ["AnomReason"]


class AnomReason(datasets.GeneratorBasedBuilder):
    """Builds a configuration from its source: `AnomReason(config_name="deepfake", data_dir=SOURCE)`.

    `download_and_prepare(num_proc=…)` and `as_dataset()` are those of every builder. The prepared copy is kept under a hash
    of the source's files, so that an edited source never gives the rows it had before.

    Args:
        config_name (`str`, defaults to `"default"`): `default`, `candidates`, `deepfake` or `sft`.
        data_dir (`str`): the directory of a release, a run or scenes.
        hash (`str`, *optional*): identifies the content; computed from the files unless given.
        options: any other of `datasets.DatasetBuilder`, by name.
    """

    BUILDER_CONFIGS: ClassVar[list[datasets.BuilderConfig]] = [
        datasets.BuilderConfig(name=name, version="1.0.0", description=text) for name, text in DESCRIPTIONS.items()
    ]
    DEFAULT_CONFIG_NAME = "default"

    def __init__(
        self, *, config_name: str | None = None, data_dir: str | None = None, hash: str | None = None, **options: Any
    ) -> None:
        if data_dir is None:
            raise InputError("data_dir: is not set; give the directory of a release, a run or scenes")
        super().__init__(
            config_name=config_name,
            data_dir=str(data_dir),
            dataset_name=options.pop("dataset_name", "anomreason"),
            hash=hash or content_hash(Path(data_dir)),
            **options,
        )

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=self.config.description, features=FEATURES[self.config.name])

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        name: Config = self.config.name
        source = open_source(Path(self.config.data_dir))
        broken = [finding for finding in source.findings if finding.is_error]
        if broken:
            raise InputError(f"{broken[0].message} (and {len(broken) - 1} more; list them with `anomreason validate`)")
        rows = {split: of_config(source.rows, name, split) for split in SPLITS}
        if not any(rows.values()):
            raise InputError(f"{self.config.data_dir}: has no rows for the configuration {name}; choose another")
        # A list among the arguments is what `num_proc` divides.
        return [
            datasets.SplitGenerator(
                name=split, gen_kwargs={"items": sft_turns(chosen) if name == "sft" else list(chosen)}
            )
            for split, chosen in rows.items()
            if chosen
        ]

    def _generate_examples(self, items: list[Row | Turns]) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, item in enumerate(items):
            row = item.row if isinstance(item, Turns) else item
            assert row.picture is not None
            data = row.picture.read()
            yield (
                index,
                conversation_row(item, data) if isinstance(item, Turns) else example(row, self.config.name, data),
            )
