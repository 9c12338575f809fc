"""The plan `direct`: one call a picture, with the prompt of training, read by the one parser of answers."""

from agent.asking import Asker, Question
from agent.plans.annotation import Annotation, Settings, conclude
from dataset_builder.fields import repair
from dataset_builder.prompts import PROMPTS
from dataset_builder.schema import Candidate
from dataset_builder.textform import parse_answer

__all__ = ["direct", "question"]


def question(url: str) -> Question:
    """The one question about a picture, greedily answered."""
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": PROMPTS["anomalies"]},
    ]
    return Question("direct", "", 0, [{"role": "user", "content": content}], {"temperature": 0.0}, _problem)


def _problem(answer: str) -> str | None:
    parsed = parse_answer(repair(answer))
    if parsed.status == "failed":
        return "it holds no JSON list of anomalies"
    return None if parsed.status != "partial" else f"a part of it cannot be read ({parsed.dropped[0].reason})"


async def direct(asker: Asker, settings: Settings) -> Annotation:
    """Annotate a picture with one call."""
    attempts = await asker.put(question(asker.picture.url))
    parsed = max((parse_answer(repair(attempt.answer)) for attempt in attempts), key=lambda read: len(read.anomalies))
    if attempts[-1].problem is None:
        parsed = parse_answer(repair(attempts[-1].answer))
    elif not parsed.anomalies:
        return Annotation.failed(asker.picture.image_id, "direct", attempts[-1].problem)
    fields = {"name", "phenomenon", "reasoning", "severity", "remark"}
    candidates = [
        Candidate(**anomaly.model_dump(include=fields), stage="direct", support=1, score=1.0)
        for anomaly in parsed.anomalies
    ]
    return conclude(asker, settings, candidates)
