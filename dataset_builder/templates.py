"""Templates of reports, cards and pages: one environment, one page around every report (`shell.html.jinja`), and one way to put a
foreign text into Markdown."""

import re
import shlex
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import jinja2

__all__ = ["Made", "code", "environment", "markdown", "typed"]


class Made(NamedTuple):
    """What the head of a report says of its making: when, with what, and the command, which is empty where Python code called."""

    when: str
    by: str
    command: str


def typed() -> str:
    """The command line of this process, to be typed again; empty if it is another program than ours.

    An address of a server is left out: it may hold a key.
    """
    program, *arguments = sys.argv or [""]
    if Path(program).stem != "anomreason":
        return ""
    return shlex.join(["anomreason", *(re.sub(r"(?i)https?://.*", "URL", argument) for argument in arguments)])


def _made() -> Made:
    try:
        version = f" {metadata.version('anomreason')}"
    except metadata.PackageNotFoundError:  # code that lies somewhere without being installed, as a Space's does
        version = ""
    return Made(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", f"AnomReason{version}", typed())


def environment(folder: Path) -> jinja2.Environment:
    """The templates of a folder, and those that reports share. HTML is escaped, Markdown is not: there the filters `markdown` and
    `code` are for what comes from outside.

    A name that a template uses and nobody gave is an error, never an empty place.
    """
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"markdown": markdown, "code": code}
    found.globals["made"] = _made
    return found


def markdown(text: object, limit: int = 240) -> str:
    """A text from outside, in a line or a table's cell of Markdown: one line, nothing that Markdown or HTML would obey.

    >>> markdown("<b>a|b</b>")
    '&lt;b&gt;a\\\\|b&lt;/b&gt;'
    """
    plain = _one_line(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#!|~$" else c for c in plain)


def code(text: object, limit: int = 240) -> str:
    """The same between backticks, where only a backtick has a meaning; no tag is left for a renderer that does not know that."""
    return _one_line(text, limit).translate(str.maketrans("`<>", "'‹›"))


def _one_line(text: object, limit: int) -> str:
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
