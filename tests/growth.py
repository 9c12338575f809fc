"""How the work of reading a text grows with the text, whatever the machine is and does beside it."""

import time
from collections.abc import Callable

SHORT, TIMES = 2**16, 8
SLACK, ROOM = 3, 0.1
"""How much more than its share a long text may take, and seconds of the processor that count for nothing."""


def grows_linearly(read: Callable[[str], object], piece: str, end: str = "") -> bool:
    """Whether half a megabyte of repetitions takes about eight times the work of an eighth of it: squared, it is 64."""

    def took(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length] + end
        start = time.process_time()
        read(text)
        return time.process_time() - start

    return took(SHORT * TIMES) <= SLACK * TIMES * took(SHORT) + ROOM
