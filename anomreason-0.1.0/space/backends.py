"""The choice of the models behind the page, from its settings."""

from dataclasses import dataclass

from space.backend import Backend
from space.settings import Settings
from space.visitors import Visitors

__all__ = ["Backends", "open_backends"]


@dataclass(frozen=True)
class Backends:
    """What the page offers: one to examine with, perhaps one to compare with, a thorough one, one that visitors pay for."""

    first: Backend
    second: Backend | None = None
    thorough: Backend | None = None
    visitors: Visitors | None = None


def open_backends(settings: Settings) -> Backends:
    """Load what the settings name; each model once.

    Raises:
        UnavailableError: if a model is out of reach.
        InputError: if an adapter does not fit.
    """
    first: Backend
    second: Backend | None = None
    if settings.base_url:
        from space.endpoint import Endpoint

        first = Endpoint(settings.base_url, settings.model, settings.boxes)
    else:
        from space.local import open_local

        local, second = open_local(settings.model, settings.adapter, settings.boxes)
        local.warm()
        first = local
    if settings.compare:
        from space.local import open_local

        second, _ = open_local(settings.compare, None, settings.boxes)
    return Backends(first, second, _thorough(settings), _visitors(settings))


def _thorough(settings: Settings) -> Backend | None:
    if not settings.thorough or settings.base_url is None:
        return None
    from space.thorough import Thorough

    return Thorough(settings.base_url, settings.model)


def _visitors(settings: Settings) -> Visitors | None:
    if settings.visitors_model is None:
        return None
    return Visitors(settings.visitors_url, settings.visitors_model)
