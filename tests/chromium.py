"""Where a Chromium is: the system's, or Playwright's own."""

import shutil
from pathlib import Path

LAUNCH = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""Switches under which a headless Chromium runs as root and asks nothing of the network."""


def find_chromium() -> str | None:
    """The path of a Chromium that Playwright can drive, or `None`."""
    # The first has no window to draw, and needs a third of the others' time.
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None
