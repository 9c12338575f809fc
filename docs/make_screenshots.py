"""Makes docs/screenshots, and the picture of link previews: `python docs/make_screenshots.py` (a minute; needs a Chromium).

The page as it is served: with the tiny model on the first scene of its gallery in which it finds something, and on a photograph,
which it does not know; and with AnomAgent in front of the simulated model.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import skimage.data  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from agent import simulated  # noqa: E402
from dataset_builder.scenes import read_scenes, write_scenes  # noqa: E402
from tests.chromium import LAUNCH, find_chromium  # noqa: E402
from tests.serving import Served, serve_space  # noqa: E402

CAT = Path(skimage.data.__file__).parent / "chelsea.png"  # CC0, by Stefan van der Walt
OUT = ROOT / "docs" / "screenshots"
PREVIEW = ROOT / "space" / "examples" / "preview.png"
SHOTS = {"light": (1440, 960, "light"), "dark": (1440, 960, "dark"), "phone": (390, 844, "light")}
PATIENCE = 120_000  # milliseconds
ENDED = "#results [data-status]:not([aria-busy=true])"


def opened(browser: Any, served: Served, width: int, height: int, scheme: str) -> Any:
    # Without motion nothing is caught half-way; at one and a half pixels a pixel the text is sharp.
    look = {"color_scheme": scheme, "reduced_motion": "reduce", "device_scale_factor": 1.5}
    page = browser.new_page(viewport={"width": width, "height": height}, **look)
    page.set_default_timeout(PATIENCE)
    page.goto(served.url)
    page.locator("#picture[data-ready=yes]").wait_for()
    return page


def take(page: Any, name: str) -> None:
    page.mouse.move(0, 0)
    page.evaluate("document.fonts.ready")
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    # 256 colours are enough for a page, and a third of the bytes.
    picture.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE).save(OUT / f"{name}.png", optimize=True)


def tiny(browser: Any, served: Served) -> None:
    for name, look in SHOTS.items():
        page = opened(browser, served, *look)
        if name == "light":
            take(page, "empty")
        for scene in page.locator("#picture [data-scene]").all():
            scene.click()
            page.locator(ENDED).wait_for()
            if page.locator("#results .ar-card").count():
                break
        take(page, name)
        if name == "light":
            page.locator("#picture input[type=file]").set_input_files(CAT)
            page.locator("#results [data-status=unknown]").wait_for()
            take(page, "unknown")
        page.close()
    page = browser.new_page(viewport={"width": 1200, "height": 630}, color_scheme="light")
    page.goto(served.url)
    page.locator("#picture[data-ready=yes]").wait_for()
    page.screenshot(path=PREVIEW)
    page.close()


def thorough(browser: Any, served: Served, picture: Path) -> None:
    page = opened(browser, served, 1440, 960, "light")
    page.get_by_label("Thorough").check()
    page.locator("#picture input[type=file]").set_input_files(picture)
    page.get_by_text("3 of 3 questions answered").wait_for()
    take(page, "thorough")
    page.close()


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        work = Path(folder)
        with serve_space(work) as served:
            tiny(browser, served)
        scenes = write_scenes(work / "scenes", 20, seed=2510)
        odd = next(row.image_id for row in read_scenes(scenes) if row.anomalies)
        with simulated.serve(scenes, latency=3) as base_url:
            options = ("--base-url", base_url, "--model", simulated.MODEL, "--thorough")
            with serve_space(work, *options) as served:
                thorough(browser, served, scenes / "images" / odd)
        browser.close()


if __name__ == "__main__":
    main()
