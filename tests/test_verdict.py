"""One verdict: what `predict` writes into a file is what the page shows of the same picture."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from space.local import Local, Weights
from trainer.loading import load_processor
from trainer.predict import predict


class Said(SimpleNamespace):
    """A model whose answer begins with these logits, whatever it is shown."""

    device = torch.device("cpu")
    config = SimpleNamespace(model_type="said", get_text_config=lambda: None)

    def __call__(self, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits)


@pytest.mark.parametrize(
    ("said", "label", "p_fake"),
    [
        # " Yes" is a Yes as well: weighing "Yes" against "No" alone would say real, with .269.
        ({"Yes": 0.0, " Yes": 3.0, "No": 1.0}, "fake", 0.885805),
        ({"Yes": 1.0, "No": 3.0, " no": 2.0}, "real", 0.090031),
        ({"[": 9.0, "Yes": 3.0, "No": 1.0}, None, None),
    ],
    ids=["fake", "real", "neither"],
)
def test_the_same_logits_give_the_same_verdict_everywhere(
    said: dict[str, float], label: str | None, p_fake: float | None
) -> None:
    """Label and probability of `predict` and of the page are equal; an answer that is neither yes nor no is no verdict in both."""
    processor = load_processor("tiny")
    logits = torch.full((1, 1, len(processor.tokenizer)), -30.0)
    for word, value in said.items():
        (token,) = processor.tokenizer.encode(word, add_special_tokens=False)
        logits[0, 0, token] = value
    model, picture = Said(logits=logits), Image.new("RGB", (56, 56), "teal")
    (predicted,) = predict([("a.png", picture)], model, processor, task="verdict")
    shown = Local("said", Weights(model, processor), tiny=False)._verdict(model, picture)
    assert (predicted.label, predicted.p_fake) == (label, None if p_fake is None else pytest.approx(p_fake, abs=1e-5))
    assert shown == (None if label is None else {"label": predicted.label, "p_fake": predicted.p_fake})
