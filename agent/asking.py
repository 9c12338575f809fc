"""One picture's calls: made once, asked again once where the answer is bad, given up where it stays so.

A call's key is the SHA-256 of the picture's bytes, the model, the messages' texts with each picture by its hash, the
parameters and the sample's number. What was committed under a key is never asked for again. The server's address is not
in the key, nor what the client had to leave out for it: the same model elsewhere answers the same question.
"""

import asyncio
import hashlib
import json
import zlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel

from agent.answers import Answer, is_refusal, read_answer
from agent.bill import Bill
from agent.boxes import DROPPED, GRID, Frame, Unit, boxes_of
from agent.budget import Budget
from agent.client import CallFailed, Chat, Reply
from agent.journal import Journal
from agent.journal_rows import Attempt
from agent.picture_tokens import picture_tokens
from agent.pictures import CROP_SIDE, SentPicture
from agent.prompts import OURS, Stance, Texts, messages, repair_messages
from agent.stages import Stage, schema
from dataset_builder.errors import shorten

__all__ = ["Asker", "Failure", "Question", "Services", "key_of", "together"]

MAX_TOKENS = 2000
LONG = {"discovery_draft": 4000, "discovery_merge": 4000, "summary_image": 4000, "format": 4000}
TOKENS_CAP = 16000
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema()}}
"""The same for all stages: some servers put the schema before the messages."""
REPEATS = 20
"""A cut-off answer that can be written so many times shorter is a loop, and more room would hold more of it."""


class Services(NamedTuple):
    """What the calls of all pictures share."""

    chat: Chat
    journal: Journal
    budget: Budget


class Failure(BaseModel):
    """A call that was given up, as the picture's row has it."""

    stage: str
    object: str
    sample: int
    reason: str


class Question(NamedTuple):
    """A call before it is made.

    Attributes:
        stage (`str`): which stage asks, or `direct`.
        object (`str`): what it is about, for the journal and for failures.
        sample (`int`): the sample's number.
        messages (`list`): as they are sent.
        parameters (mapping): of the request, without the limit of tokens.
        read (callable): says what is wrong with an answer, or `None`.
        note (callable): says what must be known of an answer, or nothing.
    """

    stage: str
    object: str
    sample: int
    messages: list[dict[str, Any]]
    parameters: Mapping[str, Any]
    read: Callable[[str], str | None]
    note: Callable[[str], str] = lambda answer: ""


@dataclass
class Asker:
    """Asks about one picture, and counts.

    Attributes:
        rank (`int`): the picture's place in its run; earlier ones are served first.
        boxes (`str`, *optional*): how the model gives boxes, if not as `agent.boxes` knows.
        asked (`int`): questions asked, whether the server or the journal answered.
        failures (`list[Failure]`): those that were given up.
        round (`str`, *optional*): asks what was asked before once more, with answers of its own under this name.
        tell (callable, *optional*): called with a question's stage and `False` as it is asked, and with `True` once it has ended.
        texts (`Texts`): how the stages are asked.
    """

    picture: SentPicture
    services: Services
    stance: Stance = "neutral"
    rank: int = 0
    boxes: Unit | None = None
    round: str = ""
    tell: Callable[[str, bool], None] | None = None
    texts: Texts = OURS
    asked: int = 0
    failures: list[Failure] = field(default_factory=list)

    async def ask(
        self,
        stage: Stage,
        given: Mapping[str, Any] | None = None,
        *,
        about: str = "",
        sample: int = 0,
        crops: Sequence[str] = (),
        temperature: float = 0.3,
    ) -> list[Any] | None:
        """The items of a stage's answer, or `None` if it was given up and nothing of it can be used.

        Args:
            stage (`str`): what is asked.
            given (mapping, *optional*): the input, see `agent.stages`.
            about (`str`, *optional*): the object concerned.
            sample (`int`, defaults to 0): the sample's number; a draft's wording goes by it too.
            crops (sequence of `str`, *optional*): data URLs of close views.
            temperature (`float`, defaults to 0.3): of sampling.
        """
        ids = [finding["id"] for finding in (given or {}).get("findings", ())]
        boxes = boxes_of(self.services.chat.model, GRID.unit, self.boxes)
        frame = Frame(boxes, self.picture.shown)

        def read(answer: str) -> Answer:
            return read_answer(stage, answer, ids, frame)

        question = Question(
            stage,
            about,
            sample,
            messages(stage, self.stance, [self.picture.url, *crops], given, sample, self.texts, boxes),
            {
                "temperature": temperature,
                "top_p": 0.95,
                "seed": sample,
                "response_format": FORMAT,
            },
            lambda answer: read(answer).problem,
            lambda answer: DROPPED if read(answer).lost_boxes else "",
        )
        attempts = await self.put(question)
        if attempts[-1].problem is None:
            return read(attempts[-1].answer).items
        # One bad item loses none of its siblings: of answers that stayed bad, the best is used as far as it goes.
        usable = max((read(attempt.answer).items for attempt in attempts if attempt.answer), key=len, default=[])
        return usable or None

    async def put(self, question: Question) -> list[Attempt]:
        """The attempts at a question; the last has no problem, or gave up."""
        self.asked += 1
        self._told(question.stage, False)
        key = key_of(question, self.picture, self.services.chat.model, self.round)
        async with self.services.journal.turn(key):
            attempts = self.services.journal.attempts(key)
            while not attempts or (attempts[-1].problem is not None and not attempts[-1].gave_up):
                attempts.append(await self._attempt(key, question, attempts))
        last = attempts[-1]
        if last.problem is not None:
            self.failures.append(
                Failure(stage=question.stage, object=question.object, sample=question.sample, reason=last.problem)
            )
        self._told(question.stage, True)
        return attempts

    def _told(self, stage: str, ended: bool) -> None:
        if self.tell is not None:
            self.tell(stage, ended)

    async def _attempt(self, key: str, question: Question, before: list[Attempt]) -> Attempt:
        chat, journal, budget = self.services
        bad = [attempt for attempt in before if attempt.finish_reason != "length"]
        limit = _limit(question, before)
        sent = repair_messages(question.messages, bad[-1].answer, bad[-1].problem or "") if bad else question.messages
        text = sent[1 if len(sent) > 1 and sent[0]["role"] == "system" else 0]["content"][-1]["text"]
        blank = Attempt(
            key=key,
            image_id=self.picture.image_id,
            stage=question.stage,
            object=question.object,
            sample=question.sample,
            round=self.round,
            request=text,
            answer="",
            problem=None,
            gave_up=False,
            finish_reason="",
            prompt_tokens=0,
            completion_tokens=0,
            seconds=0.0,
        )
        account = Bill(blank, _prompt_tokens(sent, self.picture, chat.model), journal, budget)
        async with chat.slots.of(self.rank):
            journal.check()
            try:
                reply = await chat.ask(
                    sent, question.parameters, limit, prompt_tokens=account.prompt_tokens, account=account
                )
            except CallFailed as error:
                return await account.gave_up(str(error))
            problem, final = _judge(reply, question, before, len(bad))
            # The slot is kept until the answer is on the disk: what a crash loses is at most what was in flight.
            note = "; ".join(filter(None, (reply.note, question.note(reply.text))))
            return await account.answered(reply._replace(note=note), problem, final)


def _limit(question: Question, before: list[Attempt]) -> int:
    """How many tokens an answer gets: twice as many after each that was cut off."""
    cut_off = sum(attempt.finish_reason == "length" for attempt in before)
    return min(LONG.get(question.stage, MAX_TOKENS) << cut_off, TOKENS_CAP)


def _judge(reply: Reply, question: Question, before: list[Attempt], bad_before: int) -> tuple[str | None, bool]:
    """What is wrong with a reply, and whether that ends the call."""
    if reply.refusal or reply.finish_reason == "content_filter":
        return f"refused ({shorten(reply.refusal or 'content filter', 200)})", True
    problem = question.read(reply.text)
    if reply.finish_reason == "length":
        longest = max((_substance(one.answer) for one in before if one.finish_reason == "length"), default=0)
        if (found := _substance(reply.text)) <= longest or found * REPEATS < len(reply.text):
            return f"cut off at {reply.limit} tokens, of which most repeat or are blank", True
        return f"cut off at {reply.limit} tokens", reply.limit >= TOKENS_CAP
    if problem is None:
        return None, False
    if is_refusal(reply.text):
        return f"refused ({shorten(reply.text, 200)})", True
    return problem, bad_before >= 1


def _substance(text: str) -> int:
    """How much a text says, in bytes that do not repeat: blanks and loops come to next to nothing."""
    return len(zlib.compress(" ".join(text.split()).encode(), 1))


def key_of(question: Question, picture: SentPicture, model: str, round_: str = "") -> str:
    """The key under which the journal has a question's answers."""
    shaped = {
        "picture": picture.digest,
        "model": model,
        "stage": question.stage,
        "sample": question.sample,
        "messages": [_without_pictures(message, picture.url) for message in question.messages],
        "parameters": dict(question.parameters),
    }
    if round_:
        shaped["round"] = round_
    return hashlib.sha256(json.dumps(shaped, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _without_pictures(message: Mapping[str, Any], whole: str) -> Any:
    content = message["content"]
    if isinstance(content, str):
        return [message["role"], content]
    parts = []
    for part in content:
        url = part["image_url"]["url"] if part["type"] == "image_url" else None
        # The whole picture is known by its file's hash; only crops are hashed as they are sent.
        parts.append(part["text"] if url is None else "" if url is whole else hashlib.sha256(url.encode()).hexdigest())
    return [message["role"], *parts]


def _prompt_tokens(sent: list[dict[str, Any]], picture: SentPicture, model: str) -> int:
    """An estimate on the high side: three characters per token, crops at their largest, pictures as the model's family does."""
    tokens = 0
    for message in sent:
        content = message["content"]
        parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "text":
                tokens += len(part["text"]) // 3 + 8
            elif part["image_url"]["url"] is picture.url:
                tokens += picture_tokens(model, *picture.shown)
            else:
                tokens += picture_tokens(model, CROP_SIDE, CROP_SIDE)
    return tokens


async def together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of work done at the same time.

    When one fails the others are not cancelled but waited for: what they asked is paid for and belongs into the journal.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
