"""Looks at a journal from outside: what was spent, and what can go."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from agent.journal_files import journal_lock, open_for_reading
from agent.journal_rows import SUMS, Totals
from agent.outputs import price_of
from agent.plans import Settings
from dataset_builder.errors import InputError, OutputError
from dataset_builder.files.strict_json import read_json

__all__ = ["Spent", "by_stage", "prune"]


class Spent(NamedTuple):
    """What one stage's calls came to, those included that may have been billed without an answer.

    `unusable` of them gave no answer that could be used, `seconds` is the mean time of an answer.
    """

    stage: str
    calls: int
    unusable: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    seconds: float


def by_stage(run: Path) -> list[Spent]:
    """What a run's calls came to: one row per stage, in the order of their first call, and `all`.

    Raises:
        InputError: if there is no such run.
    """
    price, found = (
        price_of(run),
        f"coalesce(avg(CASE WHEN lost THEN NULL ELSE seconds END), 0.0), {SUMS} FROM calls WHERE billed",
    )
    db = open_for_reading(run)
    try:
        rows = [
            *db.execute(f"SELECT stage, {found} GROUP BY stage ORDER BY min(id)"),
            *db.execute(f"SELECT 'all', {found}"),
        ]
    finally:
        db.close()
    spent = []
    for stage, seconds, *sums in rows:
        totals = Totals(*sums)
        used = (totals.calls, totals.failed, totals.prompt_tokens, totals.completion_tokens)
        spent.append(Spent(stage, *used, totals.cost(price), seconds))
    return spent


def prune(run: Path) -> int:
    """Forget what no further run would use: the texts of unusable answers, and results under other settings than `run.json`'s.

    What calls cost stays in the ledger, unusable ones included.

    Returns:
        The number of answers and results forgotten.

    Raises:
        InputError: if there is no such run.
        OutputError: if it is being written, or cannot be.
    """
    open_for_reading(run).close()
    content = read_json(run / "run.json")
    try:
        settings = Settings(**{name: content[name] for name in Settings.model_fields if name in content})
        fingerprint = settings.fingerprint(content["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{run / 'run.json'}: cannot be read ({type(error).__name__}); annotate into it again"
        ) from None
    with journal_lock(run):
        db = sqlite3.connect(run / "journal.sqlite", isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            # Given up, so that the next asking starts anew instead of quoting an answer that is no longer there.
            removed = db.execute(
                """UPDATE calls SET request = '', answer = '', gave_up = 1
                WHERE problem IS NOT NULL AND (request != '' OR answer != '')"""
            ).rowcount
            removed += db.execute("DELETE FROM results WHERE settings != ?", (fingerprint,)).rowcount
            db.execute("COMMIT")
            db.execute("VACUUM")
        except sqlite3.Error as error:
            raise OutputError(f"{run / 'journal.sqlite'}: cannot be written ({error}); make room there") from None
        finally:
            db.close()
    return removed
