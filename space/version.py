"""This project's version, also where nothing of it is installed."""

from importlib import metadata
from pathlib import Path

__all__ = ["VERSION_FILE", "version"]

VERSION_FILE = "version.txt"
"""In the Space's repository, where nothing is installed, the version lies in this file of the package."""


def version() -> str:
    """The version, such as `0.2.0`."""
    try:
        return metadata.version("anomreason")
    except metadata.PackageNotFoundError:
        return Path(__file__).with_name(VERSION_FILE).read_text(encoding="utf-8").strip()
