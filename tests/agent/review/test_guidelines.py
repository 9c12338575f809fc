"""Guidelines: Markdown as it is meant, and nothing in it that runs, loads or leads astray."""

from pathlib import Path

import pytest

from agent.review.guidelines import read_guidelines, rendered
from dataset_builder.errors import InputError


def test_markdown_is_rendered(tmp_path: Path) -> None:
    """Headings below the page's own, lists, tables, emphasis, links that open beside the page."""
    path = tmp_path / "rules.md"
    path.write_text("# Rules\n\n- **one**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[more](https://example.org)\n")
    html = read_guidelines(path)
    for part in ("<h3>Rules</h3>", "<strong>one</strong>", "<td>1</td>"):
        assert part in html
    assert '<a href="https://example.org" target="_blank" rel="noopener noreferrer">more</a>' in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "![x](https://elsewhere.example/track.png)",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&#58;alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](//elsewhere.example)",
        "[x](/pictures/secret)",
        '[x](https://a.example" onclick="alert(1))',
        "<https://a.example/><svg onload=alert(1)>",
    ],
)
def test_what_means_harm_is_text(text: str) -> None:
    """No element but those of Markdown, no attribute but a link's, and links to the web alone."""
    from html.parser import HTMLParser

    found: list[tuple[str, dict[str, str | None]]] = []

    class Elements(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attributes)))

    Elements().feed(rendered(text))
    assert found
    for tag, attributes in found:
        assert tag in ("p", "a")
        assert set(attributes) <= {"href", "target", "rel"}
        assert (attributes.get("href") or "https:").startswith(("https:", "http:", "mailto:"))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """With its path and what to give instead."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"x" * (2**18 + 1))
    for name in ("binary", "large", "missing", "."):
        with pytest.raises(InputError, match=r"--guidelines .*give a Markdown file"):
            read_guidelines(tmp_path / name)
