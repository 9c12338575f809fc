"""The Space's page: paste or upload predictions and references, see scores, plots and every match, take the report along.

python metric_semap/app.py
"""

import contextlib
import html
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import gradio as gr

# A Space clones this folder under a name of its own; the modules beside this file are a package whatever it is called.
if importlib.util.find_spec("metric_semap") is None:
    HERE = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "metric_semap", HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["metric_semap"] = package
    spec.loader.exec_module(package)

from metric_semap.errors import SemapError
from metric_semap.evaluation import score_pictures, write_results
from metric_semap.measurement import Options
from metric_semap.records import parse_records
from metric_semap.report import STYLE, render_parts
from metric_semap.results import Leaderboard
from metric_semap.severity import SCALE
from metric_semap.similarity import BertScoreSimilarity

EXAMPLE_REFERENCES = {
    "kitchen.jpg": [
        {
            "name": "floating cup",
            "phenomenon": "A blue cup hovers above the table; there is a gap under it and no contact shadow.",
            "reasoning": "Nothing holds the cup, so gravity would make it fall onto the table.",
            "severity": 10,
        },
        {
            "name": "clock with thirteen hours",
            "phenomenon": "The dial of the wall clock carries thirteen hour marks.",
            "reasoning": "A clock divides half a day into twelve hours; a thirteenth has no meaning.",
            "severity": 40,
        },
    ],
    "street.jpg": [
        {
            "name": "third arm",
            "phenomenon": "The man at the kerb has a third arm growing out of his left shoulder.",
            "reasoning": "People have two arms; no shoulder carries two of them.",
            "severity": 5,
        }
    ],
    "garden.jpg": [],
}
EXAMPLE_PREDICTIONS = {
    "kitchen.jpg": [
        {
            "name": "cup in the air",
            "phenomenon": "The blue cup floats above the table without touching it and casts no shadow where it should stand.",
            "reasoning": "An unsupported cup falls; gravity does not let it stay in the air.",
            "severity": 15,
        }
    ],
    "street.jpg": [
        {
            "name": "extra arm",
            "phenomenon": "A man has three arms, two of them on the left side.",
            "reasoning": "A human body has only two arms.",
            "severity": 10,
        }
    ],
    "garden.jpg": [],
}

LOOKS_EVERY = 0.05
"""Seconds between two looks of Gradio at its queue of calls, and at the progress of those that run. By itself it looks 1,000 and
100 times per second, which costs a page that nobody uses 7 % of a core."""

CSS = (
    Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    + STYLE.read_text(encoding="utf-8")
    + """
.semap { color-scheme: light; }
.dark .semap { color-scheme: dark; }
.semap h2:first-of-type { margin-top: .8rem; }
.semap .error { border-left: 3px solid var(--series-2); padding-left: .9rem; overflow-wrap: anywhere; }
/* Before there is a result there are no files. */
#files:has(.empty) { display: none; }
/* Gradio styles every table in HTML as prose; these are data. */
.semap table, .semap tr { border: 0 !important; }
.semap th, .semap td {
  text-align: right !important; padding: .4rem .8rem .4rem 0 !important; white-space: nowrap;
  border: 0 !important; border-bottom: 1px solid var(--line) !important;
}
.semap th:first-child, .semap td:first-child { text-align: left !important; }
"""
)


def theme() -> gr.themes.Base:
    """Gradio's parts in the colours of the AnomReason page; `page.css` has them, light and dark."""
    both = {
        "body_background_fill": "var(--ar-ground)",
        "body_text_color": "var(--ar-ink)",
        "body_text_color_subdued": "var(--ar-muted)",
        "background_fill_primary": "var(--ar-surface)",
        "background_fill_secondary": "var(--ar-sunken)",
        "block_background_fill": "var(--ar-surface)",
        "block_info_text_color": "var(--ar-muted)",
        "block_label_text_color": "var(--ar-muted)",
        "block_title_text_color": "var(--ar-ink)",
        "border_color_primary": "var(--ar-line)",
        "border_color_accent": "var(--ar-accent)",
        "color_accent": "var(--ar-accent)",
        "color_accent_soft": "var(--ar-soft)",
        "input_background_fill": "var(--ar-surface)",
        "input_placeholder_color": "var(--ar-muted)",
        "link_text_color": "var(--ar-accent)",
        "link_text_color_hover": "var(--ar-ink)",
        "button_primary_background_fill": "var(--ar-accent)",
        "button_primary_background_fill_hover": "var(--ar-accent)",
        "button_primary_text_color": "var(--ar-accent-ink)",
        "button_secondary_background_fill": "var(--ar-surface)",
        "button_secondary_background_fill_hover": "var(--ar-sunken)",
        "button_secondary_border_color": "var(--ar-muted)",
        "button_secondary_border_color_hover": "var(--ar-muted)",
        "button_secondary_text_color": "var(--ar-ink)",
        "button_border_width": "1px",
    }
    round_corners = dict.fromkeys(
        ("block_radius", "input_radius", "button_large_radius", "button_medium_radius", "button_small_radius"), "10px"
    )
    # No font is fetched from elsewhere. The colours are variables with a dark value of their own: both modes name the same ones.
    base = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    dark = {f"{name}_dark": value for name, value in both.items() if name != "color_accent"}
    return base.set(**both, **dark, **round_corners)


def score(
    predictions: str,
    references: str,
    encoder: str,
    configuration: str,
    thresholds: str,
    matching: str,
    clean: str,
) -> tuple[str, str, str, str | None, str | None]:
    """Score predictions against references.

    Args:
        predictions (`str`): JSON, `{"IMG.jpg": [{"name", "phenomenon", "reasoning", "severity"}]}` or the official
            form.
        references (`str`): the same.
        encoder (`str`): `minilm`, a Hub id, or a local directory's name.
        configuration (`str`): `default` or `deepfake`.
        thresholds (`str`): e.g. `0.7, 0.8, 0.9`.
        matching (`str`): `greedy` or `optimal`.
        clean (`str`): `zero` or `skip`: what pictures without references count.

    Returns:
        `tuple`: scores, plots and matches as HTML, and the paths of `report.html` and `metrics.json`.
    """
    try:
        board = _board(predictions, references, encoder, configuration, thresholds, matching, clean)
    except SemapError as error:
        return (
            f'<div class="semap"><p class="error" role="alert">{html.escape(str(error))}</p></div>',
            "",
            "",
            None,
            None,
        )
    directory = _new_directory()
    write_results(board, directory)
    report, metrics = directory / "report.html", directory / "metrics.json"
    parts = render_parts(board)
    return parts["scores"], parts["plots"], parts["matches"], str(report), str(metrics)


def _new_directory() -> Path:
    """A directory for one result; those of an hour ago, which gradio has long copied, go."""
    for old in Path(tempfile.gettempdir()).glob("semap-page-*"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < time.time() - 3600:
                shutil.rmtree(old)
    return Path(tempfile.mkdtemp(prefix="semap-page-"))


def _board(
    predictions: str, references: str, encoder: str, configuration: str, thresholds: str, matching: str, clean: str
) -> Leaderboard:
    try:
        levels = tuple(float(part) for part in thresholds.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise SemapError(f"thresholds: {thresholds!r} are not numbers; write e.g. 0.7, 0.8, 0.9") from None
    options = Options(levels, matching=matching, empty=clean)
    similarity = BertScoreSimilarity(encoder.strip())
    truth = parse_records(references, "reference", "references")
    if not truth:
        raise SemapError("references: hold no picture; paste or upload at least one")
    said = {"predictions": parse_records(predictions, "prediction", "predictions")}
    return score_pictures(said, truth, similarity, options, configuration)


def _read_upload(path: str | None) -> str:
    if path is None:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise gr.Error("This file is not UTF-8 text; upload JSON.") from None


def build_page() -> gr.Blocks:
    """The page, not yet served."""
    preferred = os.environ.get("SEMAP_ENCODER") or "minilm"
    with gr.Blocks(title="SemAP", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(
            "# SemAP\n"
            "SemAP scores how well a model explains what is wrong with a picture. Each predicted anomaly is matched with at "
            "most one reference by the similarity of their texts. Paste or upload JSON in the official form or as in the "
            f"example. A severity is {SCALE}: **low is severe**."
        )
        with gr.Row():
            sides = {}
            for side in ("Predictions", "References"):
                with gr.Column(min_width=300):
                    sides[side] = gr.Textbox(
                        label=side, lines=10, max_lines=10, placeholder='{"picture.jpg": […]}', elem_id=side.lower()
                    )
                    upload = gr.UploadButton(
                        f"Upload {side.lower()}", file_types=[".json", ".jsonl", ".ndjson"], size="sm"
                    )
                    upload.upload(_read_upload, upload, sides[side], api_visibility="private")
        with gr.Accordion("Options", open=False):
            with gr.Row():
                encoder = gr.Dropdown(
                    list(dict.fromkeys([preferred, "minilm", "distilbert-base-uncased", "roberta-large"])),
                    value=preferred,
                    label="Encoder",
                    info="The official encoder is distilbert-base-uncased; minilm works without the Hub.",
                )
                configuration = gr.Radio(["default", "deepfake"], value="default", label="Configuration")
                thresholds = gr.Textbox("0.7, 0.8, 0.9", label="Thresholds", info="They are chosen for one encoder.")
            with gr.Row():
                matching = gr.Radio(["greedy", "optimal"], value="greedy", label="Matching")
                clean = gr.Radio(
                    ["zero", "skip"],
                    value="skip",
                    label="Pictures without references",
                    info="zero: they score 0, as in the official code; skip: they are left out",
                )
        with gr.Row():
            run = gr.Button("Score", variant="primary")
            example = gr.Button("Fill in an example")
        scores = gr.HTML(elem_id="scores")
        plots = gr.HTML(elem_id="plots")
        matches = gr.HTML(elem_id="matches")
        with gr.Row(elem_id="files"):
            report = gr.File(label="report.html", interactive=False)
            metrics = gr.File(label="metrics.json", interactive=False)
        run.click(
            score,
            [sides["Predictions"], sides["References"], encoder, configuration, thresholds, matching, clean],
            [scores, plots, matches, report, metrics],
            api_name="score",
        )
        filled = [json.dumps(value, indent=2) for value in (EXAMPLE_PREDICTIONS, EXAMPLE_REFERENCES)]
        example.click(lambda: filled, None, [sides["Predictions"], sides["References"]], api_visibility="private")
    return page


if __name__ == "__main__":
    page = build_page()
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = LOOKS_EVERY
    page.launch(css=CSS, theme=theme(), max_file_size="50mb")
