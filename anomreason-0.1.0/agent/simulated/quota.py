"""A quota of requests per minute, as servers keep it: a count that starts again with each window."""

import time

__all__ = ["Quota"]


class Quota:
    """So many requests in each window.

    Args:
        count (`int`): requests.
        seconds (`float`): of a window, which begins with its first request.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.count, self.seconds = count, seconds
        self._begun, self._taken = float("-inf"), 0

    def take(self) -> float | None:
        """Take one; or the seconds until the next window, if none is left."""
        now = time.monotonic()
        if now >= self._begun + self.seconds:
            self._begun, self._taken = now, 0
        if self._taken >= self.count:
            return self._begun + self.seconds - now
        self._taken += 1
        return None
