"""The plan `direct`: one call per picture, with the prompt of training, read by the one parser of answers."""

from agent.asking import Asker, Question
from agent.journal_rows import Attempt
from agent.plans.annotation import Annotation, Settings, conclude
from dataset_builder.fields import repair
from dataset_builder.prompts import PROMPTS, Task
from dataset_builder.schema import Candidate
from dataset_builder.textform import parse_answer, parse_verdict

__all__ = ["best", "direct", "question"]


def question(url: str, task: Task = "anomalies") -> Question:
    """The one question of a task about a picture, greedily answered."""
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": PROMPTS[task]}]
    stage = "direct" if task == "anomalies" else task
    read = _verdict_problem if task == "verdict" else _problem
    return Question(stage, "", 0, [{"role": "user", "content": content}], {"temperature": 0.0}, read)


def _verdict_problem(answer: str) -> str | None:
    return None if parse_verdict(answer) else "it begins with neither Yes nor No"


def _problem(answer: str) -> str | None:
    parsed = parse_answer(repair(answer))
    if parsed.status == "failed":
        return "it holds no JSON list of anomalies"
    return None if parsed.status != "partial" else f"a part of it cannot be read ({parsed.dropped[0].reason})"


def best(attempts: list[Attempt]) -> Attempt:
    """The attempt that counts: the last if nothing is wrong with it, else the one of which most can be used."""
    if attempts[-1].problem is None:
        return attempts[-1]
    return max(reversed(attempts), key=lambda attempt: len(parse_answer(repair(attempt.answer)).anomalies))


async def direct(asker: Asker, settings: Settings) -> Annotation:
    """Annotate a picture with one call."""
    attempts = await asker.put(question(asker.picture.url))
    anomalies = parse_answer(repair(best(attempts).answer)).anomalies
    problem = attempts[-1].problem
    if problem is not None and not anomalies:
        return Annotation.failed(asker.picture.image_id, "direct", problem)
    fields = {"name", "phenomenon", "reasoning", "severity", "remark"}
    candidates = [
        Candidate(**anomaly.model_dump(include=fields), stage="direct", support=1, score=1.0) for anomaly in anomalies
    ]
    return conclude(asker, settings, candidates)
