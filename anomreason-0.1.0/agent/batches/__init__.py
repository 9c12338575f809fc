"""The engine `batch`: calls go as files of many requests, which a server answers within a day at half the price.

`files` writes requests and reads results, `api` speaks to the server, `server` takes the place of a server that answers at once.
"""

from agent.batches.server import PICTURES, through_batches

__all__ = ["PICTURES", "through_batches"]
