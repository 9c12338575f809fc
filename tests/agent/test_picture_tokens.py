"""What pictures count as with each family, by the examples of the makers' documentation."""

import pytest

from agent.picture_tokens import picture_tokens


@pytest.mark.parametrize(
    ("model", "width", "height", "tokens"),
    [
        ("gpt-4o", 1024, 1024, 765),
        ("gpt-4o", 2048, 4096, 1105),
        ("openai/gpt-4.1", 512, 512, 255),
        ("gpt-4o-mini", 1024, 1024, 25501),
        ("gpt-4o-mini-2024-07-18", 512, 512, 8500),
        ("gpt-4.1-mini", 1024, 1024, 1659),
        ("o4-mini", 4000, 4000, 2642),
        ("gpt-5", 1024, 1024, 630),
        ("o3", 512, 512, 225),
        ("gemini-2.0-flash", 384, 384, 258),
        ("google/gemini-2.5-pro", 960, 540, 1548),
        ("claude-sonnet-4", 1092, 1092, 1590),
        ("Qwen/Qwen2.5-VL-7B-Instruct", 280, 560, 200),
        ("qwen3-vl-8b-instruct", 320, 640, 200),
        ("google/gemma-3-27b-it", 2000, 1000, 256),
        ("mine", 29, 28, 2),
    ],
)
def test_a_picture_counts_as_its_family_counts(model: str, width: int, height: int, tokens: int) -> None:
    """Tiles, patches with a cap and a factor, areas or a constant; an unknown model's as Qwen2.5-VL's."""
    assert picture_tokens(model, width, height) == tokens
