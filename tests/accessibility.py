"""What axe-core, the engine of accessibility checks, finds wrong with a page as it stands."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe

__all__ = ["serious"]


def serious(page: Any) -> list[str]:
    """The serious and critical findings of axe-core: rule, help and the elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
