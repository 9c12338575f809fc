"""The guidelines that a reviewer can open next to the picture: a Markdown file as HTML in which nothing runs or loads."""

from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from dataset_builder.errors import InputError
from dataset_builder.files.regular import read_regular

__all__ = ["read_guidelines", "rendered"]

LARGEST = 2**18
"""Bytes."""


def read_guidelines(path: Path) -> str:
    """The HTML of a Markdown file.

    Raises:
        InputError: if it cannot be read, is not UTF-8, or has more than 256 KiB.
    """
    try:
        return rendered(read_regular(path, LARGEST).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--guidelines {path}: cannot be read ({reason}); give a Markdown file in UTF-8") from None


def rendered(text: str) -> str:
    """Markdown (CommonMark and tables) as HTML: its HTML is shown as text, pictures are their descriptions, and links lead only to
    the web or a mail address. Headings begin at the third level, below those of the page.

    >>> rendered("# Rules\\n<script>x</script>")
    '<h3>Rules</h3>\\n<p>&lt;script&gt;x&lt;/script&gt;</p>\\n'
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "html_inline", "html_block"])
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        for link in token.children or []:
            if link.type == "link_open":
                _lead_elsewhere(link)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _lead_elsewhere(link: Token) -> None:
    """A link that opens in another tab, and only to the web or a mail address."""
    address = str(link.attrGet("href") or "")
    if address.partition(":")[0].lower() not in ("http", "https", "mailto"):
        link.attrs.pop("href", None)
        return
    link.attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
