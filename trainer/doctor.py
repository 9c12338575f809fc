"""What works on this machine: versions, extras, GPU and recipes, keys, encoders, names that are shadowed, disk, write rights."""

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dataset_builder.diagnosis import Diagnosis, diagnosed
from dataset_builder.errors import OutputError
from dataset_builder.extras import require
from trainer.recipes_measured import PEAK_GB

__all__ = ["examine_machine"]

DISTRIBUTION = "anomreason"
MODULES = ("agent", "anomreason", "dataset_builder", "metric_semap", "space", "trainer")
EXTRAS = ("metric", "train", "review", "space", "demo", "ray")


def examine_machine() -> Iterator[Diagnosis]:
    """Look at everything that needs no network and no endpoint, in the order in which it matters."""
    yield Diagnosis("Python", "ok", f"{sys.version.split()[0]} ({sys.executable})")
    yield _versions()
    for extra in EXTRAS:
        yield diagnosed(f"extra {extra}", partial(require, extra, extra), "installed", bad="note")
    yield from _gpu()
    for name, use in (("HF_TOKEN", "publishing, gated models"), ("OPENAI_API_KEY", "endpoints that want a key")):
        state = "set" if os.environ.get(name) else f"not set; needed for {use}"
        yield Diagnosis(name, "ok" if state == "set" else "note", state)
    yield from _encoders()
    yield from _plain_names()
    yield from _shadows()
    yield from _places()


def _versions() -> Diagnosis:
    tested = _tested()
    if not tested:
        return Diagnosis("versions", "unknown", "the list of tested versions (constraints.txt) is not here")
    differing = []
    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        name = _plain(re.split(r"[\s<>=!~;\[(]", line, maxsplit=1)[0])
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name in tested and tested[name] != installed:
            differing.append(f"{name} {installed} (tested: {tested[name]})")
    if differing:
        return Diagnosis("versions", "note", "; ".join(sorted(set(differing))))
    return Diagnosis("versions", "ok", "those that were tested together")


def _tested() -> dict[str, str]:
    """The versions in constraints.txt: of the checkout, or the copy that was installed with the package."""
    places = [Path(__file__).resolve().parents[1] / "constraints.txt"]
    files = importlib.metadata.files(DISTRIBUTION) or ()
    places += [Path(str(file.locate())) for file in files if file.name == "constraints.txt"]
    for place in places:
        if place.is_file():
            lines = (line.split("==") for line in place.read_text(encoding="utf-8").splitlines() if "==" in line)
            return {
                _plain(name): version.split(";")[0].split("#")[0].strip() for name, version in lines if "#" not in name
            }
    return {}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _gpu() -> Iterator[Diagnosis]:
    try:
        import torch
    except ImportError:
        yield Diagnosis("GPU", "unknown", "torch is not installed")
        return
    if not torch.cuda.is_available():
        yield Diagnosis("GPU", "note", "none; the tiny model needs none")
        total = 0.0
    else:
        total = torch.cuda.get_device_properties(0).total_memory / 1e9
        yield Diagnosis("GPU", "ok", f"{torch.cuda.get_device_name(0)}, {total:.0f} GB")
    for recipe in sorted(path.stem for path in (Path(__file__).parent / "configs").glob("*.yaml")):
        peak = PEAK_GB.get(recipe)
        if recipe == "tiny":
            yield Diagnosis("recipe tiny", "ok", "fits: it trains on a CPU")
        elif peak is None:
            yield Diagnosis(f"recipe {recipe}", "unknown", "its peak memory was not measured")
        elif peak < total:
            yield Diagnosis(f"recipe {recipe}", "ok", f"fits: {peak:.0f} GB at its peak (measured)")
        else:
            yield Diagnosis(f"recipe {recipe}", "note", f"does not fit here: {peak:.0f} GB at its peak (measured)")


def _encoders() -> Iterator[Diagnosis]:
    try:
        from metric_semap.errors import SemapError
        from trainer.readiness import check_encoder
    except ImportError as error:
        yield Diagnosis("encoder", "unknown", f"{error.name} is not installed")
        return
    for encoder in (None, "minilm"):
        name = encoder or os.environ.get("SEMAP_ENCODER") or "distilbert-base-uncased"
        try:
            yield diagnosed(
                f"encoder {name}",
                partial(check_encoder, encoder),
                "available",
                bad="note",
                expected=(SemapError,),
            )
        except ImportError as error:
            yield Diagnosis(f"encoder {name}", "unknown", f"{error.name} is not installed")


def _plain_names() -> Iterator[Diagnosis]:
    """What the plain names mean from the current directory."""
    from dataset_builder.building import install

    here, copy = Path("anomreason"), install.dataset_copy()
    if here.is_dir():
        found = f"{here.absolute()}, because it is in the current directory"
    elif copy is not None:
        found = f"the copy that `anomreason install` prepared in {copy}"
    else:
        found = "the Hub's; `anomreason install` makes it a dataset of yours"
    yield Diagnosis('load_dataset("anomreason")', "ok" if copy or here.is_dir() else "note", found)
    here, shim = Path("semap"), install.metric_shim()
    if here.is_dir():
        yield Diagnosis('evaluate.load("semap")', "note", f"{here.absolute()}, because it is in the current directory")
    elif shim is not None:
        yield Diagnosis('evaluate.load("semap")', "ok", f"the metric of this package, through {shim}")
    else:
        yield Diagnosis('evaluate.load("semap")', "note", "the Hub's; `anomreason install` makes it this package's")


def _shadows() -> Iterator[Diagnosis]:
    """Other modules of the names of ours: in the current directory, which a Python session looks in first, or installed."""
    root = Path(__file__).resolve().parents[1]
    found = []
    if Path.cwd().resolve() != root:
        places = (place for name in MODULES for place in (Path(f"{name}.py"), Path(name, "__init__.py")))
        found += [str(place) for place in places if place.exists()]
    listed = re.compile(rf"^({'|'.join(MODULES)})(?:/|\.py,)", re.MULTILINE)
    for other in importlib.metadata.distributions():
        # The lists as texts: to have all of them read into paths, as `packages_distributions` does, takes a second.
        top, files = (other.read_text(name) or "" for name in ("top_level.txt", "RECORD"))
        names = {*top.split(), *listed.findall(files)} & {*MODULES}
        if names and other.name != DISTRIBUTION:
            found += [f"{other.name}, which is installed, has a module {name}" for name in names]
    if found:
        fix = "rename the file, or uninstall the other package"
        yield Diagnosis("modules", "problem", f"shadowed by {'; '.join(sorted(found))}; {fix}")
    else:
        yield Diagnosis("modules", "ok", f"{', '.join(MODULES)} are this package's")


def _places() -> Iterator[Diagnosis]:
    cache = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    for about, place in (("current directory", Path.cwd()), ("Hugging Face cache", cache)):
        there = next(parent for parent in (place, *place.parents) if parent.exists())
        room = f"{there}: writable, {shutil.disk_usage(there).free / 1e9:,.0f} GB free"
        yield diagnosed(about, partial(_write_into, there), room)


def _write_into(place: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise OutputError(f"{place}: cannot be written ({error.strerror}); change its permissions") from None
