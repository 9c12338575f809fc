"""What every way of decoding has in common, and the plainest of them: one call of `generate`."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

__all__ = ["Decode", "cut", "ends", "plain"]

Decode = Callable[[Mapping[str, Tensor], int], list[list[int]]]
"""`(inputs, limit)` to the answer's tokens of each row, its end token included unless `limit` tokens came first.

`inputs` are as the processor gives them, with pictures; `input_ids` [batch, length] is padded on the left.
"""


def ends(model: Any) -> list[int]:
    """The tokens that end an answer."""
    told = model.generation_config.eos_token_id
    return [told] if isinstance(told, int) else list(told or ())


def cut(answer: list[int], stops: list[int]) -> list[int]:
    """The tokens up to the first that ends an answer, which is kept."""
    return answer[: next((at + 1 for at, token in enumerate(answer) if token in stops), len(answer))]


def plain(model: Any, inputs: Mapping[str, Tensor], limit: int) -> list[list[int]]:
    """One call of `generate`, whatever the model and its generation settings are."""
    made = model.generate(**inputs, max_new_tokens=limit, do_sample=False)
    return [cut(answer, ends(model)) for answer in made[:, inputs["input_ids"].shape[1] :].tolist()]
