"""What validation found, on the card of the dataset it was found in."""

from pathlib import Path
from typing import Any

from dataset_builder import atomic, owned
from dataset_builder.sources.findings import ERRORS, WARNINGS, Finding, by_kind
from dataset_builder.templates import environment

__all__ = ["write_validation"]

_BEGIN, _END = "<!-- validation -->\n", "<!-- /validation -->\n"


def write_validation(
    directory: Path, findings: list[Finding], diversity: dict[str, dict[str, Any]], overlap: float | None
) -> bool:
    """Put what `validate` found in a built dataset into its card, in place of what was there before.

    Returns:
        Whether the card has a place for it; one that was rewritten by hand may have none.
    """
    card = directory / "README.md"
    text = card.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        return False
    template = environment(Path(__file__).parent).get_template("validation.md.jinja")
    meanings = ERRORS | WARNINGS
    counted = [(kind, count, meanings[kind], kind in ERRORS) for kind, count in by_kind(findings).items()]
    body = template.render(findings=counted, diversity=diversity, overlap=overlap)
    with owned.changing(directory, card.name):
        atomic.write(card, f"{before}{begin}{body.strip()}\n{end}{after}")
    return True
