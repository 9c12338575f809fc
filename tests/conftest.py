"""What all tests share: a scenes directory, the dataset built from it, and the rule that CI skips nothing."""

import faulthandler
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# Before any Hugging Face library is imported: nothing here reaches for the Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")

REPOSITORY = Path(__file__).resolve().parents[1]


SHARING = {
    "tests/space": "its servers",
    "tests/test_release.py": "the client of a Hub",
    "tests/trainer/test_adapter_publish.py": "the client of a Hub",
    "tests/trainer/test_loading.py": "the client of a Hub",
    "tests/trainer/test_sft.py": "the client of a Hub",
}
"""What several files' tests start once, and which takes longest of all that they do."""


class BySharing(LoadFileScheduling):
    """A worker gets the tests of a file, or those of all files that share what is slow to start."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return SHARING.get(file) or SHARING.get(file.rpartition("/")[0], file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySharing:
    """Several workers share the tests so."""
    return BySharing(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test is a failure: what could have run did not."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_finish() -> None:
    """What the test modules import stays to the end: garbage is not looked for in it whenever a trainer calls `gc.collect`."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The long figures take longer than a test that hangs is given; what they start has limits of its own."""
    if item.get_closest_marker("soak"):
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises `KeyboardInterrupt` here, also where a shell had it ignored for what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenes directory of 40 pictures: twenty scenes with their clean twins."""
    from dataset_builder.scenes import write_scenes

    return write_scenes(tmp_path_factory.mktemp("source") / "scenes", 40, seed=11)


@pytest.fixture(scope="session")
def dataset(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset built from `scenes`, in a directory called anomreason."""
    from dataset_builder.building.build import build

    out = tmp_path_factory.mktemp("built") / "anomreason"
    build(scenes, out)
    return out


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 60 pictures in the authors' layout, with nothing wrong."""
    from tests.synthetic_release import write_release

    return write_release(tmp_path_factory.mktemp("authors") / "release", 60)


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 80 pictures with a defect of each kind."""
    from tests.synthetic_release import write_release

    return write_release(tmp_path_factory.mktemp("authors") / "damaged", 80, defects=True)


@pytest.fixture(scope="session")
def official(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset built from `release`, in a directory called anomreason."""
    from dataset_builder.building.build import build

    out = tmp_path_factory.mktemp("official") / "anomreason"
    build(release, out)
    return out


@pytest.fixture(scope="session")
def hub_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A process that talks to a Hub on loopback: one for all tests, which give their repositories names of their own."""
    from tests.hub_client import HubClient

    with HubClient(tmp_path_factory.mktemp("hub") / "home") as client:
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real, headless Chromium: one for all tests, since Playwright runs once in a process.

    From then on an event loop runs in this thread, so tests say `agent.loops.run` where they would say `asyncio.run`.
    """
    from playwright.sync_api import sync_playwright

    from tests.chromium import LAUNCH, find_chromium

    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium found; `python tests/install_browser.py` installs one")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=LAUNCH)
        yield chromium
        chromium.close()
