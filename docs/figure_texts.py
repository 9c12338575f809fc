"""How the figures of docs/figures are told in the documents: Markdown from what `make_figures.py` measured."""

from typing import Any

from benchmarks.meta_scenes import markdown

__all__ = ["held_out", "meta_scenes", "quickstart", "robustness", "scores", "unknown"]

Measured = dict[str, Any]


def _of(pair: list[int]) -> str:
    return f"{pair[0]:,} of {pair[1]:,}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(columns: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (columns, ["---"] * len(columns), *rows))


def scores(of: Measured) -> str:
    """The tiny model on fresh scenes: `trainer.tiny.evaluate.evaluate_scenes`."""
    weakest, next_weakest = sorted(of["family_f1"].items(), key=lambda one: one[1])[:2]
    answers, wrong, chance = of["answers"], of["wrong_object"], of["chance"]
    rows = [
        ["refused as unknown", _of(of["refused"])],
        ["parseable answers, among the others", _percent(of["parseable"])],
        ["anomaly family: **micro-F1**", f"**{of['micro_f1']:.3f}**"],
        ["precision, recall", f"{of['precision']:.3f}, {of['recall']:.3f}"],
        ["exact set of families", f"{of['exact']:.3f}"],
        ["weakest family (F1)", f"{weakest[0]} {weakest[1]:.3f}"],
        ["next weakest", f"{next_weakest[0]} {next_weakest[1]:.3f}"],
        ["reports on clean pictures", _of(of["false_alarms"])],
        ["right object named (colour and kind), without clocks", _of(of["object"])],
        ["severity, mean absolute error", f"{of['severity_mae']:.1f} points"],
        ["boxes (task `grounded`), mean IoU", f"{of['mean_iou']:.2f}"],
        ["micro-F1 of the answers dealt to other pictures", f"{of['dealt_micro_f1']:.2f}"],
    ]
    for name in answers:
        rows.append([name.replace("_strict", ", strict"), f"{answers[name]:.3f}"])
        rows.append(["… of wrong objects; of other pictures' answers", f"{wrong[name]:.3f}; {chance[name]:.3f}"])
    intro = (
        f"On {of['pictures']:,} fresh pictures ({of['scenes']:,} scenes and their clean twins, seed {of['seed']}, scored once; "
        f"`python -m trainer.tiny.evaluate --scenes {of['scenes']} --seed {of['seed']}`):"
    )
    return f"{intro}\n\n{_table(['', 'seed 0, shipped'], rows)}"


def robustness(of: Measured) -> str:
    """Changed scenes: `benchmarks.robustness.measured`."""
    rows = []
    for change, found in of["changes"].items():
        told = (
            [
                f"{found['micro_f1']:.3f}",
                _of(found["object"]),
                _of(found["false_alarms"]),
                _percent(found["parseable"]),
            ]
            if "micro_f1" in found
            else ["–"] * 4
        )
        rows.append([change, *told, _of(found["refused"])])
    intro = (
        f"{of['scenes']} scenes and their twins of seed {of['seed']}, changed in one way each "
        f"(`python benchmarks/robustness.py --scenes {of['scenes']}`);\n"
        "all columns but the last count only the pictures that were not refused:"
    )
    columns = ["", "micro-F1", "right object", "false alarms", "parseable", "refused"]
    return f"{intro}\n\n{_table(columns, rows)}"


def unknown(of: Measured) -> str:
    """What is refused: `benchmarks.unknown.measured`."""
    rows = []
    for kind, found in of["kinds"].items():
        count, whole = found["refused"]
        rows.append(
            [
                kind,
                _of(found["refused"]),
                _percent(count / whole),
                f"{100 * found['low']:.1f} to {_percent(found['high'])}",
                f"{found['nearest']:.2f} to {found['farthest']:.2f}",
            ]
        )
    columns = ["pictures, none used in fitting", "refused", "share", "95 % interval (exact)", "distance, in thresholds"]
    return f"{_table(columns, rows)}\n\nThe fresh scenes, twins included, are of seed {of['seed']}."


def held_out(of: Measured) -> str:
    """A family learned afterwards: `benchmarks.held_out.run`."""
    hits, alarms, lost = _of(of["hits"]), _of(of["false_alarms"]), of["before"] - of["after"]
    return (
        f"`{of['family']}` (seed {of['seed']}): {hits} true scenes hit, {alarms} clean twins reported; micro-F1 of the eight\n"
        f"trained families {of['before']:.3f} before and {of['after']:.3f} after ({lost:.3f} lost), on fresh scenes; "
        f"{of['minutes']} minutes of training on {of['threads']} cores."
    )


def quickstart(of: Measured) -> str:
    """What `make demo` shows: `trainer.quickstart.quickstart`."""
    hits, alarms = _of(of["hits"]), _of(of["false_alarms"])
    base, tuned, constant = (of[model]["SemF1_Full"] for model in ("base", "tuned", "constant"))
    return (
        f"The demo (`make demo`) teaches `{of['family']}` from 800 pictures: {hits} hits, {alarms} false alarms on clean twins;\n"
        f"SemF1_Full on its test pictures is {base:.3f} before and {tuned:.3f} after ({constant:.3f} for a constant answer), "
        f"in {of['seconds'] / 60:.1f} minutes on {of['cores']} cores."
    )


def meta_scenes(of: Measured) -> str:
    """What corruptions of correct answers score: `benchmarks.meta_scenes.tables`."""
    scored = of["scores"]
    # Those that change nothing in a pair have the paraphrase's similarities.
    alike = {name: row for name, row in of["similarities"].items() if "," not in name}

    def semap(name: str) -> str:
        return f"{scored[name]['SemAP_Full']:.3f}"

    def reach(name: str) -> str:
        return f"{100 * alike[name]['≥ 0.7']:.0f} %"

    return "\n".join(
        [
            markdown(scored, "predictions", {"severity_error": 1}),
            "",
            "Similarities of the pairs matched in Full; the quantiles from 5 % to 95 % and the shares are of Full:",
            "",
            markdown(alike, "matched pairs, Full", {}),
            "",
            f"A paraphrase of the same anomaly scores {semap('paraphrase')} in SemAP_Full; said of another object it scores "
            f"{semap('wrong object')};",
            f"with another family's reason {semap('wrong reason')}; denied {semap('negation')}. "
            f"{reach('paraphrase')} of paraphrases reach 0.7 in Full,",
            f"{reach('wrong object')} of those with a wrong object and {reach('wrong reason')} of those with a wrong reason do.",
        ]
    )
