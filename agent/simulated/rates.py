"""How often the simulated model errs and its server fails, and the draws that decide when."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from dataset_builder.errors import InputError

__all__ = ["ANSWER_FAULTS", "SERVER_FAULTS", "Dice", "Rates"]

_T = TypeVar("_T")

SERVER_FAULTS = ("busy", "broken", "hang", "cut")
"""Faults that give no answer: 429 with Retry-After, 500 or 503, silence, a connection cut within the answer."""

ANSWER_FAULTS = ("malformed", "truncated", "refused", "hostile")
"""Faults of an answer, which is billed all the same: bad JSON or a bad schema, cut off at its length, refused, and texts
that mean to be markup, terminal codes, instructions or a megabyte long."""


@dataclass(frozen=True)
class Rates:
    """Rates are shares of 1; those of faults are shares of requests and add up to 1 at most.

    Attributes:
        seed (`int`): of everything drawn.
        miss (`float`): how often a look at one object misses the object or an anomaly of it. A look at the whole picture
            misses anomalies twice as often, one at k objects at once (2 - 1/k) times, and a glance while listing objects
            sees half of what a look would.
        hallucinate (`float`): how often a look finds something about an object that is not there.
        catch (`float`): how often a look at one finding tells that it is not there. Summaries catch half as often, a look at k
            findings at once (1 + 1/k) / 2 times as often.
        doubt (`float`): how often such a look drops a finding that is there, or takes it for another; summaries doubt half as
            often.
        misgroup (`float`): how often a finding in a list is not put with those that say the same: half of the time it stays by
            itself, else it is put with the first of the list.
        misjudge (`float`): how often the judge of two texts errs, about the anomaly and about the reason.
        bias (`float`): the share of inventions that are of the model's favourite kind, the same one in all looks.
        stubborn (`float`): the share of these errors that every look at the same thing repeats, whatever is asked; the others
            are independent. The rates themselves stay as they are.
        malformed, truncated, refused, hostile (`float`): see `ANSWER_FAULTS`.
        busy, broken, hang, cut (`float`): see `SERVER_FAULTS`.
        retry_after (`float`): seconds that a 429 asks to wait.
        latency (`float`): seconds per answer.
        slots (`int`): answers made at a time, the others wait; 0 for no limit. With `latency`, the server's capacity is
            `slots / latency` answers per second.
        schemas (`bool`): whether `response_format` is known; else it is answered with 400.
    """

    seed: int = 0
    miss: float = 0.0
    hallucinate: float = 0.0
    catch: float = 0.8
    doubt: float = 0.0
    misjudge: float = 0.0
    misgroup: float = 0.0
    bias: float = 0.0
    stubborn: float = 0.0
    malformed: float = 0.0
    truncated: float = 0.0
    refused: float = 0.0
    hostile: float = 0.0
    busy: float = 0.0
    broken: float = 0.0
    hang: float = 0.0
    cut: float = 0.0
    retry_after: float = 1.0
    latency: float = 0.0
    slots: int = 0
    schemas: bool = True

    def __post_init__(self) -> None:
        for name in (
            "miss",
            "hallucinate",
            "catch",
            "doubt",
            "misjudge",
            "misgroup",
            "bias",
            "stubborn",
            *SERVER_FAULTS,
            *ANSWER_FAULTS,
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} {getattr(self, name)}: is not a rate; give a number from 0 to 1")
        for name in ("retry_after", "latency", "slots"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} {getattr(self, name)}: is negative or infinite; give 0 or more")
        total = sum(getattr(self, fault) for fault in SERVER_FAULTS + ANSWER_FAULTS)
        if total > 1 + 1e-9:
            raise InputError(f"the rates of faults add up to {total:g}; they are shares of all requests, at most 1")

    def fault(self, dice: "Dice", attempt: int) -> str | None:
        """What goes wrong with an attempt at a question, if anything."""
        at = dice("fault", attempt)
        for fault in SERVER_FAULTS + ANSWER_FAULTS:
            at -= getattr(self, fault)
            if at < 0:
                return fault
        return None

    @classmethod
    def named(cls, **rates: float | bool) -> "Rates":
        """The rates of these names.

        Raises:
            InputError: for a name that is none, or a value out of range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(rates) - known):
            raise InputError(
                f"{', '.join(unknown)}: is not a rate of the simulated model; choose from {', '.join(known)}"
            )
        return cls(**rates)  # type: ignore[arg-type]


class Dice:
    """Draws that depend on what is asked alone: the same question gives the same draws, in any order and process.

    Args:
        identity: of the question.
        picture: of what it is about: errors that are repeated are drawn from that.
        stubborn (`float`, defaults to 0): their share.
    """

    def __init__(self, *identity: object, picture: object = None, stubborn: float = 0.0) -> None:
        self._root, self._picture, self._stubborn = _digest(identity), _digest(("picture", picture)), stubborn

    def __call__(self, *what: object) -> float:
        """A number from 0 up to 1."""
        return _draw(self._root, what)

    def error(self, *what: object) -> float:
        """A number from 0 up to 1 for an error, which the model may make whatever it is asked."""
        repeated = self._stubborn > 0 and _draw(self._picture, ("repeated", *what)) < self._stubborn
        return _draw(self._picture if repeated else self._root, what)

    def happens(self, rate: float, *what: object) -> bool:
        """True with the probability `rate`."""
        return self.error(*what) < rate

    def one(self, options: Sequence[_T], *what: object) -> _T:
        """One of several, each as likely."""
        return options[int(self(*what) * len(options))]


def _digest(identity: object) -> bytes:
    return hashlib.sha256(repr(identity).encode(errors="surrogatepass")).digest()


def _draw(root: bytes, what: tuple[object, ...]) -> float:
    drawn = hashlib.blake2b(repr(what).encode(errors="surrogatepass"), key=root, digest_size=8).digest()
    return int.from_bytes(drawn) / 2**64
