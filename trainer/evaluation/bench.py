"""`bench.yaml`: the data and the models of a benchmark.

```yaml
dataset: anomreason
split: test
config: deepfake      # optional; where pictures are labelled real and fake, verdicts are asked for and scored too
limit: 500            # optional: only so many pictures, evenly spaced
encoder: minilm       # optional; the metric's own default otherwise
budget_usd: 20        # optional, over all endpoints together; also budget_tokens, budget_calls
prices: prices.yaml   # MODEL: {input: …, output: …}, US dollars per million tokens; needed by budget_usd
models:
  tiny: {model: tiny}
  adapted: {model: tiny, adapter: runs/adapter}
  served: {model: Qwen/Qwen2.5-VL-7B-Instruct, base_url: http://localhost:8000/v1}
  agent: {model: gpt-4o, plan: vote}
  theirs: {predictions: their_preds.json}
```

Paths are resolved relative to the file.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from dataset_builder.contestants import Contestant, Limited
from dataset_builder.errors import InputError
from dataset_builder.files.regular import read_regular

__all__ = ["Bench", "read_bench"]


class Bench(Limited):
    """What `bench.yaml` holds."""

    models: Annotated[dict[str, Contestant], Field(min_length=1)]
    dataset: str = "anomreason"
    config: str | None = None
    split: str = "test"
    limit: Annotated[int, Field(gt=0)] | None = None
    encoder: str | None = None
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    seed: int = 0


def read_bench(path: Path) -> Bench:
    """Read `bench.yaml`.

    Raises:
        InputError: naming the file, the key and the value.
    """
    try:
        bench = Bench.model_validate(yaml.safe_load(read_regular(path)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not valid YAML ({' '.join(str(error).split())}); fix it") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from None

    def near(name: str | None) -> str | None:
        """A directory next to the file, or the name of something on the Hub or at a server."""
        return str(path.parent / name) if name and (path.parent / name).is_dir() else name

    beside = {
        name: one.model_copy(
            update={
                "model": one.model if one.is_remote else near(one.model),
                "adapter": near(one.adapter),
                "predictions": path.parent / one.predictions if one.predictions else None,
            }
        )
        for name, one in bench.models.items()
    }
    # What is not in the file stays unset, so that a caller can tell.
    moved = {} if near(bench.dataset) == bench.dataset else {"dataset": near(bench.dataset)}
    prices = path.parent / bench.prices if bench.prices else None
    return bench.model_copy(update={"models": beside, "prices": prices, **moved})
