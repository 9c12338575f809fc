"""How the page looks: one theme, light and dark, from one set of colours (`colours.light.css`, `colours.dark.css`)."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

__all__ = ["stylesheet", "theme"]

_HERE = Path(__file__).parent


def stylesheet() -> str:
    """The page's own CSS: colours, cards (which the shared card uses too), layout."""

    def text(name: str) -> str:
        return (_HERE / name).read_text(encoding="utf-8")

    # Gradio puts the class on the body, but what is left and right of it is the root's.
    colours = f":root {{ {text('colours.light.css')} }}\n:root:has(.dark), .dark {{ {text('colours.dark.css')} }}"
    return "\n".join((colours, text("cards.css"), text("style.css")))


def theme() -> Any:
    """Gradio's own parts in the page's colours. The fonts are those that Gradio ships: nothing is fetched from elsewhere."""
    both = {
        "body_background_fill": "var(--ar-ground)",
        "body_text_color": "var(--ar-ink)",
        "body_text_color_subdued": "var(--ar-muted)",
        "background_fill_primary": "var(--ar-surface)",
        "background_fill_secondary": "var(--ar-sunken)",
        "block_background_fill": "var(--ar-surface)",
        "border_color_primary": "var(--ar-line)",
        "border_color_accent": "var(--ar-accent)",
        "color_accent": "var(--ar-accent)",
        "color_accent_soft": "var(--ar-soft)",
        "link_text_color": "var(--ar-accent)",
        "link_text_color_hover": "var(--ar-ink)",
        "button_primary_background_fill": "var(--ar-accent)",
        "button_primary_text_color": "var(--ar-accent-ink)",
        "button_secondary_background_fill": "var(--ar-surface)",
        "button_secondary_text_color": "var(--ar-ink)",
    }
    # 400 and 700 are whole; what Gradio ships between them lacks letters.
    plex = LocalFont("IBM Plex Sans", weights=(400, 700))
    base = gr.themes.Base(font=[plex, "system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    # The colours are variables with a dark value of their own, so both modes name the same ones.
    dark = {f"{name}_dark": value for name, value in both.items() if name != "color_accent"}
    return base.set(**both, **dark)
