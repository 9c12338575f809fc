"""Whether an answer says, in words, that nothing is wrong.

A false "none" hides a failure, so the whole text must be the denial: once every phrase that denies anomalies, or praises
the picture as a whole, is taken out, nothing may be left but words that say nothing by themselves ("after careful
inspection", "in this image"). Any other word, a "but", a "not", a thing in the picture, makes it something else.
"""

import re

__all__ = ["says_none", "says_nothing", "says_unseen"]

_NOUN = (
    r"(?:anomal(?:y|ies)|abnormalit(?:y|ies)|inconsistenc(?:y|ies)|irregularit(?:y|ies)|implausibilit(?:y|ies)|oddit(?:y|ies)|"
    r"(?:unrealistic|impossible|implausible|irrational|odd|strange|unnatural)\s+(?:details?|elements?|aspects?|features?|parts?|things?)|"
    r"defects?|flaws?|errors?|issues?|problems?|violations?|artifacts?|artefacts?|contradictions?|mistakes?|impossibilit(?:y|ies)|"
    r"distortions?)"
)
_KIND = (
    r"(?:any|the|obvious|clear|apparent|visible|significant|noticeable|notable|major|real|such|semantic|logical|physical|visual|"
    r"structural|anatomical|spatial|functional|unrealistic|detectable|observable|evident|glaring|immediate|discernible|other|"
    r"signs?\s+of|evidence\s+of|indications?\s+of|of|or|and)"
)
_KINDS = rf"(?:{_KIND}[\s,/]+){{0,8}}"
_NOUNS = rf"{_KINDS}{_NOUN}\b(?:[\s,/]+(?:or|and|nor)?\s*{_KINDS}{_NOUN}\b){{0,5}}"
_SEES = (
    r"(?:find|see|identify|detect|observe|notice|spot|contain|have|show|exhibit|display|present|"
    r"appear\s+to\s+(?:have|contain|show))"
)
_REALISTIC = (
    r"(?:normal|realistic|natural|plausible|consistent|coherent|correct|fine|authentic|credible|genuine|in\s+order|"
    r"(?:an?\s+)?(?:normal|real|realistic|ordinary|authentic|genuine|natural|typical)\s+(?:image|picture|photo|photograph|scene))"
)
_VERY = r"(?:(?:completely|entirely|fully|perfectly|quite|very|all|highly|both|to\s+be)\s+){0,3}"

_RULES = r"(?:laws?\s+of\s+)?(?:common\s+sense|physics|anatomy|logic|nature|reality)\b"

_DENIAL = re.compile(
    rf"\b(?:no|zero|without|free\s+(?:of|from))\s+{_NOUNS}"
    rf"|(?:\bnot|n['’]t|\bcannot|\bunable\s+to)\s+(?:be\s+|able\s+to\s+)?{_SEES}\s+{_NOUNS}"
    rf"|(?:\bnot|n['’]t)\s+any\s+{_NOUNS}"
    r"|\bnothing\b(?:\s+(?:is|was|seems|looks|appears|to\s+be|here|visibly|obviously|about|in|it|the|this|image|picture|photo)){0,4}\s+"
    r"(?:wrong|odd|unusual|unrealistic|abnormal|implausible|off|amiss|strange|anomalous|impossible|out\s+of\s+(?:place|the\s+ordinary))\b"
    r"|\bnothing\b(?:\s+(?:in|is|there|here|that|which|this|the|image|picture|photo|scene)){0,6}\s+(?:breaks?|violates?|defies|contradicts?)\s+"
    rf"(?:the\s+)?{_RULES}(?:[\s,]+(?:and\s+|or\s+)?{_RULES}){{0,4}}"
    r"|\b(?:answer|anomalies|result|output)\s*:\s*(?:none|nothing|n/a)\W*\Z"
    r"|\bnone\s+(?:was|were|are|found|detected|observed|visible)\b|\A\W*(?:none|nothing|n/a|没有|无|無|なし|keine?|aucune?|ninguna?)\W*\Z"
    rf"|\b0\s+{_NOUNS}|\b{_NOUN}(?:\s+(?:found|detected))?\s*:\s*(?:none|0|no)\b(?![\s,]*\w)"
    r"|(?:\bnot|n['’]t)(?:\s+(?:appear|seem|to|be|have|see|find|notice|detect|spot)){0,4}\s+anything\s+"
    r"(?:wrong|odd|unusual|unrealistic|abnormal|implausible|off|amiss|strange|anomalous|impossible|out\s+of\s+(?:place|the\s+ordinary))\b"
    rf"|\b(?:everything|(?:the|this)\s+(?:(?:given|provided|overall|whole|entire|depicted)\s+)?(?:image|picture|photo|photograph|scene)|it)(?:\s+(?:in|here|this|the|image|picture)){{0,3}}"
    rf"\s+(?:looks?|appears?|seems?|is)\s+(?:like\s+)?{_VERY}{_REALISTIC}\b(?:(?:,|\s+and|,\s+and)\s+{_VERY}{_REALISTIC}\b){{0,3}}"
    r"|\bkein(?:e|en|erlei)?\s+(?:(?:offensichtlichen?|erkennbaren?|sichtbaren?|auffälligen?|logischen?|physikalischen?)\s+){0,3}"
    r"(?:anomalien?|auffälligkeiten?|unstimmigkeiten?|fehler|widersprüche|ungereimtheiten?|unregelmäßigkeiten?)\b"
    r"|\bnichts\s+(?:falsch(?:es)?|ungewöhnlich(?:es)?|auffällig(?:es)?|unrealistisch(?:es)?|unnatürlich(?:es)?)"
    r"|\baucune?\s+(?:anomalie|incohérence|erreur|irrégularité)\b|\b(?:pas|rien)\s+d['’](?:anomalies?|anormal|incohérences?)\b"
    r"|\b(?:no\s+(?:se\s+)?(?:hay|veo|observan?|detectan?|encuentran?|aprecian?|ven?|encontré|contiene|presenta)\s+(?:ninguna?s?\s+)?|"
    r"ninguna?\s+|sin\s+)(?:anomalías?|incoherencias?|inconsistencias?|errores|irregularidades?)\b"
    r"|(?:并?没有|未|无|不存在|并未)(?:发现|检测到|看到|观察到|存在|见|显示出?)?(?:任何)?(?:明显|显著|可见)?的?(?:异常|问题|不合理|不合常理|不自然|矛盾|错误)"
    r"(?:之处|现象|的地方|情况)?"
    r"|(?:異常|不自然な?(?:点|箇所|ところ|部分)|おかしな(?:点|ところ)|問題|矛盾|違和感)(?:な?点)?(?:は|も|が)?(?:特に|一切|何も)?"
    r"(?:(?:見当たり|見られ|あり|見つかり|認められ|検出され|確認され|確認でき|ござい)ません(?:でした)?|ない|なし|見られない|見つからない)"
    r"|(?:이상|문제)(?:한 점)?[이은는]?\s*(?:없습니다|발견되지 않았습니다)"
    r"|\b(?:аномалий|несоответствий|нарушений|ошибок|странностей)\s+(?:нет|не\s+(?:обнаружено|найдено|выявлено|видно|замечено))\b"
    r"|\b(?:нет|не\s+(?:обнаружено|найдено|выявлено|видно|замечено))\s+(?:никаких\s+)?(?:аномалий|несоответствий|нарушений|ошибок|странностей)\b"
    r"|\b(?:nenhuma?|não\s+(?:há|existem|vejo|encontrei|foram\s+(?:encontradas|detectadas))(?:\s+nenhuma)?)\s+"
    r"(?:anomalias?|inconsistências?|incoerências?|irregularidades?|erros?)\b"
    r"|\b(?:nessuna?|non\s+(?:ci\s+sono|vedo|si\s+vedono|ho\s+trovato|sono\s+state\s+(?:rilevate|trovate)))\s+"
    r"(?:anomali[ae]|incongruenz[ae]|incoerenz[ae]|irregolarità|error[ei])\b"
    r"|\bgeen\s+(?:afwijkingen?|anomalieën|anomalie|onregelmatigheden|inconsistenties|fouten)\b",
    re.IGNORECASE,
)
# Praise of what any picture has; by itself it denies nothing.
_PRAISE = re.compile(
    r"\b(?:(?:the|its|all|and|,|of)\s+|[\s,])*(?:(?:lighting|light|shadows?|reflections?|perspective|proportions?|anatomy|textures?|colou?rs|"
    r"composition|details|objects|elements|subjects?|background|foreground|people|hands|faces)[\s,]*(?:and\s+|the\s+|all\s+)*){1,8}"
    rf"(?:looks?|appears?|seems?|is|are)\s+{_VERY}{_REALISTIC}\b(?:(?:,|\s+and|,\s+and)\s+{_VERY}{_REALISTIC}\b){{0,3}}",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"\b(?:if\s+you\s+(?:have|need|want)\s+(?:any\s+)?(?:other\s+|further\s+|more\s+|additional\s+)?(?:questions?|help|details?|assistance)\s*,?\s*)?"
    r"(?:please\s+)?(?:let\s+me\s+know|feel\s+free\s+to\s+ask)(?:\s+if\s+you\s+(?:have|need|want)\s+(?:any(?:thing)?\s+)?"
    r"(?:other\s+|further\s+|more\s+|else|additional\s+)?(?:questions?|help|details?|assistance)?)?\s*[.!]",
    re.IGNORECASE,
)
_NO_AT_FIRST = re.compile(r"\A\W*no\s*[,.;:!]", re.IGNORECASE)
_FILLER = re.compile(
    r"(?:after|upon|based|on|from|a|an|the|my|this|that|these|there|here|is|are|was|were|be|been|being|has|have|can|could|i|we|it|its|in|"
    r"of|to|by|and|or|as|at|so|all|overall|therefore|thus|hence|careful|carefully|close|closer|closely|thorough|thoroughly|detailed|"
    r"reviewing|review|inspecting|inspection|examining|examination|examine|analyzing|analysing|analysis|looking|look|checking|check|"
    r"observation|observing|image|picture|photo|photograph|scene|provided|given|shown|depicted|visible|present|found|detected|observed|"
    r"identified|noted|noticeable|seen|evident|apparent|real|realistic|natural|normal|authentic|genuine|ordinary|plausible|consistent|"
    r"looks|like|with|here['’]s|there['’]s|it['’]s|i['’]ve|i['’]m|answer|final|result|results|output|conclusion|list|empty|json|schema|format|text|boxed|following|please|assistant|"
    r"sure|certainly|of\s+course|ok|okay|well|you|your|asked|asking|requested|request|for|looked|took|went|through|code|block|hope|helps?|"
    r"did|do|does|would|any|which|break|breaks|breaking|common|sense|physics|anatomy|logic|laws|"
    r"in|diesem|dem|das|der|die|bild|foto|sind|ist|zu|erkennen|erkennbar|sehen|sichtbar|es|gibt|ich|kann|konnte|habe|finde|finden|"
    r"feststellen|gefunden|wurden|auf|nach|sorgfältiger|genauer|prüfung|wirkt|realistisch|natürlich|und|"
    r"dans|cette|l|image|photo|il|n|y|je|ne|vois|visible|détectée|est|sur|ai|trouvé|"
    r"en|la|esta|imagen|foto|se|visible|observa|que|"
    r"经过|仔细|检查|观察|分析|后|该|这张|这幅|此|本|图像|图片|图|画面|照片|场景|中|里|内|整体|看起来|看上去|都|很|非常|正常|合理|真实|自然|符合|常理|一切|"
    r"我|在|的|是|和|且|并|了|"
    r"この|その|画像|写真|に|は|には|の|で|が|を|特に|明らかな|全体的に|確認しました|確認した|結果|調べましたが|見たところ|です|"
    r"이|사진|이미지|에|는|에는|특별한|"
    r"на|в|этом|данном|изображении|фото|фотографии|картинке|снимке|"
    r"nesta|nessa|desta|na|imagem|fotografia|encontradas?|detectadas?|"
    r"immagine|questa|nell['’]immagine|rilevat[ae]|trovat[ae]|"
    r"er|zijn|deze|afbeelding|gevonden|zichtbaar|op|het)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-zÀ-ɏ0-9']+|[^\W\dA-Za-zÀ-ɏ_]+|\?")
_UNSEEN = re.compile(
    r"\b(?:sorry|apologi[sz]e|as\s+an\s+ai|assist|upload\w*|attach\w*|no\s+(?:image|picture|photo)|not\s+(?:been\s+)?provided|"
    r"(?:unable|not\s+able)\s+to\s+(?:view|see|process|analy[sz]e|access|open|load)|"
    r"(?:cannot|can['’]t|could\s+not|couldn['’]t)\s+(?:view|see|process|analy[sz]e|access|open|load)\s+(?:the|this|any|your)\s+(?:\w+\s+)?"
    r"(?:image|picture|photo))",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[^\W\d][\w:.-]{0,40}(?:\s[^<>]{0,200})?>")
_BROKEN_OFF = re.compile(
    r"(?<=\s)(?:to|and|or|but|with|of|the|an?|as|except|because|although|though|while|however)\s*\Z", re.IGNORECASE
)
"""How a sentence ends that is not at its end: what would have followed may take the denial back."""
_LONGEST = 1_500


def says_none(text: str) -> bool:
    """Whether a text says that nothing is wrong, and says nothing besides.

    >>> says_none("There are no anomalies in this picture."), says_none("No anomalies in the sky, but the hand has six fingers.")
    (True, False)
    """
    rest, denials = _without_denials(text)
    return denials > 0 and _is_filler(rest) and _BROKEN_OFF.search(text) is None


def says_nothing(text: str) -> bool:
    """Whether a text neither names nor denies anything: words around an answer, or none.

    >>> says_nothing("Here is the final answer:"), says_nothing("The hand has six fingers.")
    (True, False)
    """
    return _is_filler(text) or (_is_filler(_without_denials(text)[0]) and _BROKEN_OFF.search(text) is None)


def says_unseen(text: str) -> bool:
    """Whether a text says that the picture was not looked at.

    >>> says_unseen("I could not open the image."), says_unseen("No anomalies.")
    (True, False)
    """
    return _UNSEEN.search(text[:2000]) is not None


def _without_denials(text: str) -> tuple[str, int]:
    if len(text) > _LONGEST:
        return text, 0
    text = _NO_AT_FIRST.sub(" ", re.sub(r"[*_`#>\s]+", " ", text))
    rest, denials = _DENIAL.subn(" ", _POLITE.sub(" ", text))
    return _PRAISE.sub(" ", rest), denials


def _is_filler(text: str) -> bool:
    return len(text) <= _LONGEST and all(_is_empty_word(word) for word in _WORD.findall(_TAG.sub(" ", text)))


def _is_empty_word(word: str) -> bool:
    # Chinese and Japanese run their words together.
    return _FILLER.fullmatch(word) is not None or (not word.isascii() and _FILLERS.fullmatch(word) is not None)


_FILLERS = re.compile(rf"(?:{_FILLER.pattern})++", re.IGNORECASE)
