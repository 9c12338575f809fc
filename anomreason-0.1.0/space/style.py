"""How the page looks: one set of colours, light and dark (`colours.light.css`, `colours.dark.css`)."""

from pathlib import Path

__all__ = ["stylesheet"]

_HERE = Path(__file__).parent


def stylesheet() -> str:
    """The page's CSS: colours, cards (which the shared card uses too), layout."""

    def text(name: str) -> str:
        return (_HERE / name).read_text(encoding="utf-8")

    light, dark = text("colours.light.css"), text("colours.dark.css")
    # The scheme is the system's unless the frame around the page says another one.
    colours = (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-scheme=light]) {{ {dark} }} }}\n"
        f":root[data-scheme=light] {{ color-scheme: light; }}\n"
        f":root[data-scheme=dark] {{ color-scheme: dark; {dark} }}"
    )
    return "\n".join((colours, text("cards.css"), text("style.css")))
