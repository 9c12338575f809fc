"""What axe-core, the engine of accessibility checks, finds wrong with a page as it stands."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe

__all__ = ["serious"]

# Half faded, a text is too pale. What never ends, such as a spinner, is not waited for.
_AT_REST = """() => !document.querySelector('.pending') && document.getAnimations().every(
    (one) => one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)"""


def serious(page: Any) -> list[str]:
    """The serious and critical findings of axe-core, once nothing on the page fades or waits: rule, help and the elements."""
    page.wait_for_function(_AT_REST)
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
