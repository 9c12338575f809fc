"""A simulated vision-language model: a real OpenAI-compatible HTTP server that answers from scenes of known truth.

It is how the agent is tested, measured and shown without a paid model, and it is public: point any client at it.

    with serve(Path("demo/scenes"), miss=0.2, hallucinate=0.1) as base_url:
        ...  # base_url ends in /v1; the model is called `simulated`

Importing this package loads none of its modules, because every command imports it to know the options of `simulate-vlm`; each
public name loads what it needs when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.simulated.batches import BatchRules
    from agent.simulated.questions import MODEL
    from agent.simulated.rates import Rates
    from agent.simulated.serving import serve

__all__ = ["MODEL", "BatchRules", "Rates", "serve"]

_HOME = {"MODEL": "questions", "BatchRules": "batches", "Rates": "rates", "serve": "serving"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
