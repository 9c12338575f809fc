"""The Space under load: `python benchmarks/space.py` (a few minutes; needs a Chromium).

Start, page and answer times of the tiny model; twenty visitors at once; the memory of the server over 500 requests to a simulated
endpoint that answers at once.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gradio_client import Client, handle_file  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from tests.chromium import LAUNCH, find_chromium  # noqa: E402
from tests.serving import Served, serve_space  # noqa: E402
from tests.stub_endpoint import serve_stub  # noqa: E402

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


def page_times(served: Served) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
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
        browser.close()


def crowd(served: Served) -> None:
    clients = [Client(served.url, verbose=False) for _ in range(VISITORS)]
    alone = statistics.median(ask(clients[0]) for _ in range(10))
    jobs, asked, done, lock = [], [], [], threading.Lock()

    def finished(number: int, started: float) -> None:
        with lock:
            done.append((number, time.monotonic() - started))

    for number, client in enumerate(clients):
        started = time.monotonic()
        asked.append(number)
        job = client.submit(handle_file(SCENE), api_name="/examine")
        job.add_done_callback(lambda _, number=number, started=started: finished(number, started))
        jobs.append(job)
    seen = {job.status().rank for job in jobs}
    errors = sum(job.exception() is not None for job in jobs)
    times = sorted(seconds for _, seconds in done)
    p95 = times[int(0.95 * (len(times) - 1))]
    late = max(abs(place - number) for place, (number, _) in enumerate(done))
    print(
        f"{VISITORS} at once: lone {alone:.3f} s, p95 {p95:.2f} s = {p95 / alone:.1f} times, {errors} errors, "
        f"positions seen {sorted(rank for rank in seen if rank is not None)}, answered at most {late} places out of turn"
    )


def memory() -> None:
    with serve_stub() as stub, tempfile.TemporaryDirectory() as work:
        stub.pieces = ['[{"name": "Cup", "phenomenon": "It hovers.", "reasoning": "Cups fall.", "severity": 10}]']
        options = ("--base-url", stub.base_url, "--model", "simulated")
        with serve_space(Path(work), *options, HF_HUB_OFFLINE="0") as served:
            client = Client(served.url, verbose=False)
            readings = []
            for number in range(REQUESTS + 1):
                if number % 100 == 0:
                    readings.append(f"{resident(served.pid):.0f}")
                ask(client)
            left = sum(path.is_file() for path in served.uploads.rglob("*"))
            print(f"memory after 0, 100, … {REQUESTS} requests: {', '.join(readings)} MB; {left} uploads left")


def main() -> None:
    with tempfile.TemporaryDirectory() as work, serve_space(Path(work)) as served:
        print(f"server up in {served.seconds:.1f} s")
        page_times(served)
        crowd(served)
    memory()


if __name__ == "__main__":
    main()
