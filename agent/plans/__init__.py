"""Call plans: which stages a picture goes through, in what order, and how their answers become its anomalies.

`paper` is the official agent's: stages, order and number of calls. `efficient` asks the same agents a fraction of
the calls. `vote` keeps what independent looks at the whole picture agree on. `direct` is one call with the prompt of training.
"""

from agent.plans.annotation import Annotation, Settings
from agent.plans.direct import direct
from agent.plans.efficient import efficient
from agent.plans.paper import paper
from agent.plans.vote import vote
from agent.stages import Stage

__all__ = ["PLANS", "STAGES", "Annotation", "Settings"]

PLANS = {"vote": vote, "efficient": efficient, "paper": paper, "direct": direct}

STAGES: dict[str, tuple[Stage, ...]] = {
    "vote": ("look", "integrate", "relations_verify"),
    "efficient": (
        "discovery_draft",
        "attributes_broad",
        "relations_broad",
        "scan",
        "integrate",
        "attributes_verify",
        "relations_verify",
        "format",
    ),
    "paper": (
        "discovery_draft",
        "discovery_merge",
        "attributes_broad",
        "attributes_verify",
        "relations_broad",
        "relations_verify",
        "summary_object",
        "summary_image",
        "scan",
        "format",
    ),
    "direct": (),
}
"""The stages that each plan may ask."""
