"""Templates of reports, cards and pages: one environment, and one way to put a foreign text into Markdown."""

from pathlib import Path

import jinja2

__all__ = ["code", "environment", "markdown"]


def environment(folder: Path) -> jinja2.Environment:
    """The templates of a folder. HTML is escaped, Markdown is not: there the filters `markdown` and `code` are for
    what comes from outside.

    A name that a template uses and nobody gave is an error, never an empty place.
    """
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"markdown": markdown, "code": code}
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
