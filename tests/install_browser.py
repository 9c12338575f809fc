"""Installs a Chromium for the browser tests if none is found: Playwright's own, else Debian's when root."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from chromium import find_chromium


def main() -> None:
    if find_chromium():
        return
    print("no Chromium found; installing one for the browser tests", flush=True)
    attempts = [[[sys.executable, "-m", "playwright", "install", "chromium"]]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-qq", "-y"]
        attempts += [[["apt-get", "update", "-qq"], [*install, "chromium-headless-shell"]], [[*install, "chromium"]]]
    for commands in attempts:
        for command in commands:
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600, check=False)
        if find_chromium():
            return
    print("no Chromium could be installed: the browser tests will be reported as missing", flush=True)


if __name__ == "__main__":
    main()
