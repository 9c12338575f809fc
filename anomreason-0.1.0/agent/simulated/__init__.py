"""A simulated vision-language model: a real OpenAI-compatible HTTP server that answers from scenes of known truth.

It is how the agent is tested, measured and shown without a paid model, and it is public: point any client at it.

    with serve(Path("demo/scenes"), miss=0.2, hallucinate=0.1) as base_url:
        ...  # base_url ends in /v1; the model is called `simulated`
"""

from agent.simulated.batches import BatchRules
from agent.simulated.questions import MODEL
from agent.simulated.rates import Rates
from agent.simulated.serving import serve

__all__ = ["MODEL", "BatchRules", "Rates", "serve"]
