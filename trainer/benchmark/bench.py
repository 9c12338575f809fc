"""`bench.yaml`: the data and the models of a benchmark.

```yaml
dataset: anomreason
split: test
config: deepfake      # optional; where pictures are labelled real and fake, verdicts are asked for and scored too
limit: 500            # optional: only so many pictures, evenly spaced
encoder: minilm       # optional; the metric's own default otherwise
budget_usd: 20        # optional, over all endpoints together; also budget_tokens, budget_calls
prices: prices.yaml   # MODEL: {input: …, output: …}, US dollars for a million tokens; needed by budget_usd
models:
  tiny: {model: tiny}
  adapted: {model: tiny, adapter: runs/adapter}
  served: {model: Qwen/Qwen2.5-VL-7B-Instruct, base_url: http://localhost:8000/v1}
  agent: {model: gpt-4o, plan: efficient}
  theirs: {predictions: their_preds.json}
```

`prices` and `predictions` are looked for beside the file.
"""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dataset_builder.errors import InputError

__all__ = ["Bench", "Budget", "Contestant", "read_bench"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Contestant(_Strict):
    """One predictor: a local model (`model`, `adapter`), an endpoint (`base_url` or `plan`, with `model`), or `predictions`.

    Attributes:
        plan (`str`, *optional*): `direct`, one call a picture, which is what an endpoint gets unless told otherwise; `efficient`
            and `paper` are the agent's.
    """

    model: str | None = None
    adapter: str | None = None
    base_url: str | None = None
    plan: Literal["direct", "efficient", "paper"] | None = None
    predictions: Path | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Contestant":
        if self.predictions is not None and self.model_fields_set != {"predictions"}:
            raise ValueError("predictions stands alone; remove the other keys or the file")
        if self.is_remote and self.model is None:
            raise ValueError("an endpoint needs model, the name the server knows it by; add it")
        if self.is_remote and self.adapter is not None:
            raise ValueError("an endpoint serves the adapter itself; remove adapter and name it as model")
        if self.predictions is None and self.model is None and self.adapter is None:
            raise ValueError("has neither model, adapter nor predictions; give one")
        return self

    @property
    def is_remote(self) -> bool:
        """Whether an endpoint answers."""
        return self.base_url is not None or self.plan is not None


class Budget(NamedTuple):
    """What all endpoints together may use, earlier runs included; `None` is no limit."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None


class Bench(_Strict):
    """What `bench.yaml` holds."""

    models: Annotated[dict[str, Contestant], Field(min_length=1)]
    dataset: str = "anomreason"
    config: str | None = None
    split: str = "test"
    limit: Annotated[int, Field(gt=0)] | None = None
    encoder: str | None = None
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    seed: int = 0
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    budget_tokens: Annotated[int, Field(gt=0)] | None = None
    budget_calls: Annotated[int, Field(gt=0)] | None = None
    prices: Path | None = None

    @property
    def budget(self) -> Budget:
        """The three limits."""
        return Budget(self.budget_usd, self.budget_tokens, self.budget_calls)

    @model_validator(mode="after")
    def _priced(self) -> "Bench":
        if self.budget_usd is not None and self.prices is None:
            raise ValueError("budget_usd needs prices, a table of what the models cost; add it")
        return self


def read_bench(path: Path) -> Bench:
    """Read `bench.yaml`.

    Raises:
        InputError: naming the file, the key and the value.
    """
    try:
        bench = Bench.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no YAML ({' '.join(str(error).split())}); mend it") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from None
    beside = {
        name: one.model_copy(update={"predictions": path.parent / one.predictions}) if one.predictions else one
        for name, one in bench.models.items()
    }
    return bench.model_copy(update={"models": beside, "prices": path.parent / bench.prices if bench.prices else None})
