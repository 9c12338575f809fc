"""Where a Chromium is: Debian's, or Playwright's own."""

import shutil
from pathlib import Path


def find_chromium() -> str | None:
    """The path of a Chromium that Playwright can drive, or `None`."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None
