"""The verdict, real or generated, with its probability: one forward pass, read off where the answer begins.

Predictions and the page both have it from here: the same logits are the same answer.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dataset_builder.schema import Label

__all__ = ["Judgement", "judge"]

_WORDINGS = ("{}", " {}")


class Judgement(NamedTuple):
    """What was answered: the `label` and the probability of `fake`, both `None` if the answer is neither yes nor no."""

    label: Label | None
    p_fake: float | None
    raw: str


@torch.inference_mode()
def judge(model: Any, processor: Any, inputs: Mapping[str, Tensor]) -> list[Judgement]:
    """The verdict on each row of `inputs`, prompts of the task `verdict` that are padded on the left.

    `p_fake` is the probability of the tokens that say yes, divided by that of those that say yes or no, at the first place of the
    answer. The label is `fake` from 0.5. If the likeliest token is none of them, there is no verdict.
    """
    yes, no = (_tokens(processor.tokenizer, word) for word in ("Yes", "No"))
    likely = model(**inputs, logits_to_keep=1).logits[:, -1].float().softmax(dim=-1).cpu()
    verdicts = []
    for row, top in zip(likely, likely.argmax(dim=-1).tolist(), strict=True):
        raw = processor.tokenizer.decode([top]).strip()
        if top not in yes and top not in no:
            verdicts.append(Judgement(None, None, raw))
            continue
        said_yes, said_no = row[yes].sum().item(), row[no].sum().item()
        p_fake = said_yes / (said_yes + said_no)
        verdicts.append(Judgement("fake" if p_fake >= 0.5 else "real", round(p_fake, 6), raw))
    return verdicts


def _tokens(tokenizer: Any, word: str) -> list[int]:
    """The tokens that are the word in one of its spellings, else the first of the plain one's."""
    spelled = [form.format(w) for form in _WORDINGS for w in (word, word.lower(), word.upper())]
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in spelled]
    return sorted({one[0] for one in ids if len(one) == 1}) or [ids[0][0]]
