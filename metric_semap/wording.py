"""A text as words: their stems, which of them carry content, and which are under a negation.

These are rules of English in general, not of any data: closed-class words, common endings, and the cues that corpora of
negation mark (BioScope, Vincze et al., 2008; the *SEM 2012 shared task; NegEx, Chapman et al., 2001). What a cue denies
runs from the cue to the end of its clause. A word under two cues is not denied ("not without a shadow").
"""

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Word", "read", "stem"]

TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,:]\d+)*|[.,;:!?—–]")
_FUNCTION_WORDS = """
    a an the this that these those there here it its itself he him his himself she her hers herself they them their theirs
    themselves we us our ours i me my you your one ones who whom whose which what when where why how all any each every few
    more most much many other another some such own same so than too very just as if then else and or but nor yet while
    although though because since unless until whereas of at by for with about against between into through during from
    to in on off over under again further is are was were be been being am has have had having do does did doing can could
    will would shall should may might must ought still even ever almost always often usually however therefore thus hence
    instead rather quite like upon within onto across along around toward towards among per via something anything somebody
    anybody someone anyone everything everybody both
"""
_CUES = """
    no not never neither nor without cannot nothing nobody none nowhere hardly barely lack lacks lacking lacked fail fails
    failed failing absence devoid free instead rather
"""
FUNCTION_WORDS, CUES = frozenset(_FUNCTION_WORDS.split()), frozenset(_CUES.split())
FOLLOWED_BY = {"free": "of", "absence": "of", "instead": "of", "rather": "than"} | dict.fromkeys(
    ("fail", "fails", "failed", "failing"), "to"
)
NOT_DENYING = {("not", "only"), ("not", "just"), ("no", "longer"), ("no", "doubt")}
_CLAUSE_ENDS = ". , ; : ! ? — – but yet while although though whereas because since so"
CLAUSE_ENDS = frozenset(_CLAUSE_ENDS.split())
REACH = 12  # words that a cue denies at most


class Word(NamedTuple):
    """One word: in lower case, its stem, whether it carries content, and whether it is denied."""

    text: str
    stem: str
    content: bool
    denied: bool


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The word without the endings of plural, participle and adverb: to compare words by, not to be read."""
    for ending, rest in (("sses", "ss"), ("ies", "y"), ("ves", "f"), ("ches", "ch"), ("shes", "sh"), ("xes", "x")):
        if word.endswith(ending):
            word = word.removesuffix(ending) + rest
            break
    else:
        if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
            word = word[:-1]
    for ending in ("ing", "ed", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@lru_cache(maxsize=20_000)
def read(text: str) -> tuple[Word, ...]:
    """The words of a text, in order, without punctuation."""
    tokens = [token.replace("’", "'") for token in TOKEN.findall(text.lower())]
    denied = _denied(tokens)
    words = []
    for token, under in zip(tokens, denied, strict=True):
        word = token.split("'")[0]
        if word[0].isalnum():
            content = len(word) > 1 and word.isalpha() and word not in FUNCTION_WORDS and not _is_cue_word(token)
            words.append(Word(word, stem(word), content, under))
    return tuple(words)


def _is_cue_word(token: str) -> bool:
    return token in CUES or token.endswith("n't")


def _denied(tokens: list[str]) -> list[bool]:
    """For each token whether an odd number of cues denies it."""
    denied = [False] * len(tokens)
    ends: list[int] = []  # where the scopes open now end
    for k, token in enumerate(tokens):
        if token in CLAUSE_ENDS or token == "nor":
            ends = []
        ends = [end for end in ends if k < end]
        denied[k] = len(ends) % 2 == 1
        following = tokens[k + 1] if k + 1 < len(tokens) else ""
        if (
            _is_cue_word(token)
            and FOLLOWED_BY.get(token, following) == following
            and (token, following) not in NOT_DENYING
        ):
            ends.append(k + 1 + REACH)
    return denied
