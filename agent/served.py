"""What the commands `examine`, `predict`, `benchmark`, `audit` and `score` ask of a model behind a server.

Thin calls of `agent.direct` and `agent.judge`: they check what was typed, read the pictures, show progress, and say what an outcome
means.
"""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from agent.boxes import check_unit
from agent.budget import Budget, read_prices
from agent.direct import examine, predict
from agent.forecast import expected
from agent.journal_rows import Totals
from agent.judge import Judge
from agent.plans import Settings
from agent.reach import ROOM, check_endpoint, contestant_checks
from agent.run import Endpoint
from agent.simulated import MODEL
from dataset_builder import owned
from dataset_builder.contestants import Contestant, Limits, Outcome
from dataset_builder.errors import InputError, PictureError
from dataset_builder.pictures import open_picture
from dataset_builder.predictions import Prediction
from dataset_builder.preflight import check_room, look
from dataset_builder.prompts import TASKS, Asked
from dataset_builder.stored import StoredPictures, open_split
from dataset_builder.terminal import Steps, pictures_done

__all__ = [
    "answer",
    "answer_split",
    "check_served",
    "contestant_checks",
    "examine_files",
    "expected_cost",
    "judging",
    "predict_split",
]

LOOKED_AT = 20
"""Pictures whose size tells what the others will cost."""


def examine_files(paths: list[Path], model: str | None, adapter: str | None, base_url: str) -> list[Prediction]:
    """What the server's model says of picture files; a file that is not a picture is told before anything is asked.

    Raises:
        InputError: without a model, or with an adapter, which a server has itself.
        PictureError: for a file that cannot be read.
        UnavailableError: if the server refuses to answer.
    """
    endpoint = _endpoint(model, adapter, base_url)
    for path in paths:
        open_picture(path)
    return examine(
        StoredPictures([str(path) for path in paths], lambda path: Path(path).read_bytes()), endpoint, "both"
    )


def check_served(
    dataset: str, split: str, model: str | None, adapter: str | None, base_url: str, out: Path, task: str
) -> None:
    """Look at what predicting a split through a server needs.

    Raises:
        InputError: for a task that is not known, else listing everything that is not ready.
    """
    if task not in TASKS:
        raise InputError(f"--task {task}: is not known; choose {', '.join(TASKS)}")
    look(
        lambda: owned.check(out.parent, "predict", ()),
        lambda: check_room(out.parent, ROOM),
        lambda: check_endpoint(_endpoint(model, adapter, base_url).model, base_url),
        lambda: open_split(dataset, split),
    )


def predict_split(
    dataset: str,
    split: str,
    limit: int | None,
    model: str | None,
    adapter: str | None,
    base_url: str,
    concurrency: int,
    out: Path,
    steps: Steps,
    task: Asked,
    restart: bool,
    *,
    rpm: int | None = None,
    tpm: int | None = None,
    boxes: str | None = None,
) -> int:
    """Predict a split's pictures through a server into `out`; see `agent.direct.predict`.

    Returns:
        `int`: pictures without a readable answer.

    Raises:
        InputError: for a model or adapter that does not fit.
    """
    endpoint = _endpoint(model, adapter, base_url)._replace(concurrency=concurrency, rpm=rpm, tpm=tpm)
    settings = Settings(plan="direct", boxes=check_unit(boxes))
    pictures = open_split(dataset, split).first(limit)
    with steps.bar("pictures", len(pictures)) as done:
        return predict(pictures, endpoint, out, done, task, restart=restart, settings=settings).failed


def answer_split(
    contestant: Contestant,
    dataset: str,
    config: str | None,
    split: str,
    images: Container[str],
    path: Path,
    steps: Steps,
    limits: Limits,
    prices: Path | None,
    *,
    verdict: bool,
) -> Outcome:
    """The same for a contestant of a benchmark: the pictures `images` of a split, within limits."""
    pictures = open_split(dataset, split, config).among(images)
    return answer(contestant, pictures, path, steps, limits, prices, verdict=verdict)


def answer(
    contestant: Contestant,
    pictures: StoredPictures,
    path: Path,
    steps: Steps,
    limits: Limits,
    prices: Path | None,
    *,
    verdict: bool = False,
) -> Outcome:
    """Ask an endpoint about pictures, by its plan, through the agent's journal, within limits."""
    price = read_prices(prices).get(str(contestant.model)) if prices else None
    with steps.bar("pictures", len(pictures)) as done:
        predicted = predict(
            pictures,
            Endpoint(str(contestant.model), contestant.base_url, rpm=contestant.rpm, tpm=contestant.tpm),
            path,
            done,
            settings=Settings(plan=contestant.plan or "direct"),
            task="both" if verdict else "anomalies",
            limits=limits,
            price=price,
        )
    unfinished = ""
    if predicted.unfinished:
        unfinished = "the budget is used up; raise it and re-run (nothing is paid for twice)"
    elif predicted.failed == len(pictures):
        unfinished = (
            f"no picture has a readable answer; {path.with_suffix('.jsonl').name} says why; re-run to ask again"
        )
    note = "simulated, no model" if contestant.model == MODEL else ""
    return Outcome(unfinished, predicted.usd, predicted.tokens, predicted.calls, note)


def expected_cost(
    contestant: Contestant, pictures: StoredPictures | None, number: int, prices: Path | None, *, verdict: bool
) -> tuple[int, int, float | None, str]:
    """What asking an endpoint about `number` pictures will need; with `verdict`, a verdict on each included.

    Args:
        pictures (`StoredPictures`, *optional*): of which the first tell how large they are; 1,024 pixels square are assumed
            without.

    Returns:
        Calls, tokens, US dollars (`None` where the price is not known), and what that rests on, in words.
    """
    sizes: dict[str, tuple[int, int]] = {}
    for name in pictures.ids[:LOOKED_AT] if pictures else ():
        try:
            sizes[name] = open_picture(name, pictures.content(name)).size  # type: ignore[union-attr]
        except PictureError:  # the run will say which
            continue
    model = str(contestant.model)
    price = read_prices(prices).get(model) if prices else None
    found = expected(
        sizes or {"": (1024, 1024)},
        number,
        Settings(plan=contestant.plan or "direct"),
        model=model,
        price=price,
        concurrency=Endpoint(model).concurrency,
    )
    asked = number if verdict else 0
    prompts = found.prompt_tokens
    if contestant.plan in (None, "direct"):
        prompts += round(found.prompt_tokens / max(found.calls, 1)) * asked
    completions = found.completion_tokens + asked
    usd = None if price is None else price.of(prompts, completions)
    return found.calls + asked, prompts + completions, usd, found.assumed


@contextmanager
def judging(
    model: str,
    base_url: str | None,
    run: Path,
    *,
    usd: float | None,
    tokens: int | None,
    calls: int | None,
    prices: Path | None,
    rpm: int | None = None,
    tpm: int | None = None,
    asks: bool = True,
) -> Iterator[Judge]:
    """A judge of texts with its journal below `run`, and a bar while it is asked.

    Args:
        usd, tokens, calls: the budget, earlier times included.
        asks (`bool`, defaults to `True`): whether it will be asked, so that the server has to be there.

    Raises:
        InputError: if something that it needs is not ready.
    """
    look(
        *((partial(check_endpoint, model, base_url), partial(check_room, run, ROOM)) if asks else ()),
        lambda: prices and read_prices(prices),
    )
    price, limits = read_prices(prices).get(model) if prices else None, Limits(usd, tokens, calls)
    Budget(limits, price, Totals())  # a budget in money without a price is told before the texts are encoded
    endpoint = Endpoint(model, base_url, rpm=rpm, tpm=tpm)
    with pictures_done() as show:
        yield Judge(endpoint, run, partial(show, "questions"), limits=limits, price=price)


def _endpoint(model: str | None, adapter: str | None, base_url: str) -> Endpoint:
    if model is None:
        raise InputError("--base-url: needs --model, the model's name on that server")
    if adapter is not None:
        raise InputError(
            "--base-url: the server loads adapters itself; leave out --adapter and give the adapter's name as --model"
        )
    return Endpoint(model, base_url)
