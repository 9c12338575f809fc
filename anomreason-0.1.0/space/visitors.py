"""A model that the visitor pays for: signed in with Hugging Face, out of the visitor's own quota of Inference Providers.

The token lies in the visitor's browser, in Gradio's signed cookie. Here it goes from the request into the one call that it pays
for; it is neither kept nor logged.
"""

from typing import Any

import httpx2

from agent.picture_tokens import picture_tokens
from space.endpoint import Endpoint

__all__ = ["Visitors"]

_PROMPT, _ANSWER = 150, 600
"""Tokens of the question, and of a usual answer."""
_SIDE = 1024


class Visitors:
    """A vision-language model of Inference Providers, chosen by whoever runs the page.

    Args:
        base_url (`str`): where visitors' tokens are sent; Hugging Face's router unless the operator says otherwise.
        model (`str`): its id on the Hub.
    """

    at_once = 8

    def __init__(self, base_url: str, model: str) -> None:
        self.base_url, self.model = base_url, model
        self.name = model.rsplit("/", 1)[-1]
        self.cost = _cost(model, _price(base_url, model))

    def paid_by(self, token: str) -> Endpoint:
        """The model for one picture of one visitor. It is asked for boxes."""
        return Endpoint(self.base_url, self.model, boxes=True, key=token)


def _price(base_url: str, model: str) -> tuple[float, float] | None:
    """US dollars per million tokens, read and written, at the cheapest provider; `None` where nobody says."""
    try:
        listed: Any = httpx2.get(f"{base_url.rstrip('/')}/models", timeout=5.0).json()["data"]
        (providers,) = (one["providers"] for one in listed if one["id"] == model)
        prices = [
            (float(one["pricing"]["input"]), float(one["pricing"]["output"])) for one in providers if "pricing" in one
        ]
        return min(prices, key=sum, default=None)
    except (httpx2.HTTPError, KeyError, TypeError, ValueError):
        return None


def _cost(model: str, price: tuple[float, float] | None) -> str:
    """What one picture costs, as far as it is known.

    >>> _cost("Qwen/Qwen2.5-VL-7B-Instruct", (0.2, 0.6))
    'about 2,119 tokens per picture, $0.0007 at the cheapest provider'
    """
    read = picture_tokens(model, _SIDE, _SIDE) + _PROMPT
    told = f"about {read + _ANSWER:,} tokens per picture"
    if price is None:
        return f"{told}; the price depends on the provider"
    return f"{told}, ${(read * price[0] + _ANSWER * price[1]) / 1e6:.4f} at the cheapest provider"
