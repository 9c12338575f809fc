"""What an adapter answered about a few pictures at each evaluation: a page and its data in the run's directory.

`examined/index.html` is one self-contained page, a row per picture with its truth and the answers of the latest evaluations;
`examined/answers.json` holds all of them. Both are written again at each evaluation, whole or not at all, and a run resumed
from a checkpoint continues them. They show pictures of the dataset, so they are not published with the adapter.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dataset_builder import atomic, severity
from dataset_builder.pictures import upright
from dataset_builder.predictions import Prediction
from dataset_builder.schema import Anomaly
from dataset_builder.templates import environment, markdown
from trainer.examples import Sample

__all__ = ["FOLDER", "SHOWN", "Examined"]

FOLDER = "examined"
"""The directory in that of the run."""

SHOWN = 8
"""Pictures that are shown of each sample."""

LATEST = 6
"""Evaluations that the page shows, besides the first."""

SIDE = 224


class Examined:
    """Collects the answers and writes the page.

    Args:
        run (`Path`): the directory of the run.
        samples (mapping of `str` to `Sample`): what is examined, by name.
    """

    def __init__(self, run: Path, samples: Mapping[str, Sample]) -> None:
        self.folder = run / FOLDER
        self.samples = {name: _some(sample) for name, sample in samples.items()}
        self._pictures = dict(samples)
        self.answers = _read(self.folder / "answers.json")
        self._thumbnails: dict[tuple[str, int], str] = {}

    def begin(self, step: int) -> None:
        """Forget what is known of later steps than `step`, from which training continues: 0 for a new run."""
        self.answers = [one for one in self.answers if one["step"] <= step and step > 0]

    def add(self, step: int, name: str, predictions: Sequence[Prediction], numbers: Mapping[str, float]) -> str:
        """Keep the answers of a sample at a step, write the page, and return a table of them in Markdown.

        Args:
            step (`int`): of the training.
            name (`str`): the sample's.
            predictions (sequence of `Prediction`): of all its pictures, in their order.
            numbers (mapping): what was measured.

        Raises:
            OutputError: if the files cannot be written.
        """
        shown = {str(place): _kept(predictions[place]) for place, _ in self.samples[name]}
        before = [one for one in self.answers if (one["step"], one["name"]) != (step, name)]
        self.answers = [*before, {"step": step, "name": name, "numbers": dict(numbers), "answers": shown}]
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write(self.folder / "answers.json", json.dumps(self.answers, ensure_ascii=False, indent=1) + "\n")
        atomic.write(self.folder / "index.html", self._page())
        rows = [
            f"| {place} | {_told(truth)} | {_told(predictions[place].anomalies, predictions[place].status)} |"
            for place, truth in self.samples[name]
        ]
        return "\n".join(["| picture | truth | answer |", "|---|---|---|", *rows])

    def _page(self) -> str:
        sections = []
        for name, shown in self.samples.items():
            known = [one for one in self.answers if one["name"] == name]
            latest = known if len(known) <= LATEST else [known[0], *known[-LATEST:]]
            rows = [
                {
                    "place": place,
                    "source": self._thumbnail(name, place),
                    "truth": [anomaly.model_dump() for anomaly in truth],
                    "answers": [one["answers"].get(str(place)) for one in latest],
                }
                for place, truth in shown
            ]
            sections.append({"name": name or "held out", "evaluations": latest, "rows": rows})
        template = environment(Path(__file__).parent).get_template("examined.html.jinja")
        return template.render(sections=sections, severity=severity)

    def _thumbnail(self, name: str, place: int) -> str:
        if (name, place) not in self._thumbnails:
            picture = upright(self._pictures[name].picture(place))
            picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=85)
            self._thumbnails[name, place] = f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
        return self._thumbnails[name, place]


def _some(sample: Sample) -> list[tuple[int, list[Anomaly]]]:
    """The places that are shown, each with its truth: a quarter clean pictures, where there are any."""
    odd = [place for place, truth in enumerate(sample.references) if truth]
    clean = [place for place, truth in enumerate(sample.references) if not truth][: SHOWN // 4]
    return [(place, sample.references[place]) for place in [*odd[: SHOWN - len(clean)], *clean]]


def _kept(prediction: Prediction) -> dict[str, Any]:
    fields = {"name", "phenomenon", "reasoning", "severity"}
    anomalies = [anomaly.model_dump(include=fields) for anomaly in prediction.anomalies]
    return {"status": prediction.status, "anomalies": anomalies}


def _told(anomalies: Sequence[Anomaly], status: str | None = None) -> str:
    """Anomalies in a cell of a Markdown table."""
    if status == "failed":
        return "no readable answer"
    told = [f"**{markdown(one.name)}** ({one.severity}): {markdown(one.phenomenon)}" for one in anomalies]
    return "<br>".join(told) or "nothing wrong"


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return known if isinstance(known, list) else []
