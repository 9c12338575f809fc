"""Makes docs/screenshots, and the picture of link previews: `python docs/make_screenshots.py` (a minute; needs a Chromium).

The page as it is served, with the tiny model on the first scene of its gallery in which it finds something; and the review desk
over candidates of scenes.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from dataset_builder.scenes import write_scenes  # noqa: E402
from tests.chromium import LAUNCH, find_chromium  # noqa: E402
from tests.reviewing import ReviewServer, write_run  # noqa: E402
from tests.serving import Served, serve_space  # noqa: E402

OUT = ROOT / "docs" / "screenshots"
PREVIEW = ROOT / "space" / "examples" / "preview.png"
SHOTS = {"light": (1440, 960, "light"), "dark": (1440, 960, "dark"), "phone": (390, 844, "light")}
PATIENCE = 120_000  # milliseconds
READY = "#picture[data-ready=yes]"
ENDED = "#results [data-status]:not([aria-busy=true])"
ACCEPT = ".answers [data-verdict=accept]:enabled"


def opened(browser: Any, url: str, ready: str, width: int, height: int, scheme: str) -> Any:
    # Without motion nothing is caught half-way; at one and a half pixels a pixel the text is sharp.
    look = {"color_scheme": scheme, "reduced_motion": "reduce", "device_scale_factor": 1.5}
    page = browser.new_page(viewport={"width": width, "height": height}, **look)
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.locator(ready).wait_for()
    return page


def take(page: Any, name: str, whole: bool = True) -> None:
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("document.fonts.ready")
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
    # 256 colours are enough for a page, and a third of the bytes.
    picture.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE).save(OUT / f"{name}.png", optimize=True)


def answers(browser: Any, served: Served) -> None:
    for name, look in SHOTS.items():
        page = opened(browser, served.url, READY, *look)
        for scene in page.locator("#picture [data-scene]").all():
            scene.click()
            page.locator(ENDED).wait_for()
            if page.locator("#results .ar-card").count():
                break
        take(page, name)
        page.close()
    page = browser.new_page(viewport={"width": 1200, "height": 630}, color_scheme="light")
    page.goto(served.url)
    page.locator(READY).wait_for()
    page.screenshot(path=PREVIEW)
    page.close()


def desk(browser: Any, work: Path) -> None:
    server = ReviewServer(write_run(work / "run", write_scenes(work / "scenes", 20, seed=2510)), "--ask-missed")
    try:
        page = opened(browser, f"{server.wait().url}/?reviewer=ann", ACCEPT, 1440, 860, "light")
        page.keyboard.press("a")
        page.locator(".status", has_text="Accepted").wait_for()
        page.locator(ACCEPT).wait_for()
        take(page, "desk", whole=False)
        page.close()
    finally:
        server.close()


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        with serve_space(Path(folder)) as served:
            answers(browser, served)
        desk(browser, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
