"""Puts the plain names in place: what `load_dataset("anomreason")` and `evaluate.load("semap")` find from any directory.

The dataset becomes a prepared copy in the datasets cache, the metric a one-line module in the evaluate cache that imports the
installed package. Both are what the libraries fall back to when the Hub has no repository of that name.
"""

import hashlib
import shutil
from pathlib import Path

import datasets

from dataset_builder import atomic
from dataset_builder.errors import InputError
from dataset_builder.files.hashing import content_hash
from dataset_builder.sources.opening import is_dataset

__all__ = ["dataset_copy", "install_dataset", "install_metric", "metric_shim", "uninstall"]

_SHIM = '"""SemAP, from the installed package. Placed by `anomreason install`; `anomreason install --uninstall` removes it."""\n\n'


def _dataset_root() -> Path:
    return Path(datasets.config.HF_DATASETS_CACHE) / "anomreason"


def _metric_root() -> Path:
    # evaluate's own setting of this name is made in the same way; it is not asked, because the base is installed without it.
    return Path(datasets.config.HF_MODULES_CACHE) / "evaluate_modules" / "metrics" / "evaluate-metric--semap"


def install_dataset(path: Path) -> Path:
    """Prepare `path` in the datasets cache under the plain name `anomreason`, in place of any copy that was there.

    Returns:
        Where the prepared copy is.

    Raises:
        InputError: if `path` is not a built dataset.
    """
    if not is_dataset(path):
        raise InputError(f"{path}: is not a dataset; build one with `anomreason build SOURCE --out {path}`")
    builder = datasets.load_dataset_builder(str(path.absolute()), "default")
    # The cache answers by the files' name, which is taken from the directory's; the plain name is meant whatever it is called.
    builder.dataset_name = "anomreason"
    # With more than one copy or configuration there, the plain name would be ambiguous.
    shutil.rmtree(_dataset_root(), ignore_errors=True)
    copy = _dataset_root() / "default" / str(builder.config.version or "0.0.0") / content_hash(path)[:16]
    builder.download_and_prepare(str(copy))
    return copy


def install_metric(module: str, name: str) -> Path:
    """Make `evaluate.load("semap")` import class `name` from the installed `module`; returns the file that does it."""
    source = f"{_SHIM}from {module} import {name}\n\n__all__ = [{name!r}]\n"
    shutil.rmtree(_metric_root(), ignore_errors=True)
    return atomic.write(_metric_root() / hashlib.sha256(source.encode()).hexdigest() / "semap.py", source)


def dataset_copy() -> Path | None:
    """Where the prepared copy is that the plain name `anomreason` means; None if there is none."""
    return next(iter(sorted(_dataset_root().glob("default/*/*"))), None)


def metric_shim() -> Path | None:
    """The file through which `evaluate.load("semap")` finds the metric; None if there is none."""
    return next(iter(sorted(_metric_root().glob("*/semap.py"))), None)


def uninstall() -> list[Path]:
    """Take both plain names away again; returns the directories removed."""
    removed = [root for root in (_dataset_root(), _metric_root()) if root.exists()]
    for root in removed:
        shutil.rmtree(root)
    return removed
