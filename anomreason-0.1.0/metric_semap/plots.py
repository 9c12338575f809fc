"""The plots of a report, as SVG to put into a page: drawn in the page's own colours, so that they follow light and dark."""

import io
from collections.abc import Sequence
from typing import Any

from .details import CURVE_THRESHOLDS, ViewCurves
from .severity import AXIS, HIGHEST, LOWEST

__all__ = ["precision_recall_plot", "severity_plot", "threshold_plot"]

# Colours that matplotlib writes and the page replaces: whatever its theme, a plot is drawn with the theme's ink.
INK, GRID, CHANCE = "#010203", "#040506", "#070809"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")
VARIABLES = {INK: "var(--ink)", GRID: "var(--line)", CHANCE: "var(--chance)"} | {
    colour: f"var(--series-{i + 1})" for i, colour in enumerate(SERIES)
}
DASHES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)))  # told apart without colour, too


def _axes(x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(colors=INK, length=0, pad=6)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def _svg(figure: Any, axes: Any, name: str, description: str, legend: bool = True) -> str:
    import matplotlib

    if legend:
        axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    buffer = io.StringIO()
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 10}
    ):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    from markupsafe import escape

    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1)


def threshold_plot(curves: Sequence[tuple[str, ViewCurves]], score: str = "F1") -> str:
    """Score against threshold, τ from 0.5 to 0.95, with chance as a shaded area under each predictor's line.

    Args:
        curves (`list[tuple[str, ViewCurves]]`): predictors' names and curves of the view Full, at most six.
        score (`str`, defaults to `"F1"`): or `"precision"`.
    """
    figure, axes = _axes("threshold τ", f"mean {score}, view Full")
    for k, (name, of) in enumerate(curves):
        own, chance = (curve.f1 if score == "F1" else curve.precision for curve in (of.own, of.chance))
        label = "chance: dealt to other pictures" if k == 0 else None
        axes.fill_between(CURVE_THRESHOLDS, chance, color=CHANCE, linewidth=0, alpha=0.8 / len(curves), label=label)
        axes.plot(CURVE_THRESHOLDS, own, color=SERIES[k], linestyle=DASHES[k], label=name)
    axes.set_xlim(0.5, 0.95)
    axes.set_ylim(0, 1.02)
    return _svg(figure, axes, f"threshold-{score}", f"Mean {score} against the threshold, chance shaded")


def precision_recall_plot(curves: ViewCurves) -> str:
    """The precision–recall curve of all predictions in the order of their confidence, one line per threshold."""
    figure, axes = _axes("recall", "precision, view Full")
    for k, (threshold, curve) in enumerate(list(curves.precision_recall.items())[: len(SERIES)]):
        # A staircase with its start and end: precision holds until the next recall.
        recall, precision = [0.0, *curve.recall], [*curve.precision[:1], *curve.precision]
        if len(precision) == len(recall):
            axes.plot(recall, precision, color=SERIES[k], linestyle=DASHES[k], label=f"τ = {threshold:g}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    return _svg(figure, axes, "precision-recall", "Precision against recall")


def severity_plot(pairs: Sequence[tuple[int, int]]) -> str:
    """Predicted against reference severity of matched pairs; on the diagonal they agree. Low is severe."""
    figure, axes = _axes(f"reference {AXIS}", f"predicted {AXIS}")
    axes.plot([LOWEST, HIGHEST], [LOWEST, HIGHEST], color=GRID, linewidth=1.5)
    axes.scatter([t for _, t in pairs], [p for p, _ in pairs], color=SERIES[0], s=18, alpha=0.45, linewidths=0)
    axes.set_xlim(LOWEST - 2, HIGHEST + 2)
    axes.set_ylim(LOWEST - 2, HIGHEST + 2)
    axes.set_aspect("equal")
    return _svg(figure, axes, "severity", "Predicted against reference severity of matched pairs", legend=False)
