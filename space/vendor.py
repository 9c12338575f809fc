"""Puts together the Space's repository: a folder that needs nothing of ours from elsewhere."""

import re
from pathlib import Path

from dataset_builder import owned
from space.version import VERSION_FILE, version

__all__ = ["vendor"]

_HERE = Path(__file__).resolve().parent
_PACKAGES = ("agent", "dataset_builder", "space", "trainer")
_ROOT_FILES = ("app.py", "README.md", "requirements.txt")
_LEFT_OUT = {"__pycache__", "commands.py"}
"""A Space has no command line, nor what only a command needs."""
_KEPT = {".py", ".jinja", ".html", ".css", ".js", ".json", ".yaml", ".safetensors", ".png"}


def vendor(out: Path, repo_id: str | None = None) -> Path:
    """Write the Space's repository: `app.py`, its card and requirements, and the packages it imports with the tiny
    weights.

    Args:
        out (`Path`): the folder; new, or written by this before.
        repo_id (`str`, *optional*): takes the place of `ORG/anomreason-demo` in the card, its organisation that of `ORG`.

    Returns:
        `out`.

    Raises:
        OutputError: if it cannot be written.
    """
    with owned.replaced(out, "publish") as work:
        for name in _ROOT_FILES:
            text = (_HERE / name).read_text(encoding="utf-8")
            if repo_id and name == "README.md":
                organisation = repo_id.split("/")[0]
                host = re.sub(r"[^a-z0-9]+", "-", repo_id.lower())
                text = text.replace("ORG-anomreason-demo.hf.space", f"{host}.hf.space")
                text = text.replace("ORG/anomreason-demo", repo_id).replace("ORG/", f"{organisation}/")
            (work / name).write_text(text, encoding="utf-8")
        for package in _PACKAGES:
            source = _HERE.parent / package
            for path in sorted(source.rglob("*")):
                inside = path.relative_to(source)
                if path.is_file() and path.suffix in _KEPT and not _LEFT_OUT & set(inside.parts):
                    target = work / package / inside
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(path.read_bytes())
        (work / "space" / VERSION_FILE).write_text(f"{version()}\n", encoding="utf-8")
    return out
