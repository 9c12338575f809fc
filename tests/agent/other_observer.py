"""Another simulated model of scenes, written without regard to AnomAgent: it knows OpenAI's protocol and the scenes' truth.

What it is asked it reads off the request alone: the fields that the schema wants (or that the words quote), and the JSON that is
given. Its errors are of another structure than those of `agent.simulated`:

- Every true anomaly has a difficulty and every thing has lures, false claims with an allure, drawn once per picture. All looks
  share them (a logistic model as in item-response theory), so errors are neither independent nor simply repeated.
- What fools a look fools a second look at the same claim too.
- The more a request is about, the less is seen; what stands late in a list gets less attention.
- It remarks on style and light as if they were anomalies, says the same thing twice, and calls things by other names.
- Of a list it is to tidy up it leaves out, keeps apart and throws together items, the more the longer the list.
"""

import base64
import hashlib
import io
import json
import math
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from dataset_builder.scenes import SceneRow, pair, read_scenes
from tests.agent.other_words import CLAIMS, REMARKS, Meant, meant, name_of, named, thing_of, told
from tests.scripted_endpoint import Asked, Endpoint, Said, completion, serve_scripted

__all__ = ["Character", "Observer", "View", "answer", "serve_observer"]


class Character(NamedTuple):
    """What kind of model it is, in logits: how well it sees, how easily lures are seen, and how easily it agrees with a claim."""

    skill: float = 1.2
    fancy: float = -4.6
    trust: float = -1.0


class View:
    """A picture as this model sees it, the same in all of its looks.

    Attributes:
        things (`dict`): name → box in shares of the picture's sides.
        difficulty (`dict`): true claim → logits that it takes to see it.
        allure (`dict`): false claim → logits with which it is seen.
        severity (`dict`): claim → severity.
    """

    def __init__(self, row: SceneRow, character: Character, seed: int) -> None:
        dice = random.Random(f"{seed} {row.image_id}")
        index = int(row.image_id.split("_")[2])
        drawn = next(one for one in pair(row.seed, index) if one.row == row)
        sides = drawn.image.size * 2
        self.things = {
            thing.object: [corner / side for corner, side in zip(box, sides, strict=True)]
            for thing, box in zip(drawn.scene.things, drawn.extents, strict=True)
        }
        self.difficulty: dict[Meant, float] = {}
        self.severity: dict[Meant, int] = {}
        for one in row.anomalies:
            claim = Meant(one.object, one.family)
            self.severity[claim] = one.severity or 50
            self.difficulty[claim] = dice.gauss(0, 1.2) + (self.severity[claim] - 35) / 30 - character.skill
        self.allure: dict[Meant, float] = {}
        for thing in self.things:
            for claim in dice.sample(sorted(CLAIMS), 3):
                if Meant(thing, claim) not in self.difficulty:
                    self.allure[Meant(thing, claim)] = character.fancy + dice.gauss(0, 1.5)
        for remark in REMARKS:
            self.allure[Meant("", remark)] = character.fancy + dice.gauss(1.2, 1.0)

    def is_true(self, claim: Meant | None) -> bool:
        return claim in self.difficulty

    def sees(self, things: Sequence[str], whole: bool, dice: random.Random) -> list[Meant]:
        """The claims that one look at these things makes."""
        strain = 0.5 * math.log2(max(1, len(things)) + whole)
        seen = [
            claim
            for claim, hard in self.difficulty.items()
            if claim.thing in things and dice.random() < _share(-hard - strain)
        ]
        seen += [
            claim
            for claim, lure in self.allure.items()
            if (claim.thing in things if claim.thing else whole) and dice.random() < _share(lure)
        ]
        dice.shuffle(seen)
        return seen

    def agrees(self, claim: Meant | None, character: Character, place: int, dice: random.Random) -> bool:
        """Whether a second look bears a claim out; `place` is where it stands in the list."""
        if claim is not None and claim in self.difficulty:
            logit = 2.8 - 0.5 * self.difficulty[claim]
        else:
            lure = self.allure.get(claim, character.fancy) if claim else character.fancy
            logit = character.trust + 0.6 * (lure - character.fancy)
        # What comes late is waved through as likely as not.
        tired = min(0.5, 0.04 * place)
        return dice.random() < (1 - tired) * _share(logit) + tired * 0.5


class Wanted(NamedTuple):
    """What a request wants: the keys that lead to the list (none for a bare list), the fields of its items, what it was given, the
    words of the question, and whether boxes are asked for on a grid."""

    keys: tuple[str, ...]
    fields: frozenset[str]
    given: dict[str, Any]
    text: str
    grid: bool

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items with an id that it is given."""
        lists = [value for value in self.given.values() if isinstance(value, list)]
        return [item for found in lists for item in found if isinstance(item, dict) and "id" in item]


def wanted(body: dict[str, Any]) -> Wanted:
    """Read a request by its schema and by the last JSON in its words."""
    content = next(message["content"] for message in body["messages"] if message["role"] == "user")
    text = "\n".join(part["text"] for part in content if part["type"] == "text")
    blocks = re.findall(r"```(?:json)?\n(.*?)\n```", text, re.DOTALL)
    given = json.loads(blocks[-1]) if blocks else {}
    grid = "from 0 to 1000" in json.dumps(body["messages"][0]["content"]) + text
    form = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    if form is None:
        return Wanted((), frozenset(re.findall(r'"(\w+)"', text)), given, text, grid)
    words = text.partition("```")[0]
    keys, node = _list_in(form, form, frozenset(re.findall(r'"(\w+)"', words)))
    return Wanted(keys, frozenset(_resolved(node["items"], form)["properties"]), given, text, grid)


def _resolved(node: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """A part of a schema, or what it refers to."""
    found: dict[str, Any] = form["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    return found


def _list_in(
    node: dict[str, Any], form: dict[str, Any], said: frozenset[str]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The keys that lead to the list of a schema, and the list: of alternatives, the one whose name is said."""
    node = _resolved(node, form)
    if "items" in node:
        return (), node
    if "anyOf" in node:
        choices = [_list_in(choice, form, said) for choice in node["anyOf"]]
        return next(choice for choice in choices if said.issuperset(choice[0]))
    ((name, inner),) = node["properties"].items()
    keys, found = _list_in(inner, form, said)
    return (name, *keys), found


def answer(asked: Wanted, view: View, character: Character, dice: random.Random) -> Any:
    """The answer, as the data that is wanted."""
    fields = asked.fields
    if "ids" in fields:
        items: list[Any] = [{"ids": [item["id"] for item in group]} for group in _grouped(asked, view, dice)]
    elif "id" in fields:
        items = _judged(asked, view, character, dice)
    elif "phenomenon" not in fields:
        items = _inventory(asked, view, dice)
    elif asked.items and not re.search(r"\b(?:what|anything) else\b", asked.text):
        items = _tidied(asked, view, character, dice)
    else:
        items = _looked(asked, view, dice)
    items = [{name: value for name, value in item.items() if name in fields} for item in items]
    answered: Any = items
    for key in reversed(asked.keys):
        answered = {key: answered}
    return answered


def _looked(asked: Wanted, view: View, dice: random.Random) -> list[Any]:
    about = [thing for words in asked.given.get("objects", []) if (thing := thing_of(str(words), view.things))]
    known = {_claim(item, view) for item in asked.items}
    seen = [
        claim
        for claim in view.sees(about or list(view.things), not about, dice)
        if claim not in known or dice.random() < 0.1
    ]
    seen += [claim for claim in seen if dice.random() < 0.08]
    return [_written(claim, view, asked, dice) for claim in seen]


def _judged(asked: Wanted, view: View, character: Character, dice: random.Random) -> list[Any]:
    judged = []
    for place, item in enumerate(asked.items):
        claim = _claim(item, view)
        yes = view.agrees(claim, character, place, dice)
        judged.append(
            {
                "id": item["id"],
                "evidence": "Yes, that is what the image shows." if yes else "I cannot find this in the image.",
                "holds": yes,
                "severity": _severity(claim, view, dice) if yes else 95,
            }
        )
    return judged


def _grouped(asked: Wanted, view: View, dice: random.Random) -> list[list[dict[str, Any]]]:
    """The items given, those that say the same together: as far as it keeps an overview."""
    groups: list[list[dict[str, Any]]] = []
    of: dict[object, list[dict[str, Any]]] = {}
    slips = 0.02 + 0.006 * len(asked.items)
    for item in asked.items:
        at, claim = dice.random(), _claim(item, view)
        if at < slips / 4:
            continue
        if at < slips / 2 and groups:
            groups[-1].append(item)
        elif at < slips or (claim or item["id"]) not in of:
            groups.append([item])
            of.setdefault(claim or item["id"], groups[-1])
        else:
            of[claim or item["id"]].append(item)
    return groups


def _tidied(asked: Wanted, view: View, character: Character, dice: random.Random) -> list[Any]:
    written = []
    for place, group in enumerate(_grouped(asked, view, dice)):
        claim = _claim(group[0], view)
        if not view.is_true(claim) and not view.agrees(claim, character, place, dice) and dice.random() < 0.5:
            continue
        said = _written(claim, view, asked, dice) if claim else dict(group[0])
        written.append(said | {"sources": [item["id"] for item in group]})
    return written


def _inventory(asked: Wanted, view: View, dice: random.Random) -> list[Any]:
    drafts = [item for draft in asked.given.get("drafts", []) for item in draft]
    listed = {thing for item in drafts if (thing := thing_of(str(item.get("name", "")), view.things))}
    things = [thing for thing in view.things if (thing in listed if drafts else dice.random() < 0.95)]
    dice.shuffle(things)
    seen = view.sees(things, True, dice)
    listing = []
    for thing in things:
        odd = [claim for claim in seen if claim.thing == thing and dice.random() < 0.4]
        listing.append(
            {
                "name": named(thing, dice),
                "description": f"It is {dice.choice(('near the middle', 'at one side', 'in the open'))}.",
                "oddity": told(odd[0], dice) if odd else None,
                "bbox": _box(thing, view, asked, dice),
            }
        )
    return listing


def _written(claim: Meant, view: View, asked: Wanted, dice: random.Random) -> dict[str, Any]:
    return {
        "sources": [],
        "object": named(claim.thing, dice) if claim.thing else "whole picture",
        "name": name_of(claim, dice),
        "phenomenon": told(claim, dice),
        "reasoning": dice.choice(
            ("The real world has no such thing.", "It contradicts experience.", "That cannot be.")
        ),
        "severity": _severity(claim, view, dice),
        "bbox": _box(claim.thing, view, asked, dice),
    }


def _claim(item: dict[str, Any], view: View) -> Meant | None:
    return meant(f"{item.get('phenomenon', '')}\n{item.get('reasoning', '')}", view.things)


def _severity(claim: Meant | None, view: View, dice: random.Random) -> int:
    middle = view.severity.get(claim, 70) if claim else 70
    return min(100, max(0, round(dice.gauss(middle, 9))))


def _box(thing: str, view: View, asked: Wanted, dice: random.Random) -> list[int] | None:
    if thing not in view.things or dice.random() < 0.1:
        return None
    grid = 1000 if asked.grid else 168
    return [min(grid, max(0, round(grid * (share + dice.gauss(0, 0.02))))) for share in view.things[thing]]


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


class Observer:
    """The model with its memory of what it has seen.

    Args:
        scenes (`Path`): a scenes directory.
        character (`Character`): what kind of model it is.
        seed (`int`): of all its draws.
    """

    def __init__(self, scenes: Path, character: Character, seed: int) -> None:
        self._character, self._seed = character, seed
        self._rows = {_pixels(Image.open(scenes / "images" / row.image_id)): row for row in read_scenes(scenes)}
        self._views: dict[str, View] = {}
        self._seen: dict[str, SceneRow] = {}

    def complete(self, body: dict[str, Any]) -> tuple[str, int, int]:
        """What it says to a request, and the tokens of the request and of the answer."""
        content = next(message["content"] for message in body["messages"] if message["role"] == "user")
        urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
        if urls[0] not in self._seen:
            picture = Image.open(io.BytesIO(base64.b64decode(urls[0].partition(",")[2])))
            self._seen[urls[0]] = self._rows[_pixels(picture)]
        row = self._seen[urls[0]]
        if row.image_id not in self._views:
            self._views[row.image_id] = View(row, self._character, self._seed)
        view = self._views[row.image_id]
        request = wanted(body)
        dice = random.Random(f"{self._seed} {row.image_id} {body.get('seed')} {request.text}")
        text = json.dumps(answer(request, view, self._character, dice))
        written = len(json.dumps(body["messages"], ensure_ascii=False)) - sum(map(len, urls))
        written += len(json.dumps(body.get("response_format") or ""))
        return text, round(written / 3.6) + 85 * len(urls), round(len(text) / 3.6)


@contextmanager
def serve_observer(scenes: Path, character: Character | None = None, seed: int = 0) -> Iterator[Endpoint]:
    """Serve this model on loopback, over a scenes directory."""
    observer = Observer(scenes, character or Character(), seed)

    def reply(asked: Asked, number: int) -> Said:
        text, prompt, written = observer.complete(asked.body)
        said = completion(text)
        said.body["usage"] = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
        return said

    with serve_scripted(reply) as endpoint:
        yield endpoint


def _pixels(picture: Image.Image) -> str:
    return hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()
