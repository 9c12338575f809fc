"""An audit as files: `audit.json`, `audit.md`, and `audit.html`, one page with everything in it; and on the terminal."""

import json
import math
from pathlib import Path
from typing import Any

from dataset_builder import atomic, severity
from dataset_builder.boxes import drawn
from dataset_builder.data_url import data_url
from dataset_builder.errors import PictureError
from dataset_builder.pictures import encode, within
from dataset_builder.templates import environment
from dataset_builder.terminal import printable
from metric_semap.report import interval, number
from trainer.evaluation.audit_answers import HUMAN, Answers
from trainer.evaluation.audit_result import Example, examples
from trainer.evaluation.intensity import SEPARATION

__all__ = ["AUDIT", "print_ranking", "write_audit"]

AUDIT = ("audit.json", "audit.md", "audit.html")
"""The files that an audit writes."""

EACH, TOTAL = 4, 36  # examples of a generator, and on the sheet
SIDE = 280  # pixels of the longer side of an example
SHOWN = ("CAP", "AF", "MAI", "share")


def write_audit(result: dict[str, Any], generators: dict[str, Answers], out: Path) -> list[Path]:
    """Write the three files; each appears whole or not at all."""
    templates = environment(Path(__file__).parent)
    templates.filters |= {"number": number, "interval": interval}
    highest = max((row["CAP"]["high"] or row["CAP"]["value"] for row in result["generators"]), default=0)
    context = {
        "audit": result,
        "shown": SHOWN,
        "severity": severity,
        "reach": math.ceil(10 * highest) / 10 or 1,  # where the scale of CAP ends
        "level": f"{SEPARATION:.0%}".replace("%", " %"),
        "each": EACH,
        "human": HUMAN,
        "tier_of": {name: k for k, tier in enumerate(result["ranking"], 1) for name in tier},
    }
    sheet = [_card(example, generators) for example in examples(generators, result["reviewer"], EACH, TOTAL)]
    return [
        atomic.write(out / "audit.json", json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"),
        atomic.write(out / "audit.md", templates.get_template("audit.md.jinja").render(context)),
        atomic.write(out / "audit.html", templates.get_template("audit.html.jinja").render(context, sheet=sheet)),
    ]


def _card(example: Example, generators: dict[str, Answers]) -> dict[str, Any]:
    try:
        picture = generators[example.generator].picture(example.image_id)
    except PictureError:
        picture = None
    shown: dict[str, Any] = {"source": None}
    if picture is not None:
        source = data_url(*encode(within(picture, SIDE), quality=82))
        shown = {"source": source, "size": picture.size, "boxes": drawn([example.anomaly], picture.size)}
    return example._asdict() | shown


def print_ranking(result: dict[str, Any]) -> None:
    """The ranking on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("tier", "generator", "CAP", "95 %", "AF", "MAI", "pictures"):
        table.add_column(column, justify="left" if column in ("tier", "generator") else "right")
    tiers = {name: str(k) for k, tier in enumerate(result["ranking"], 1) for name in tier}
    for row in result["generators"]:
        cap, mean = row["CAP"], row["MAI"]["value"]
        interval = "–" if cap["low"] is None else f"{cap['low']:.3f}–{cap['high']:.3f}"
        shown = "–" if mean is None else f"{mean:.3f}"
        scores = (f"{cap['value']:.3f}", interval, f"{row['AF']['value']:.3f}", shown, str(row["pictures"]))
        table.add_row(tiers[row["name"]], printable(row["name"]), *scores)
    console, clean = Console(), result["clean"]
    console.print(table, markup=False)
    alarms = clean if isinstance(clean, str) else f"{clean['false_alarms']} of {clean['pictures']}"
    console.print(f"false alarms on clean pictures: {alarms}", markup=False)
    for one in result["agreement"]:
        tau = "undefined" if one["kendall_tau"] is None else f"{one['kendall_tau']:.3f}"
        console.print(printable(f"{one['first']} and {one['second']}: Kendall's tau {tau}"), markup=False)
    for warning in result["warnings"]:
        console.print(f"note: {printable(warning)}", markup=False)
