"""The dataset card, generated from what was built."""

import datasets
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

__all__ = ["dataset_card"]

_BODY = """
# AnomReason, rendered scenes

> **These are rendered cartoon scenes, not the paper's pictures.** They follow the format of AnomReason (arXiv:2510.10231) and let
> everything around it run without a download. A score on them says nothing about photographs or about real image generators.

{description}

Each picture comes with a list of quadruplets: *name*, *phenomenon* (what is wrong), *reasoning* (why it cannot be) and
*severity*, from 0 (completely irrational) to 100 (completely realistic): **low is severe**. Every anomalous picture has a clean
twin, the same scene with nothing wrong in it and an empty list; twins are always in the same split.

```python
from datasets import load_dataset

dataset = load_dataset("anomreason")  # in the directory that holds ./anomreason, or after `anomreason install`
dataset["test"][0]["anomalies"]
```

| split | pictures |
|---|---|
{splits}

The truth is the renderer's own: no person annotated it and no model proposed it. Licence: Apache-2.0.
"""


def dataset_card(info: datasets.DatasetInfo) -> str:
    """The `README.md` of a dataset repository built from scenes: YAML front matter (from `info`) and a description."""
    data = DatasetCardData(
        license="apache-2.0",
        pretty_name="AnomReason (rendered scenes)",
        task_categories=["image-text-to-text"],
        annotations_creators=["machine-generated"],
        language=["en"],
        tags=["anomaly-reasoning", "synthetic", "scenes"],
        version=f"scenes-{info.version}",
    )
    MetadataConfigs(
        default={
            "data_files": [{"split": split, "path": f"data/{split}-*"} for split in info.splits],
            "default": True,
        }
    ).to_dataset_card_data(data)
    DatasetInfosDict(default=info).to_dataset_card_data(data)
    splits = "\n".join(f"| {name} | {split.num_examples} |" for name, split in info.splits.items())
    return f"---\n{data.to_yaml()}\n---\n{_BODY.format(description=info.description, splits=splits)}"
