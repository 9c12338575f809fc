"""The commands of the review: review, verdicts status, verdicts export, verdicts account."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dataset_builder.extras import require
from dataset_builder.options import AsJson
from dataset_builder.terminal import printable

app = typer.Typer()
verdicts = typer.Typer(help="Show or export people's verdicts on what a run found.", no_args_is_help=True)
app.add_typer(verdicts, name="verdicts")

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of `anomreason annotate`.", show_default=False)]


@app.command()
def review(
    run: Run,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 7861,
    host: Annotated[
        str, typer.Option(help="Address to serve on; an address that other machines can reach needs --auth-file.")
    ] = "127.0.0.1",
    auth_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the people who may log in, made by `anomreason verdicts account`; by default there is no login."
        ),
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Name of the reviewer, where there is no login; by default the page asks for it.")
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            help="Number of people who answer each item; by default as set before, or 1. Without a majority one more is asked. The "
            "run keeps this setting.",
            show_default=False,
        ),
    ] = None,
    rate_severity: Annotated[
        bool | None,
        typer.Option(
            "--rate-severity/--no-rate-severity",
            help="Ask for a severity with every accept, without showing the model's; off at first. The run keeps this setting.",
            show_default=False,
        ),
    ] = None,
    ask_missed: Annotated[
        bool | None,
        typer.Option(
            "--ask-missed/--no-ask-missed",
            help="Also ask for each picture whether the agent missed anything, to measure recall; off at first. The run keeps this "
            "setting.",
            show_default=False,
        ),
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(
            metavar="SCENES",
            help="Scenes directory from which items with a known answer are mixed in, to check reviewers.",
        ),
    ] = None,
    guidelines: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Markdown file that reviewers can open next to the picture.")
    ] = None,
) -> None:
    """Serve a page on which people accept or reject a run's candidates (what the agent found), and add what it missed."""
    from agent.review.accounts import Accounts, check_host
    from agent.review.desk import Desk
    from agent.review.guidelines import read_guidelines
    from agent.review.serve import serve

    accounts = Accounts(auth_file) if auth_file else None
    check_host(host, accounts)
    rules = read_guidelines(guidelines) if guidelines else ""
    desk = Desk(run, overlap=overlap, rate_severity=rate_severity, ask_missed=ask_missed, gold=gold)

    def tell() -> None:
        finished = desk.store.finished()
        place = f"[{host}]" if ":" in host else host
        typer.echo(
            f"{finished.total} items, {finished.items} done; open http://{place}:{port} (Ctrl-C stops it; nothing is lost)"
        )

    serve(desk, host=host, port=port, accounts=accounts, reviewer=reviewer, guidelines=rules, begun=tell)


@verdicts.command()
def status(run: Run, as_json: AsJson = False) -> None:
    """Show a review's progress, how far its reviewers agree, and how often they are right on items with a known answer."""
    require("verdicts status", "space")
    from agent.review.agreement import measure
    from agent.review.export import open_store
    from agent.review.ratings import rated, ratings_of
    from agent.review.recall import recall

    store = open_store(run)
    finished, settings, items, standing = store.finished(), store.settings, store.items(), store.standing()
    store.close()
    review, found = measure(items, standing), recall(items, standing, "majority")
    ratings = rated(ratings_of(items, standing))
    if as_json:
        content = {"items": finished.total, "finished": finished.items, "overlap": settings.overlap, **review.as_json()}
        content |= {"recall": asdict(found), "ratings": asdict(ratings)}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    overlap = settings.overlap
    typer.echo(f"{finished.items} of {finished.total} items have their {overlap} answer{'' if overlap == 1 else 's'}")
    _print_reviewers(review)
    _print_agreement(review)
    _print_recall(found)
    _print_ratings(ratings)


@verdicts.command()
def export(
    run: Run,
    rule: Annotated[
        str,
        typer.Option(
            help="When a candidate is accepted: majority or unanimous. An unsure answer never counts as accept."
        ),
    ] = "majority",
) -> None:
    """Write the accepted candidates for `anomreason build`, and a report on the review. Exit code 3 if answers are missing."""
    require("verdicts export", "space")
    from agent.review.decision import RULES
    from agent.review.export import export as write
    from dataset_builder.errors import InputError

    if rule not in RULES:
        raise InputError(f"--rule {rule}: is not a rule; choose {' or '.join(RULES)}")
    done = write(run, rule)  # type: ignore[arg-type]
    for file in done.files:
        typer.echo(file)
    typer.echo(
        f"{done.candidates} candidates: {done.accepted} accepted, {done.rejected} rejected, {done.unsure} unsure, "
        f"{done.unanswered} without an answer"
    )
    if done.added:
        typer.echo(f"{done.added} of them were added by people")
    if done.open:
        typer.echo(f"{done.open} items have fewer answers than asked for; export again once they are in", err=True)
        raise typer.Exit(3)


@verdicts.command()
def account(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Accounts file, for `review --auth-file`; made if it is not there.", show_default=False
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the reviewer.", show_default=False)],
) -> None:
    """Add a reviewer who may log in, or change the password. It is asked for, or read from REVIEW_PASSWORD; only a hash is kept."""
    import os

    from agent.review.accounts import add_account

    # Not an option: everybody on this machine can read the command line, and the shell keeps it.
    password = os.environ.get("REVIEW_PASSWORD") or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    add_account(file, name, password)
    typer.echo(f"{file}: {printable(name)} may log in")


def _print_reviewers(review: Any) -> None:
    rows = [
        (
            printable(one.name),
            str(one.answers),
            *(str(one.verdicts.get(verdict, 0)) for verdict in ("accept", "reject", "unsure")),
            "–" if one.with_others is None else f"{one.with_others:.0%}",
            f"{one.gold_right} of {one.gold}" + (f", {one.gold_unsure} unsure" if one.gold_unsure else ""),
            f"{one.seconds:.1f}",
        )
        for one in review.reviewers
    ]
    _print(("reviewer", "answers", "accept", "reject", "unsure", "as others", "gold right", "seconds"), rows)


def _print_agreement(review: Any) -> None:
    if not review.overall.items:
        typer.echo("no item has two answers, so nothing is known about agreement; --overlap 2 asks everything twice")
        return
    rows = [
        (printable(name), str(one.items), *map(_number, (one.raw, one.fleiss, one.alpha)))
        for name, one in [("everything", review.overall), *review.by_family.items()]
    ]
    _print(("agreement over", "items", "raw", "Fleiss' kappa", "Krippendorff's alpha"), rows)
    pairs = [(printable(f"{a}, {b}"), str(n), _number(kappa)) for (a, b), (n, kappa) in review.pairs.items()]
    _print(("two reviewers", "items", "Cohen's kappa"), pairs)


def _print_recall(found: Any) -> None:
    if not found.whole.true:
        typer.echo("recall is not known: no anomaly has been accepted on a picture that was looked over to the end")
        return
    rows = [
        (
            printable(one.agent),
            str(one.found),
            str(one.true),
            _number(one.share),
            f"{_number(one.low)} to {_number(one.high)}",
        )
        for one in (found.whole, *found.agents)
    ]
    _print(("agent", "found", "of accepted", "recall" if found.asked else "recall at most", "95 % interval"), rows)
    typer.echo(
        f"people added {found.added} anomalies on {found.pictures} pictures"
        + ("" if found.asked else "; nobody was asked what was missed (--ask-missed asks)")
    )


def _print_ratings(ratings: Any) -> None:
    if ratings.ratings:
        typer.echo(
            f"{ratings.ratings} severities of {ratings.items} anomalies rated by {ratings.people} people; Krippendorff's alpha "
            f"(interval) over {ratings.shared} rated by several: {_number(ratings.alpha)}"
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _print(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
