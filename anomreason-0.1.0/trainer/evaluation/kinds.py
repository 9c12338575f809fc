"""The kinds of anomalies: ten, assigned by a rule from the name and the phenomenon.

| kind | what is wrong |
|---|---|
| `anatomy` | bodies: too many or too few limbs, fingers that merge, faces, impossible poses of a joint |
| `gravity and support` | things that float, hang from nothing, stand where nothing carries them |
| `light and shadow` | shadows that are missing or fall the wrong way, light that comes from nowhere |
| `reflection` | mirrors, windows and water that show something else, or nothing |
| `scale` | things that are too large or too small, perspective and depth that do not fit |
| `parts and joints` | parts that are detached, doubled, missing or end in nothing |
| `text and symbols` | letters, signs, numbers and logos that mean nothing |
| `identity of objects` | things that are two things at once, change into another, or have a colour or make they cannot have |
| `interaction` | things that pass through or merge with each other, or touch without effect; grips that hold nothing |
| `other` | what no rule knows, texture and style among it |

**The rule.** Each kind has expressions. A kind earns `NAME` points if one of them is found in the name and one point if one is
found in the phenomenon; the kind with the most points is taken, of several the first in the order of `RULES`, which runs from
the particular to the general: a mirror is a reflection before it is light. Reasoning is not read: it speaks of gravity and
light whatever is wrong.

Where an encoder is given, what no expression knows goes to the kind whose description above is nearest, if it is near enough
(`NEAR`). A kind is a bin for counting, not a finding: `docs/paper.md` says how often the rule is right on scenes and on texts
of real releases.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from metric_semap.anomalies import Quadruplet

__all__ = ["KINDS", "Encode", "by_kind", "kind_of", "kinds_of"]

NAME = 3
NEAR = 0.33
"""The cosine from which a description is near, for the offline encoder: it leaves texts about style alone."""

# A body's part in a name may say where, not what: "Light on the face", "Hand that grips nothing", "Clock hands", "On their head".
_NOT_A_BODY = r"interact|\bgrip|grasp|contact|clock|\bwatch|\bdial|on (?:the|their|his|her) head\b"
_FORMS = {
    "text and symbols": (
        r"\btexts?\b|letter(?:s|ing)?\b|\bwords?\b|wording|alphabet|typograph|gibberish|illegible|unreadable|misspel|spelling|\blogo|"
        r"\bnumeral|\bdigits?\b|symbol|signage|\bsigns?\b|licen[cs]e plate|inscription|\bcaptions?\b|\bwriting\b|\blabels?\b"
    ),
    "reflection": r"reflect|mirror|refract",
    "gravity and support": (
        r"float|hover|levitat|mid-?air|suspen|gravity|unsupported|without (?:any )?(?:visible )?support|lack\w* (?:any )?"
        r"(?:visible )?support|"
        r"hang(?:s|ing)? in|nothing (?:under|below|beneath)|upside|on (?:the|their|his|her) head\b|balanc"
    ),
    "light and shadow": r"shadow|\blight(?:s|ing|ed)?\b|illuminat|\blit\b|highlight|shading|sunlight|glow|\bbright",
    "anatomy": (
        rf"^(?!.*(?:{_NOT_A_BODY})).*(?:anatom|\barms?\b|\blegs?\b|\blimbs?\b|finger|thumb|\bhands?\b|\bfeet\b|\bfoot\b|\btoes?\b|"
        r"\belbow|\bknees?\b|\bwrist|\bneck\b|shoulder|torso|\bheads?\b|\bfac(?:e|es|ial)\b|\beyes?\b|\bears?\b|earlobe|\bnose|\bmouth|"
        r"\bteeth|\btooth|\bjaw|\bskin\b|skull\b|cranial|\btail\b|\bpaws?\b|\bhoo(?:f|ves)\b|\bposture|\bbody\b|bodies)"
    ),
    "scale": (
        r"\bscal(?:e|ing)|\bsize|oversiz|undersiz|proportion|giant|enormous|huge\b|tiny\b|miniature|too (?:large|small|big)|"
        r"perspective|\bdepth\b|spatial|\bflat(?:ness)?\b|compress"
    ),
    "parts and joints": (
        r"detach|disconnect|\bjoints?\b|\bhandles?\b|missing|extra\b|surplus|duplicat|doubled|broken|incomplete|\bends? in|"
        r"lead(?:s|ing)? (?:to )?nowhere|\bspokes?\b|\bhinge|clock|too many|more \w+ than|asymmetr|misalign|wheel|strap|clasp"
    ),
    "interaction": (
        r"interact|through\b|penetrat|intersect|overlap|merg|fus(?:ed|ion)|embed|clip(?:s|ping)\b|sunk|sink|under the table top|"
        r"contact|\bgrip|grasp|grabb|\bhold|blend|touch|pressure|deform|drap|crease"
    ),
    "identity of objects": (
        r"identit|hybrid|morph|chimer|half .{1,30} half|turn(?:s|ing)? into|transform|colou?r|species|wrong kind|nonexist|"
        r"unidentifi|ambiguous|material|mismatch|\bno plant\b"
    ),
}
RULES: dict[str, re.Pattern[str]] = {kind: re.compile(form, re.IGNORECASE | re.DOTALL) for kind, form in _FORMS.items()}
"""The expressions of each kind, from the particular to the general."""

KINDS: tuple[str, ...] = (
    "anatomy",
    "gravity and support",
    "light and shadow",
    "reflection",
    "scale",
    "parts and joints",
    "text and symbols",
    "identity of objects",
    "interaction",
    "other",
)
"""The kinds, as tables list them."""

Encode = Callable[[Sequence[str]], np.ndarray]
"""Unit vectors of texts, shape [texts, width]."""


def kind_of(name: str, phenomenon: str) -> str:
    """The kind of an anomaly, by the rule.

    >>> kind_of("Floating lemon slice", "It hovers above the glass without support.")
    'gravity and support'
    >>> kind_of("Oddity", "The left hand has six fingers.")
    'anatomy'
    """
    points = Counter[str]()
    for kind, form in RULES.items():
        points[kind] = NAME * bool(form.search(name)) + bool(form.search(phenomenon))
    best = max(points.values())
    if not best:
        return "other"
    return next(kind for kind in RULES if points[kind] == best)


def kinds_of(anomalies: Iterable[Quadruplet], encode: Encode | None = None) -> list[str]:
    """The kind of each anomaly; `encode` decides what the rule does not know."""
    listed = list(anomalies)
    kinds = [kind_of(one.name, one.phenomenon) for one in listed]
    unknown = [at for at, kind in enumerate(kinds) if kind == "other"]
    if encode is None or not unknown:
        return kinds
    described = [kind for kind in KINDS if kind != "other"]
    means = encode([_DESCRIBED[kind] for kind in described])
    near = encode([f"{listed[at].name}. {listed[at].phenomenon}" for at in unknown]) @ means.T
    for at, row in zip(unknown, near, strict=True):
        if row.max() >= NEAR:
            kinds[at] = described[int(row.argmax())]
    return kinds


_DESCRIBED: Mapping[str, str] = {
    match[1]: match[2] for match in re.finditer(r"^\| `([a-z ]+)` \| (.+) \|$", __doc__ or "", re.MULTILINE)
}


def by_kind(anomalies: Iterable[Quadruplet], encode: Encode | None = None) -> Counter[str]:
    """How many anomalies are of each kind."""
    return Counter(kinds_of(anomalies, encode))
