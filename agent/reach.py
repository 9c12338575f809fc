"""Whether a model's server can be reached, found out before anything is asked of it."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agent.budget import read_prices
from agent.connection import OPENAI, api_key, connect
from dataset_builder.contestants import Contestant
from dataset_builder.errors import UnavailableError
from dataset_builder.preflight import Check

__all__ = ["ROOM", "check_endpoint", "check_reachable", "contestant_checks"]

ROOM = 20_000_000
"""Bytes: the journal and the report of a small run."""

PATIENCE = 10.0
"""Seconds for a server to take a connection and answer."""


def check_endpoint(model: str, base_url: str | None) -> None:
    """Ask the server for its list of models; whatever it answers, it is there.

    Raises:
        UnavailableError: if a key is missing, the address is not one, or nothing answers.
    """
    import httpx2

    connect(model, base_url)
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI).rstrip("/")
    if base_url is None and "/" in model:
        url = "https://router.huggingface.co/v1"
    key = api_key(url)
    try:
        httpx2.get(f"{url}/models", headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=PATIENCE)
    except httpx2.HTTPError as error:
        raise UnavailableError(
            f"{model}: no answer from the server {url} ({type(error).__name__}); check that it is running and that --base-url "
            "is right"
        ) from None


def check_reachable(model: str, base_urls: Sequence[str | None]) -> None:
    """Check that one of several servers of a model is there; the others are left out as long as they are not.

    Raises:
        UnavailableError: if none is, with the reason of each.
    """
    reasons = []
    for url in base_urls:
        try:
            check_endpoint(model, url)
        except UnavailableError as error:
            reasons.append(str(error))
        else:
            return
    raise UnavailableError("; ".join(reasons))


def contestant_checks(contestants: dict[str, Contestant], prices: Path | None = None) -> list[Check]:
    """What the endpoints among a benchmark's models, or an audit's reviewer, need: an answer, and a price table."""
    asked = {(one.model, one.base_url) for one in contestants.values() if one.is_remote}
    checks: list[Check] = [partial(check_endpoint, str(model), url) for model, url in sorted(asked, key=str)]
    return [*checks, partial(read_prices, prices)] if prices else checks
