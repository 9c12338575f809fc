"""The Space under load: `python benchmarks/space.py` (a few minutes; needs a Chromium).

Start, page and answer times of the tiny model; twenty visitors at once; the memory of the server over 500 requests, its model being
the simulated one. `python benchmarks/space.py page crowd memory` measures only what is named.
"""

import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gradio_client import Client, handle_file  # noqa: E402
from gradio_client.utils import Status  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from agent import simulated  # noqa: E402
from dataset_builder.scenes import write_scenes  # noqa: E402
from tests.chromium import LAUNCH, find_chromium  # noqa: E402
from tests.serving import Served, serve_space  # noqa: E402

VISITORS, REQUESTS = 20, 500
SCENE = ROOT / "space" / "examples" / "mirror.png"


def ask(client: Client) -> float:
    started = time.monotonic()
    assert client.predict(handle_file(SCENE), api_name="/examine")["status"] != "failed"
    return time.monotonic() - started


def resident(pid: int) -> float:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def page_times(served: Served, browser: Any) -> None:
    for visit in ("first", "second"):
        page = browser.new_page()
        started = time.monotonic()
        page.goto(served.url)
        page.locator("#picture .ar-picture[data-ready=yes]").wait_for()
        ready = time.monotonic() - started
        started = time.monotonic()
        page.locator("#picture [data-scene]").nth(2).click()
        page.locator("#results .ar-card:not(.ar-skeleton)").first.wait_for()
        card = time.monotonic() - started
        page.locator("#results .ar-downloads").wait_for()
        whole = time.monotonic() - started
        print(f"{visit} visit: page interactive {ready:.2f} s, first card {card:.2f} s, whole answer {whole:.2f} s")
        page.close()


def crowd(served: Served, browser: Any) -> None:
    """All but one of the visitors are programs; the last is a page, which says what it is shown."""
    page = browser.new_page()
    page.goto(served.url)
    page.locator("#picture .ar-picture[data-ready=yes]").wait_for()
    clients = [Client(served.url, verbose=False) for _ in range(VISITORS - 1)]
    alone = statistics.median(ask(clients[0]) for _ in range(10))
    jobs: list[Any] = []
    done: list[tuple[int, float]] = []
    for number, client in enumerate(clients):
        job = client.submit(handle_file(SCENE), api_name="/examine")
        job.add_done_callback(partial(_note, done, number, time.monotonic()))
        jobs.append(job)
    while sum(job.status().code == Status.PROCESSING or job.done() for job in jobs) < VISITORS // 2:
        time.sleep(0.01)  # so that the page comes in the middle of them
    asked = time.monotonic()
    page.locator("#picture [data-scene]").nth(2).click()
    shown: list[int] = []
    while page.locator("#results .ar-downloads").count() == 0:
        for text in page.locator("#results .ar-waiting").all_inner_texts():
            before = 1 if text.startswith("One") else int(text.split()[0])
            shown += [before] if before not in shown else []
    done.append((len(jobs), time.monotonic() - asked))
    errors = sum(job.exception() is not None for job in jobs)
    times = sorted(seconds for _, seconds in done)
    p95 = times[round(0.95 * (len(times) - 1))]
    print(
        f"{VISITORS} at once: lone {alone:.3f} s, p95 {p95:.2f} s = {p95 / alone:.1f} times, {errors} errors, "
        f"the page was told that so many are before it: {shown}"
    )
    page.close()


def _note(done: list[tuple[int, float]], number: int, started: float, _: Any) -> None:
    done.append((number, time.monotonic() - started))


def memory() -> None:
    with tempfile.TemporaryDirectory() as work:
        scenes = write_scenes(Path(work) / "scenes", 20, seed=1)
        with simulated.serve(scenes) as base_url:
            options = ("--base-url", base_url, "--model", simulated.MODEL, "--thorough")
            with serve_space(Path(work), *options) as served:
                client = Client(served.url, verbose=False)
                pictures = sorted((scenes / "images").iterdir())
                readings = []
                for number in range(REQUESTS + 1):
                    if number % 100 == 0:
                        readings.append(f"{resident(served.pid):.0f}")
                    picture = handle_file(pictures[number % len(pictures)])
                    client.predict(picture, api_name="/thorough" if number % 10 == 9 else "/examine")
                left = sum(path.is_file() for path in served.uploads.rglob("*"))
                print(f"memory after 0, 100, … {REQUESTS} requests: {', '.join(readings)} MB; {left} uploads left")


def main() -> None:
    wanted = set(sys.argv[1:]) or {"page", "crowd", "memory"}
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if wanted & {"page", "crowd"}:
        with (
            tempfile.TemporaryDirectory() as work,
            serve_space(Path(work)) as served,
            sync_playwright() as playwright,
        ):
            print(f"server up in {served.seconds:.1f} s")
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
            if "page" in wanted:
                page_times(served, browser)
            if "crowd" in wanted:
                crowd(served, browser)
            browser.close()
    if "memory" in wanted:
        memory()


if __name__ == "__main__":
    main()
