"""What the filter did: candidates before and after, severities, and which stages and supports get rejected."""

import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from agent.review.agreement import Review
from agent.review.answers import REASONS, Reason
from agent.review.ratings import Rated
from agent.review.recall import Recall
from dataset_builder import atomic
from dataset_builder.scenes import family_of
from dataset_builder.schema import Candidate, Verdict
from dataset_builder.templates import environment

__all__ = ["Kept", "Share", "reasons_by_stage", "shares", "write_report"]

_INK, _BEFORE, _AFTER = "#1d1b18", "#b98a2b", "#1f6f4a"  # colours of the reports' shell, in its light mode


@dataclass(frozen=True)
class Kept:
    """A candidate of the agent, or of somebody who `added` it; what became of it, `None` as long as nobody has answered; and why
    people rejected it."""

    image_id: str
    candidate: Candidate
    verdict: Verdict | None
    reasons: Mapping[Reason, int]
    added: bool = False


@dataclass(frozen=True)
class Share:
    """The verdicts on one group of candidates."""

    group: str
    total: int
    accepted: int
    rejected: int
    unsure: int

    @property
    def rejected_share(self) -> float:
        """Rejected of those with a verdict, 0..1."""
        return self.rejected / self.total


def shares(kept: Iterable[Kept], group: Callable[[Candidate], str]) -> list[Share]:
    """The verdicts by group, of candidates that have one; most often rejected first."""
    counts: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for one in kept:
        if one.verdict:
            counts[group(one.candidate)][one.verdict] += 1
    found = [Share(name, n.total(), n["accept"], n["reject"], n["unsure"]) for name, n in counts.items()]
    return sorted(found, key=lambda share: (-share.rejected_share, share.group))


def reasons_by_stage(kept: Iterable[Kept]) -> list[tuple[str, list[int]]]:
    """How many rejects of each stage's candidates have which reason, in the order of `REASONS`; stages without any are left out."""
    counts: dict[str, Counter[Reason]] = defaultdict(Counter)
    for one in kept:
        counts[one.candidate.stage or "none stated"].update(one.reasons)
    return [(stage, [counts[stage][reason] for reason in REASONS]) for stage in sorted(counts) if counts[stage].total()]


def write_report(
    run: Path, kept: list[Kept], pictures: int, review: Review, found: Recall, ratings: Rated, rule: str
) -> list[Path]:
    """Write `review.html`, which needs no other file, and `severity.png`. Raises `OutputError`.

    What people added is told apart: before and after are the agent's.
    """
    added = Counter(one.verdict for one in kept if one.added)
    kept = [one for one in kept if not one.added]
    templates = environment(Path(__file__).parent)
    templates.filters["number"] = lambda value: "–" if value is None else f"{value:.3f}"
    templates.filters["percent"] = lambda value: "–" if value is None else f"{value:.0%}"
    decided = [one for one in kept if one.verdict]
    page = templates.get_template("report.html.jinja").render(
        rule=rule,
        pictures=pictures,
        before=len(kept),
        decided=len(decided),
        counts=Counter(one.verdict for one in decided),
        added=added,
        review=review,
        tables={
            "Stage": shares(kept, lambda candidate: candidate.stage or "none stated"),
            "Support": shares(kept, lambda candidate: str(candidate.support)),
            "Family": shares(kept, lambda candidate: family_of(candidate.name) or "other"),
        },
        reasons=REASONS,
        reasons_by_stage=reasons_by_stage(kept),
        recall=found,
        ratings=ratings,
        per_picture=_per_picture(kept),
        plot=_in_the_pages_colours(_severity_plot(kept, "svg").decode()),
    )
    return [atomic.write(run / "review.html", page), atomic.write(run / "severity.png", _severity_plot(kept, "png"))]


def _per_picture(kept: list[Kept]) -> list[tuple[str, int, int]]:
    """Of each picture with candidates: its name, and how many candidates before and after; the most filtered first."""
    before = Counter(one.image_id for one in kept)
    after = Counter(one.image_id for one in kept if one.verdict == "accept")
    return sorted(((name, n, after[name]) for name, n in before.items()), key=lambda row: (row[2] - row[1], row[0]))


def _severity_plot(kept: list[Kept], kind: Literal["svg", "png"]) -> bytes:
    """Severities of all candidates behind those of accepted ones, in bins of five; as SVG without a ground of its own."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    def severities(candidates: Iterable[Kept]) -> list[int]:
        return [one.candidate.severity for one in candidates if one.candidate.severity is not None]

    figure = Figure(figsize=(7.2, 3.0), dpi=100, layout="constrained")
    axes = figure.subplots()
    bins = range(0, 106, 5)
    axes.hist(severities(kept), bins=bins, color=_BEFORE, label="before: all candidates")
    accepted = severities(one for one in kept if one.verdict == "accept")
    axes.hist(accepted, bins=bins, color=_AFTER, width=3.2, label="after: accepted")
    axes.set_xlabel("severity: 0 completely irrational … 100 completely realistic (low is severe)", color=_INK)
    axes.set_ylabel("candidates", color=_INK)
    axes.tick_params(colors=_INK)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(_INK)
    axes.legend(frameon=False, labelcolor=_INK)
    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "severity", "font.family": "sans-serif"}):
        nothing = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
        figure.savefig(buffer, format=kind, transparent=kind == "svg", metadata=nothing[kind])
    return buffer.getvalue()


def _in_the_pages_colours(svg: str) -> Markup:
    """A plot as part of a page, which it follows into dark mode and onto paper; in HTML an SVG needs none of XML's names."""
    svg = re.sub(r'(?s)<metadata>.*?</metadata>| xmlns(:\w+)?="[^"]*"', "", svg)
    for colour, variable in {_INK: "ink", _BEFORE: "warm-line", _AFTER: "good"}.items():
        svg = svg.replace(colour, f"var(--ar-{variable})")
    return Markup(svg[svg.index("<svg") :])
