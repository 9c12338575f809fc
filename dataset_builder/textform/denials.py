"""Whether an answer says, in words, that nothing is wrong.

A false "none" hides a failure, so the answer must say it outright: a denial of anomalies, or praise of the whole
picture, without a "but" and without a sign that the picture was not looked at.
"""

import re

__all__ = ["says_none"]

_NOUN = (
    r"(?:anomal(?:y|ies)|abnormalit(?:y|ies)|inconsistenc(?:y|ies)|irregularit(?:y|ies)|implausibilit(?:y|ies)|oddit(?:y|ies)|"
    r"unrealistic\s+(?:details?|elements?|aspects?|features?|parts?)|defects?|flaws?|errors?|issues?|problems?|violations?|"
    r"artifacts?|contradictions?|mistakes?|impossibilit(?:y|ies))"
)
_KIND = (
    r"(?:any|the|obvious|clear|apparent|visible|significant|noticeable|notable|major|real|such|semantic|logical|physical|visual|"
    r"structural|anatomical|spatial|functional|unrealistic|detectable|observable|evident|glaring|signs?\s+of|evidence\s+of|"
    r"indications?\s+of|of|or|and)"
)
_KINDS = rf"(?:{_KIND}[\s,/]+){{0,8}}"
_SEES = r"(?:find|see|identify|detect|observe|notice|spot|contain|have|show|exhibit|display|present)"
_REALISTIC = r"(?:normal|realistic|natural|plausible|consistent|correct|fine|authentic|credible|in\s+order)"

_DENIAL = re.compile(
    rf"\b(?:no|zero|without|free\s+(?:of|from))\s+{_KINDS}{_NOUN}\b(?!\s+with\s+your)"
    rf"|(?:\bnot|n['’]t|\bcannot|\bunable\s+to)\s+(?:be\s+)?{_SEES}\s+{_KINDS}{_NOUN}\b"
    rf"|(?:\bnot|n['’]t)\s+any\s+{_KINDS}{_NOUN}\b"
    r"|\bnothing\b(?:\s+\w+){0,4}\s+(?:wrong|odd|unusual|unrealistic|abnormal|implausible|off|amiss|strange|anomalous)\b"
    rf"|\b(?:everything|(?:the|this)\s+(?:\w+\s+)?(?:image|picture|photo|photograph|scene))(?:\s+\w+){{0,3}}?"
    rf"\s+(?:looks?|appears?|seems?|is)\s+(?:to\s+be\s+)?(?:completely|entirely|fully|perfectly|quite|very|all)?\s*{_REALISTIC}\b"
    r"|没有(?:发现)?(?:任何)?(?:明显)?的?(?:异常|问题|不合理)|未发现(?:任何)?(?:明显)?的?(?:异常|问题)|无(?:明显)?异常",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"\W*(?:none|nothing|n/a|none\s+(?:found|detected|observed|visible)|nothing\s+(?:found|detected))\W*", re.IGNORECASE
)
_OTHERWISE = re.compile(
    r"\b(?:but|however|except|although|though|apart\s+from|other\s+than|aside\s+from|besides|yet|not\s+(?:look|appear|seem)|isn['’]t|"
    r"sorry|apologi[sz]e|as\s+an\s+ai|assist|provided?|upload\w*|attached|no\s+(?:image|picture|photo)|access|unable\s+to\s+(?:view|"
    r"process|analy[sz]e)|not\s+(?:sure|certain|clear)|maybe|if)\b",
    re.IGNORECASE,
)  # fmt: skip


def says_none(text: str) -> bool:
    """Whether a text says that nothing is wrong: all of it if it is short, else its last line.

    >>> says_none("There are no anomalies in this picture."), says_none("No anomalies in the sky, but the hand has six fingers.")
    (True, False)
    """
    text = text.strip()
    if len(text) > 600:
        text = text[-300:].rsplit("\n", 1)[-1]
    if _WHOLE.fullmatch(text):
        return True
    return bool(_DENIAL.search(text)) and not _OTHERWISE.search(text)
