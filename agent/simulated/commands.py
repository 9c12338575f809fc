"""The command of the simulated model."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("simulate-vlm")
def simulate_vlm(
    scenes: Annotated[
        Path, typer.Option(help="Directory that `anomreason scenes` wrote; its scenes.jsonl is the known truth.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8001,
    seed: Annotated[int, typer.Option(help="Seed for all errors and faults.")] = 0,
    miss: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that a look at an object misses an anomaly.")
    ] = 0.0,
    hallucinate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that a look at an object invents an anomaly.")
    ] = 0.0,
    catch: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that verification catches a false finding.")
    ] = 0.8,
    doubt: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that verification drops a true finding.")
    ] = 0.0,
    misjudge: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Probability that a judgement of two texts (`score --judge`) is wrong."),
    ] = 0.0,
    misgroup: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that a finding is not grouped with its duplicates.")
    ] = 0.0,
    bias: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of invented findings that are always of the same kind.")
    ] = 0.0,
    stubborn: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of errors that every look repeats.")] = 0.0,
    malformed: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of answers with broken JSON.")] = 0.0,
    truncated: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of answers that are cut off.")] = 0.0,
    refused: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of requests that are refused.")] = 0.0,
    hostile: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of answers with hostile texts.")] = 0.0,
    busy: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of requests that get a 429.")] = 0.0,
    broken: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of requests that get a 500 or 503.")] = 0.0,
    hang: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of requests that get no reply.")] = 0.0,
    cut: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of replies whose connection is cut.")] = 0.0,
    retry_after: Annotated[float, typer.Option(min=0.0, help="Retry-After of a 429 reply, in seconds.")] = 1.0,
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds per answer.")] = 0.0,
    slots: Annotated[
        int, typer.Option(min=0, help="Number of requests answered at the same time; 0 for no limit.")
    ] = 0,
    schemas: Annotated[
        bool, typer.Option("--schemas/--no-schemas", help="Accept response_format, or refuse it with a 400.")
    ] = True,
    dialect: Annotated[
        list[str] | None,
        typer.Option(
            help="Imitate one behaviour of a real server: NAME, or NAME=SHARE of the requests; may be repeated."
        ),
    ] = None,
    clock: Annotated[
        float,
        typer.Option(min=1.0, help="Speed of the clock of the dialects' quotas; 2 is twice as fast as real time."),
    ] = 1.0,
    quota: Annotated[int, typer.Option(min=1, help="Requests per minute in dialects that have a quota.")] = 60,
    batch_seconds: Annotated[float, typer.Option(min=0.0, help="Seconds from a batch's creation to its end.")] = 0.0,
    batch_expires: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of a batch's requests that expire.")
    ] = 0.0,
) -> None:
    """Serve a simulated vision-language model that answers from the known truth of rendered scenes.

    It has OpenAI's interfaces for chat completions, files and batches.
    Faults: malformed, truncated, refused and hostile answers; busy (429), broken (500, 503), hanging and cut connections.
    The dialects are listed in docs/agent.md.
    """
    named = locals()
    import uvicorn

    from agent.simulated.batches import BatchRules
    from agent.simulated.dialects import Spoken
    from agent.simulated.questions import MODEL
    from agent.simulated.rates import Rates
    from agent.simulated.server import SimulatedVLM
    from agent.simulated.serving import configure, listen

    rates = Rates.named(**{field.name: named[field.name] for field in fields(Rates)})
    rules = BatchRules(batch_seconds, batch_expires)
    model = SimulatedVLM(scenes, rates, Spoken(dialect or (), seed, clock, quota), rules)
    with listen(port) as taken:
        typer.echo(f"model {MODEL} on http://127.0.0.1:{taken.getsockname()[1]}/v1, counts at /stats; Ctrl-C stops it")
        uvicorn.Server(configure(model)).run(sockets=[taken])
