"""The names that models give to an anomaly's fields, in answers of every language and habit.

Files are read by `dataset_builder.fields`, which knows the release's spellings alone. An answer is freer: what one model
calls `issue` is another's phenomenon or name, depending on what is next to it. So a key has a rank for each field it
may mean, and the keys of a record are dealt out together, the surest first.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from dataset_builder.fields import Field, clean_name, field_of

__all__ = ["LABELS", "by_field", "field_named", "is_release_name", "role", "says_enough"]

# Phrases in the order of languages: English, Chinese, Japanese, German, French, Spanish, Korean, Russian, Portuguese, Italian,
# Dutch.
_SURE: dict[Field, str] = {
    "name": """
        title, anomaly title, anomaly type, name of the anomaly, 名称, 名字, 异常名称, 異常名称, 异常, 异常类型,
        标题, 名前, 異常, 異常の名前, 異常名, タイトル, bezeichnung, titel, anomalie, name der anomalie, nom,
        titre, nombre, título, anomalía, 이름, 명칭, 제목, 이상, 이상 이름, название, имя, заголовок, аномалия,
        название аномалии, nome, anomalia, nome da anomalia, titolo, naam, afwijking
    """,
    "phenomenon": """
        observation, observed anomaly, description, finding, details, visual evidence, 现象, 观察现象,
        观察到的现象, 异常现象, 现象描述, 描述, 观察, 現象, 観察された現象, 観察, 現象の説明, 異常現象, 描写,
        phänomen, beobachtetes phänomen, beobachtung, beschreibung, auffälligkeit, phénomène, phénomène observé,
        fenómeno, fenómeno observado, descripción, observación, 현상, 관찰된 현상, 이상 현상, 현상 설명, 묘사, явление,
        наблюдаемое явление, описание, наблюдение, fenômeno, fenômeno observado, descrição, observação, fenomeno,
        fenomeno osservato, descrizione, osservazione, verschijnsel, waargenomen verschijnsel, beschrijving, waarneming
    """,
    "reasoning": """
        reason, rationale, justification, cause, explanation of why, reason for severity, 推理, 推理过程, 原因,
        理由, 解释, 原因分析, 説明, 推論, 根拠, 理由の説明, begründung, erklärung, grund, warum, raisonnement,
        raison, explication, pourquoi, razonamiento, razón, explicación, por qué, 이유, 추론, 근거, 원인, причина,
        объяснение, обоснование, рассуждение, почему, explicação, motivo, razão, raciocínio, justificativa, por que,
        spiegazione, ragionamento, motivazione, ragione, perché, reden, redenering, uitleg, waarom
    """,
    "severity": """
        realism score, realism, plausibility, plausibility score, 严重程度, 严重程度评分, 严重性, 严重性评分,
        严重度, 严重程度得分, 真实度, 深刻度, 深刻度スコア, 重大度, 重大度スコア, 重症度, schweregrad, schwere,
        schweregradbewertung, gravité, score de gravité, severidad, gravedad, puntuación de gravedad, 심각도, 심각도 점수,
        심각성, серьёзность, серьезность, оценка серьёзности, оценка серьезности, тяжесть, степень тяжести, gravidade,
        severidade, pontuação de gravidade, gravità, severità, punteggio di gravità, ernst, ernstscore
    """,
    "remark": "",
    "bbox": "",
    "score": "probability, 置信度, 信頼度, konfidenz",
}
_PERHAPS: dict[Field, str] = {
    "phenomenon": """
        issue, problem, detail, evidence, inconsistency, explanation, text, content, 问题, 问题描述, 内容, 問題,
        問題点, 詳細, 説明, 解释, problème, problema, 설명, 문제, проблема, probleem
    """,
    "name": """
        label, heading, headline, issue, problem, inconsistency, object, objects involved, item, element,
        subject, category, type, 标签, 问题, 类型, 对象, 物体, 項目, 問題, 対象, objekt, kategorie, objet,
        objeto
    """,
    "reasoning": "analysis, description, comment, interpretation, impact, details, 分析, 説明, analyse, análisis",
    "severity": "rating, level, 评分, 分数, 得分, スコア, 評価, bewertung, puntuación",
    "remark": "severity explanation, severity reason, severity justification",
    "bbox": "",
    "score": "",
}

_RELEASE = {
    "name": "abnormal phenomenon name, object name, anomaly name, anomaly, name",
    "phenomenon": "observed phenomenon, abnormal phenomenon, observed issue, phenomenon",
    "reasoning": "reasoning, explanation",
    "severity": "severity score, severity level, severity rating, severity",
}


def _phrases(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split(",") if phrase.strip()]


def _plain(key: str) -> str:
    """A key without case, spacing, marks, numbering and what stands in brackets."""
    text = unicodedata.normalize("NFKC", key).casefold()
    text = re.sub(r"\([^()]*\)|^\W*\d{1,4}[\W_]+|[\W_]*\d{1,3}\W*$", "", text)
    return re.sub(r"[\W_]+", "", text)


_RANKS: dict[str, list[tuple[int, Field]]] = {}
for _rank, _table in ((2, _SURE), (3, _PERHAPS)):
    for _field, _text in _table.items():
        for _phrase in _phrases(_text):
            _RANKS.setdefault(_plain(_phrase), []).append((_rank, _field))

_LAST = 3


@lru_cache(maxsize=4096)
def _choices(key: str) -> tuple[tuple[int, Field], ...]:
    """The fields that a key may name, each with its rank: 0 ours, 1 the release's, 2 another's, 3 if nothing fits better."""
    if len(key) > 80:
        return ()
    plain = _plain(key)
    known = field_of(key) or field_of(plain)
    sure: list[tuple[int, Field]] = [(0 if key == known else 1, known)] if known else []
    if plain.startswith("why"):
        sure.append((2, "reasoning"))
    elif plain.startswith("what"):
        sure.append((2, "phenomenon"))
    return (*sure, *_RANKS.get(plain, ()))


def field_named(key: str) -> Field | None:
    """The field that a key most surely names; `None` if none of ours.

    >>> field_named("Observed Phenomenon"), field_named("Why it's odd"), field_named("严重程度（0-100）"), field_named("colour")
    ('phenomenon', 'reasoning', 'severity', None)
    """
    choices = _choices(key)
    return min(choices)[1] if choices else None


def is_release_name(key: str) -> bool:
    """Whether a key is ours or one of the release's and its tools' own."""
    return any(rank <= 1 for rank, _ in _choices(key))


def role(key: str) -> str:
    """What a label does in a record: names a field, or `perhaps` its name or its phenomenon, or nothing (empty)."""
    rank, field = min(_choices(key), default=(0, ""))
    return "perhaps" if rank == _LAST and field in ("name", "phenomenon") else field


def says_enough(keys: Iterable[str]) -> bool:
    """Whether keys are those of an anomaly: a name or a phenomenon of the release's spelling, or two fields of any."""
    sure = [choices[0] for key in keys if (choices := _choices(key))]
    fields = {field for _, field in sure} & {"name", "phenomenon", "reasoning", "severity"}
    if len(fields) >= 2 and fields & {"name", "phenomenon", "reasoning"}:
        return True
    return any(rank <= 1 and field in ("name", "phenomenon", "severity") for rank, field in sure)


def by_field(pairs: Iterable[tuple[str, Any]]) -> dict[Field, Any]:
    """A record by our names. A key that could be two fields becomes the one that no other key names better.

    >>> by_field([("why", "Hands have five."), ("issue", "Six fingers")])
    {'reasoning': 'Hands have five.', 'phenomenon': 'Six fingers'}
    >>> by_field([("issue", "Six fingers"), ("description", "The hand has six."), ("why", "Hands have five.")])["name"]
    'Six fingers'
    """
    fields: dict[Field, Any] = {}
    left = [(key, value, _choices(key)) for key, value in pairs]
    for rank in range(_LAST + 1):
        for entry in list(left):
            _, value, choices = entry
            field = next((name for at, name in choices if at == rank and _free(fields, name, value)), None)
            if field:
                # Only the release's own key carries its numbering; our form is taken literally.
                literal = field != "name" or rank == 0 or not isinstance(value, str)
                fields[field] = value if literal else clean_name(value)
                left.remove(entry)
    if "severity" not in fields and _is_level(fields.get("score")):
        fields["severity"] = fields.pop("score")
    return fields


def _free(fields: dict[Field, Any], field: Field, value: object) -> bool:
    return field not in fields or (fields[field] in (None, "") and value not in (None, ""))


def _is_level(score: object) -> bool:
    """Whether what is called a score is on the scale of severities, not a confidence."""
    return (isinstance(score, str) and "/" in score) or (isinstance(score, int | float) and 1 < score <= 100)


def _pattern(phrase: str) -> str:
    return r"[ \t_]*+".join(map(re.escape, phrase.split()))


def _label_pattern(field: Field) -> str:
    words = [*_phrases(_RELEASE.get(field, "")), *_phrases(_SURE[field]), *_phrases(_PERHAPS[field])]
    return "|".join(_pattern(word) for word in sorted(set(words), key=lambda word: (-len(word), word)))


LABELS: dict[Field, str] = {
    "name": _label_pattern("name") + r"|(?:Anomaly|Anomalie)[ \t]*+\#?\d{1,3}",
    "phenomenon": _label_pattern("phenomenon") + r"|What(?:['’ \t_][^\n:：*]{0,50})?",
    "reasoning": _label_pattern("reasoning") + r"|Why(?:['’ \t_][^\n:：*]{0,50})?",
    # A bare "Score" is a label only in front of a severity; scores are things that reasonings speak of.
    "severity": _label_pattern("severity") + r"|Score(?=[ \t*]*+[:：][ \t*]*+\d{1,3}[ \t]*+/[ \t]*+100)",
}
"""For labelled lines: what each field is called, as regular expressions (matched without case)."""
