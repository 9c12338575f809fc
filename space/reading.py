"""Reads a model's answer while it is being written.

A list of objects can be read one object at a time: an object is complete when its closing brace is outside every
string. Each complete one goes through the one parser of answers; nothing is read twice, so the time is linear. What the
model wrote besides, and what it meant, is decided at the end, by that parser over the whole answer.
"""

from dataset_builder.schema import Anomaly
from dataset_builder.textform import Parsed, identity, parse_answer

__all__ = ["MAX_CHARACTERS", "Reading"]

MAX_CHARACTERS = 200_000
"""What comes after this many characters of an answer is not read: no model has that much to say about a picture."""


class Reading:
    """An answer as far as it has come.

    >>> reading = Reading()
    >>> [one.name for one in reading.feed('[{"name": "Third arm", "phenomenon": "Three {arms}.", "severity": 10}, {"na')]
    ['Third arm']
    >>> reading.feed('me": "Cup"'), reading.finish().status
    ([], 'partial')
    """

    def __init__(self) -> None:
        self.text = ""
        self._scanned = 0
        self._start: int | None = None
        self._depth = 0
        self._quoted = self._escaped = False
        self._thinking = False
        self._told: set[object] = set()

    @property
    def full(self) -> bool:
        """Whether the answer is longer than any answer needs to be."""
        return len(self.text) >= MAX_CHARACTERS

    def feed(self, piece: str) -> list[Anomaly]:
        """Take the next piece; returns the anomalies that it completes."""
        self.text = (self.text + piece)[:MAX_CHARACTERS]
        # A model's thinking holds drafts that it takes back: nothing is shown before it has ended.
        if "<think" in self.text[:200] and "</think>" not in self.text:
            self._thinking = True
            return []
        if self._thinking:
            self._thinking, self._scanned = False, self.text.rindex("</think>")
        complete = []
        for position in range(self._scanned, len(self.text)):
            if end := self._step(self.text[position], position):
                complete += self._new(parse_answer(self.text[end[0] : end[1]]).anomalies)
        self._scanned = len(self.text)
        return complete

    def _new(self, anomalies: list[Anomaly]) -> list[Anomaly]:
        """Those that the answer has not told before."""
        new = [one for one in anomalies if identity(one) not in self._told]
        self._told |= {identity(one) for one in new}
        return new

    def _step(self, character: str, position: int) -> tuple[int, int] | None:
        """One character on; returns where an outermost object starts and ends when it ends here."""
        if self._depth and self._quoted:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._quoted = False
        elif character == "{":
            self._start = position if self._depth == 0 else self._start
            self._depth += 1
        elif character == '"':
            self._quoted = self._depth > 0
        elif character == "}" and self._depth:
            self._depth -= 1
            if self._depth == 0 and self._start is not None:
                return self._start, position + 1
        return None

    def finish(self) -> Parsed:
        """The whole answer, as `dataset_builder.textform.parse_answer` reads it."""
        return parse_answer(self.text)
