"""What predictions were made with: a file next to them that decides whether a run may be resumed.

`preds.settings.json` names the model and the adapter with a fingerprint of their contents, the prompts, and each picture with its
hash. A run is resumed only with the same, so that one file never holds answers of two models, two prompts or two pictures with one
name. How many pictures are answered at once, and on what machine, may change.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset_builder import atomic
from dataset_builder.errors import InputError, shorten
from dataset_builder.predictions import PredictionWriter
from trainer.known import FILE
from trainer.loading import resolve

__all__ = ["fingerprint", "go_on"]

VERSION = 1
_MEND = "give another --out, or start over: predict --overwrite, or remove it"
_CONTENT = (
    "*.safetensors",
    "*.bin",
    "*config.json",
    "*.index.json",
    "tokenizer*",
    "vocab*",
    "merges*",
    "*.jinja",
    FILE,
)


def fingerprint(place: str, marker: str = "config.json") -> dict[str, str]:
    """A model's or adapter's name and a fingerprint: of a directory the hash of its files, of a Hub id the commit.

    Args:
        place (`str`): `tiny`, a directory or a Hub id.
        marker (`str`): a file that it has.
    """
    directory = Path(resolve(place))
    if not directory.is_dir():
        from huggingface_hub import hf_hub_download

        try:
            return {"name": place, "content": Path(hf_hub_download(place, marker)).parent.name}
        except (OSError, ValueError):
            return {"name": place, "content": "unknown"}  # loading it says what is wrong
    whole = hashlib.sha256()
    for file in sorted({file for pattern in _CONTENT for file in directory.glob(pattern) if file.is_file()}):
        with file.open("rb") as content:
            whole.update(f"{file.name}:{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return {"name": place, "content": f"sha256:{whole.hexdigest()}"}


def go_on(writer: PredictionWriter, settings: Mapping[str, Any], pictures: Mapping[str, str], split: set[str]) -> None:
    """Check that the rows a writer has are of the same settings and pictures, and record both next to them.

    Args:
        writer (`PredictionWriter`): entered; its `done` are the pictures that have a row.
        settings (mapping): what the predictions depend on.
        pictures (mapping of `str` to `str`): the hash of each picture that is to have a row.
        split (`set[str]`): the names of all pictures there are.

    Raises:
        InputError: naming what differs.
        OutputError: if the settings cannot be noted.
    """
    path = writer.path.with_suffix(".settings.json")
    known: dict[str, str] = {}
    if writer.done:
        noted = _read(path, writer)
        known = noted.pop("pictures", {})
        now = {"version": VERSION, **settings}
        for key in dict.fromkeys([*now, *noted]):
            before, after = noted.get(key), now.get(key)
            if not _same(before, after):
                raise InputError(f"{path}: {key} was {_word(before)} and is now {_word(after)}; {_MEND}")
        if strangers := writer.done - split:
            raise InputError(
                f"{writer.rows_path}: holds {shorten(min(strangers))}, which is not in this split; {_MEND}"
            )
        changed = [name for name in writer.done & pictures.keys() if known.get(name) != pictures[name]]
        if changed:
            raise InputError(f"{path}: {shorten(min(changed))} is another picture now; {_MEND}")
    content = {"version": VERSION, **settings, "pictures": known | dict(pictures)}
    atomic.write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _read(path: Path, writer: PredictionWriter) -> dict[str, Any]:
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        noted = None
    if not isinstance(noted, dict) or not isinstance(noted.get("pictures", {}), dict):
        raise InputError(f"{writer.rows_path}: {path.name} next to it does not say what made its rows; {_MEND}")
    return noted


def _same(before: Any, after: Any) -> bool:
    """A model is what it holds, not what it is called."""
    if isinstance(before, dict) and isinstance(after, dict) and "content" in before:
        return bool(before["content"] == after.get("content"))
    return bool(before == after)


def _word(value: Any) -> str:
    if not isinstance(value, dict):
        return shorten(value)
    if "content" in value:
        return f"{value.get('name')} ({str(value['content'])[:19]})"
    return shorten("; ".join(map(str, value.values())))
