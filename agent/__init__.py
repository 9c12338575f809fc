"""AnomAgent: agents that annotate pictures, and a review desk for the people who check the annotations.

`AnomAgent` annotates one picture; `agent.run.annotate` a folder or dataset. Importing this is cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.agent import AnomAgent
    from agent.plans import Annotation

__all__ = ["Annotation", "AnomAgent"]


def __getattr__(name: str) -> Any:
    if name == "AnomAgent":
        from agent.agent import AnomAgent

        return AnomAgent
    if name == "Annotation":
        from agent.plans import Annotation

        return Annotation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
