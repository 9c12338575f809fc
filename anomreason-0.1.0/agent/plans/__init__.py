"""Call plans: which stages a picture goes through, in what order, and how their answers become its anomalies.

`paper` is the official agent's: stages, order and number of calls. `efficient` asks the same agents a fraction of
the calls. `vote` keeps what independent looks at the whole picture agree on. `direct` is one call with the prompt of training.
"""

from agent.plans.annotation import Annotation, Settings
from agent.plans.direct import direct
from agent.plans.efficient import efficient
from agent.plans.paper import paper
from agent.plans.vote import vote

__all__ = ["PLANS", "Annotation", "Settings"]

PLANS = {"vote": vote, "efficient": efficient, "paper": paper, "direct": direct}
