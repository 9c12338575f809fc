"""The ways in which a picture can be looked at, of which a visitor chooses one: by which models, and who pays."""

from dataclasses import dataclass

from space.backend import Backend
from space.backends import Backends

__all__ = ["Way", "ways"]


@dataclass(frozen=True)
class Way:
    """A way of looking.

    Attributes:
        label (`str`): what a visitor chooses.
        hint (`str`): what it costs in time or money, if that is worth a word.
        about (`str`): what it does, for programs.
        models (`tuple[Backend]`): who looks, one after the other; none where each visitor has a model of their own.
        speaks (`bool`): whether it can answer in another language.
        paid (`bool`): whether the visitor pays, and has to sign in.
    """

    label: str
    hint: str
    about: str
    models: tuple[Backend, ...]
    speaks: bool = False
    paid: bool = False


def ways(backends: Backends) -> dict[str, Way]:
    """By name; the first is what is done unless another one is chosen."""
    first, second, thorough, visitors = backends.first, backends.second, backends.thorough, backends.visitors
    found = {
        "examine": Way(
            first.name,
            "",
            "List what in a picture defies common sense, physics or anatomy.",
            (first,),
            first.speaks,
        )
    }
    if second is not None:
        found["compare"] = Way(
            f"{first.name} and {second.name}, side by side",
            "",
            "Ask two models what in a picture defies common sense, physics or anatomy.",
            (first, second),
        )
    if thorough is not None:
        found["thorough"] = Way(
            "Thorough",
            "many questions, minutes instead of seconds",
            "List what in a picture defies common sense, physics or anatomy, with many questions: minutes, not seconds.",
            (thorough,),
        )
    if visitors is not None:
        found["yours"] = Way(visitors.name, f"from your own quota: {visitors.cost}", "", (), speaks=True, paid=True)
    return found
