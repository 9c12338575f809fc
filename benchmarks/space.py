"""The Space under load: `python benchmarks/space.py` (a few minutes; needs a Chromium).

Start, page and answer times of the tiny model, beside an empty `gr.Interface`; twenty visitors at once; the memory of the
server over 500 requests, its model being the simulated one, and over six posts of a large picture.
`python benchmarks/space.py page crowd memory` measures only what is named.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.space_memory import cost_of_posts, large_png, resident  # noqa: E402
from tests.stub_endpoint import serve_stub  # noqa: E402

VISITORS, REQUESTS = 20, 500
READY = "#picture[data-ready=yes]"
SCENE = ROOT / "space" / "examples" / "mirror.png"


def ask(client: Client) -> float:
    started = time.monotonic()
    assert client.predict(handle_file(SCENE), api_name="/examine")["status"] != "failed"
    return time.monotonic() - started


VISITS = 5
EMPTY = """
import gradio as gr
gr.Interface(lambda text: text, "text", "text").launch(server_port={port}, quiet=True, ssr_mode=False)
"""


@contextmanager
def empty_interface() -> Iterator[str]:
    """The least that Gradio serves, in a process of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    server = subprocess.Popen([sys.executable, "-c", EMPTY.format(port=port)], env=environment)
    try:
        url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def opened(browser: Any, url: str, ready: str) -> tuple[Any, float]:
    """A page in a browser that has seen nothing before, and the seconds until it could be used."""
    page = browser.new_context().new_page()
    started = time.monotonic()
    page.goto(url, wait_until="commit")
    page.locator(ready).first.wait_for()
    return page, time.monotonic() - started


def page_times(served: Served, browser: Any) -> None:
    """The first card of the very first visit and of later ones; then this page and an empty Interface, by turns."""
    cards, ours, theirs = [], [], []
    for _ in range(VISITS):
        page, _ = opened(browser, served.url, READY)
        started = time.monotonic()
        page.locator("[data-scene]").nth(2).click()
        page.locator("#results .ar-card[data-number]").first.wait_for()
        cards.append(time.monotonic() - started)
        page.locator("#results .ar-downloads").wait_for()
        page.context.close()
    later = statistics.median(cards[1:])
    print(f"first card: very first visit {cards[0]:.2f} s, later {later:.2f} s: {cards[0] / later:.2f} times")
    with empty_interface() as url:
        for _ in range(VISITS):
            for times, address, ready in ((theirs, url, "textarea"), (ours, served.url, READY)):
                page, seconds = opened(browser, address, ready)
                times.append(seconds)
                page.context.close()
    mine, empty = statistics.median(ours), statistics.median(theirs)
    print(f"page ready: {mine:.2f} s, an empty gr.Interface {empty:.2f} s: {mine / empty:.2f} of it")


def crowd(served: Served, browser: Any) -> None:
    """All but one of the visitors are programs; the last is a page, which says what it is shown."""
    page, _ = opened(browser, served.url, READY)
    # A visitor each, as behind a proxy: one alone may not have so many places in the line.
    clients = [
        Client(served.url, headers={"X-Forwarded-For": f"198.51.100.{number}"}, verbose=False)
        for number in range(VISITORS - 1)
    ]
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
    page.locator("[data-scene]").nth(2).click()
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
    with tempfile.TemporaryDirectory() as work, serve_stub() as stub:
        picture = large_png(Path(work) / "large.png")
        with serve_space(Path(work), "--base-url", stub.base_url, "--model", "stub") as served:
            print(f"six posts of a 49-megapixel 16-bit PNG of {picture.stat().st_size / 1e3:.0f} kB at once: ", end="")
            print(cost_of_posts(served, picture))


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
