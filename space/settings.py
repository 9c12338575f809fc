"""What the page is served with, from the command's options or the environment (a Space has nothing else)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset_builder.errors import InputError

__all__ = ["ROUTER", "Settings"]

ROUTER = "https://router.huggingface.co/v1"
"""Hugging Face's Inference Providers."""


@dataclass(frozen=True)
class Settings:
    """The models and the run behind the page.

    Attributes:
        model (`str`): `tiny`, a directory or a Hub id; the model's name at an endpoint.
        adapter (`str`, *optional*): a LoRA adapter's directory or Hub id; it is compared with its base.
        base_url (`str`, *optional*): an OpenAI-compatible endpoint. Its key comes from the environment, see `key`, never from an
            option, where every process list would show it.
        compare (`str`, *optional*): a second model to compare with: `tiny`, a directory or a Hub id.
        thorough (`bool`): whether AnomAgent may be chosen; it needs an endpoint.
        run (`Path`, *optional*): a run to review.
        boxes (`bool`): whether models are asked where each anomaly is. Off unless the model is known to tell: a box in the wrong
            place misleads, and the tiny model's are rough.
        visitors_model (`str`, *optional*): a model of Inference Providers that visitors who sign in pay for themselves.
        visitors_url (`str`): where it is, and where their tokens are sent.
        fetch (`bool`): whether the MCP tool may fetch pictures from public web addresses.
    """

    model: str = "tiny"
    adapter: str | None = None
    base_url: str | None = None
    compare: str | None = None
    thorough: bool = False
    run: Path | None = None
    boxes: bool = False
    visitors_model: str | None = None
    visitors_url: str = ROUTER
    fetch: bool = False

    def __post_init__(self) -> None:
        if self.base_url and not self.base_url.startswith(("http://", "https://")):
            raise InputError(f"--base-url {self.base_url}: is not a web address; begin it with http:// or https://")
        if self.base_url and self.adapter:
            raise InputError(
                f"--adapter {self.adapter}: an endpoint has its own weights; leave out --adapter or --base-url"
            )
        if self.base_url and self.model == "tiny":
            raise InputError("--base-url: needs --model, the model's name at the endpoint")
        if self.thorough and not self.base_url:
            raise InputError("--thorough: AnomAgent needs an endpoint; give its URL with --base-url")
        if not self.visitors_url.startswith(("http://", "https://")):
            raise InputError(f"--visitors-url {self.visitors_url}: is not a web address; begin it with https://")
        if self.run and not self.run.is_dir():
            raise InputError(f"--run {self.run}: no such directory; give what `anomreason annotate --out` wrote")

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> "Settings":
        """From `ANOMREASON_MODEL`, `_ADAPTER`, `_BASE_URL`, `_COMPARE`, `_THOROUGH`, `_RUN`, `_BOXES`, `_VISITORS_MODEL`,
        `_VISITORS_URL` and `_FETCH`, where set.
        """

        def value(name: str) -> str | None:
            return variables.get(f"ANOMREASON_{name}") or None

        def yes(name: str) -> bool:
            return (value(name) or "").lower() in ("1", "true", "yes")

        run = value("RUN")
        return cls(
            model=value("MODEL") or "tiny",
            adapter=value("ADAPTER"),
            base_url=value("BASE_URL"),
            compare=value("COMPARE"),
            thorough=yes("THOROUGH"),
            run=Path(run) if run else None,
            boxes=yes("BOXES"),
            visitors_model=value("VISITORS_MODEL"),
            visitors_url=value("VISITORS_URL") or ROUTER,
            fetch=yes("FETCH"),
        )

    @staticmethod
    def key(base_url: str) -> str | None:
        """The endpoint's key, read where it is used and kept nowhere else.

        It is `ANOMREASON_API_KEY`; without it what the agent would send there: `HF_TOKEN` only to Hugging Face,
        `OPENAI_API_KEY` to others.
        """
        from agent.connection import api_key

        return os.environ.get("ANOMREASON_API_KEY") or api_key(base_url)
