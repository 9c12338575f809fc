"""Measures again whatever depends on scenes or on the tiny model, and writes it into the documents: `make figures`.

    python docs/make_figures.py [NAME …] [--texts]

Each figure is a file in docs/figures: what was measured, and of which scenes, weights and fit. The documents hold its text between
`<!-- figures: NAME -->` and `<!-- end of figures -->`, written from the file, so that no number is typed.
`tests/test_figures.py` holds that texts are what the files say, and that the files are of the scenes and weights that are shipped.
`--texts` only writes the texts again. All figures take about an hour of one core; a Chromium is needed for `unknown` and for
docs/example.png, which `quickstart` makes as well.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dataset_builder import atomic  # noqa: E402
from dataset_builder.scenes import SCENES_VERSION  # noqa: E402
from docs import figure_texts as texts  # noqa: E402
from docs import make_example  # noqa: E402
from trainer.known import FILE  # noqa: E402
from trainer.loading import TINY  # noqa: E402

FIGURES = ROOT / "docs" / "figures"
DOCUMENTS = ("trainer/tiny/model/README.md", "metric_semap/README.md")
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(\n<!-- end of figures -->)", re.DOTALL)


class Figure(NamedTuple):
    """How a figure is measured, as data for JSON, and how it is told in Markdown; whether it is of the tiny model."""

    measure: Callable[[], dict[str, Any]]
    text: Callable[[dict[str, Any]], str]
    of_model: bool = True


def _scores() -> dict[str, Any]:
    from trainer.tiny.evaluate import evaluate_scenes

    return {"scenes": 2000, "seed": 202_712} | evaluate_scenes("tiny", None, 2000, 202_712)


def _held_out(family: str, seed: int) -> dict[str, Any]:
    import torch

    from benchmarks import held_out

    torch.set_num_threads(os.cpu_count() or 1)  # training on a machine of one's own is what the minutes are of

    with tempfile.TemporaryDirectory() as root:
        return held_out.run(family, "tiny", seed, 5600, 500, [], Path(root))


def _robustness() -> dict[str, Any]:
    from benchmarks import robustness

    return {"scenes": 100, "seed": robustness.SEED, "changes": robustness.measured("tiny", 100, robustness.SEED)}


def _unknown() -> dict[str, Any]:
    from benchmarks import unknown

    return {"seed": unknown.SEED, "kinds": unknown.measured("tiny", 60, 1000)}


def _quickstart() -> dict[str, Any]:
    """In a directory and with caches of its own: the plain names that it puts in place are no one else's."""
    with tempfile.TemporaryDirectory() as root:
        caches = {name: f"{root}/{name}" for name in ("HF_DATASETS_CACHE", "HF_MODULES_CACHE")}
        environment = os.environ | caches | {"PYTHONPATH": str(ROOT)}
        environment.pop("OMP_NUM_THREADS", None)  # as on a machine of one's own
        subprocess.run([sys.executable, "-m", "anomreason", "quickstart"], cwd=root, env=environment, check=True)
        make_example.main(Path(root) / "demo")
        return json.loads((Path(root) / "demo" / "metrics.json").read_text()) | {"cores": os.cpu_count()}


def _meta_scenes() -> dict[str, Any]:
    from benchmarks import meta_scenes

    return meta_scenes.tables(200, "minilm", 7)


ALL: dict[str, Figure] = {
    "scores": Figure(_scores, texts.scores),
    "robustness": Figure(_robustness, texts.robustness),
    "unknown": Figure(_unknown, texts.unknown),
    "upside_down": Figure(lambda: _held_out("upside_down", 33), texts.held_out),
    "wrong_colour": Figure(lambda: _held_out("wrong_colour", 34), texts.held_out),
    "quickstart": Figure(_quickstart, texts.quickstart),
    "meta_scenes": Figure(_meta_scenes, texts.meta_scenes, of_model=False),
}


def subject(name: str) -> dict[str, Any]:
    """What a figure is of, as it stands now: the version of the scenes and, of the tiny model, the hashes of its files."""
    of: dict[str, Any] = {"scenes": SCENES_VERSION}
    if ALL[name].of_model:
        of |= {file: hashlib.sha256((TINY / file).read_bytes()).hexdigest() for file in ("model.safetensors", FILE)}
    return of


def read(name: str) -> dict[str, Any]:
    """A figure's file."""
    return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def filled(document: str) -> str:
    """A document with the texts that the files of docs/figures give it; where there is no file, it says so."""

    def told(block: re.Match[str]) -> str:
        name = block[2]
        if (FIGURES / f"{name}.json").is_file():
            return block[1] + ALL[name].text(read(name)["measured"]) + block[3]
        return (
            f"{block[1]}`{name}` was not measured on these weights yet: `python docs/make_figures.py {name}`.{block[3]}"
        )

    return BLOCK.sub(told, document)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all of {', '.join(ALL)} unless given")
    parser.add_argument("--texts", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    for name in [] if arguments.texts else arguments.names or ALL:
        started = time.monotonic()
        of = subject(name)
        measured = ALL[name].measure()
        text = json.dumps({"of": of, "measured": measured}, indent=1, ensure_ascii=False, default=float)
        atomic.write(FIGURES / f"{name}.json", text + "\n")
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    for document in DOCUMENTS:
        path = ROOT / document
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
