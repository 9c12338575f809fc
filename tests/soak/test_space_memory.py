"""A picture of a few hundred kilobytes that unpacks to hundreds of megabytes, sent six times at once."""

from pathlib import Path

import pytest

from tests.serving import serve_space
from tests.space_memory import cost_of_posts, large_png
from tests.stub_endpoint import serve_stub


@pytest.mark.soak
def test_six_large_pictures_cost_less_than_500_mb_and_give_it_back(tmp_path: Path) -> None:
    """To within 150 MB of what there was before."""
    picture = large_png(tmp_path / "large.png")
    with serve_stub() as stub, serve_space(tmp_path, "--base-url", stub.base_url, "--model", "stub") as served:
        cost = cost_of_posts(served, picture)
    print(f"\n{picture.stat().st_size / 1e3:.0f} kB, 6 at once: {cost}")
    assert cost.highest - cost.start < 500
    assert cost.end - cost.start < 150
