"""Makes docs/screenshots: `python docs/make_screenshots.py` (needs a Chromium). The page with the tiny model, as it is served."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.chromium import LAUNCH, find_chromium  # noqa: E402
from tests.serving import serve_space  # noqa: E402

SHOTS = {"light": (1440, 960, "light"), "dark": (1440, 960, "dark"), "phone": (390, 844, "light")}
SCENE = 2  # the gallery's mirror


def main() -> None:
    out = ROOT / "docs" / "screenshots"
    out.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as work,
        serve_space(Path(work)) as served,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        for name, (width, height, scheme) in SHOTS.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(served.url)
            page.locator("#picture .ar-picture[data-ready=yes]").wait_for()
            page.wait_for_timeout(500)  # fonts
            if name == "light":
                page.screenshot(path=out / "empty.png", full_page=True)
            page.locator("#picture [data-scene]").nth(SCENE).click()
            page.locator("#results .ar-downloads").wait_for()
            page.mouse.move(0, 0)
            page.wait_for_timeout(700)  # cards arrive
            page.screenshot(path=out / f"{name}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
