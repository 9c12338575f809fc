"""Files of predictions and references, in every form they come in, as one mapping from picture to anomalies.

Read are:

- the official form, one JSON object: `{"IMG.jpg": [{"Name", "Observed Phenomenon", "Reasoning", "Severity Score"},
  …]}`, with any of the spellings that the authors' tools and models use for these keys, ours (`name`, `phenomenon`,
  `reasoning`, `severity`) among them; a picture may also be `{"label": "real" | "fake", "anomalies": […]}`;
- the tools' list and the official subset, `[{"/path/IMG.jpg": […]}, …]`, and the tools' rows, `{"status", "path", "parsed"}`;
- our rows, `{"image_id", "anomalies", "label", "status", "cluster"}`, one per line or in a list; of reviewed ones the `verdict` of
  each anomaly, `accept` or `reject`, is kept.

The metric keeps a reader of its own, in addition to `dataset_builder.read_predictions`: its folder is a repository that evaluate,
a Space and `git clone` use as it lies here. A copy of the other reader would bring 18 modules and pydantic, and a step
without which the folder does not run. A property test holds the two readers equal.

Pictures are known by their base name, as in the official evaluator; two paths of one name are an error. Of two rows for
one picture the last counts. Anything that cannot be read is an error with file, picture, index, field, value and fix.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .anomalies import TEXTS, Picture, Role, check_anomalies, check_label, fault
from .errors import RecordError, shorten
from .severity import HIGHEST, LOWEST, SCALE
from .strict_json import parse_json, parse_rows

__all__ = ["base_name", "parse_records", "read_names", "read_records", "read_text"]

SPELLINGS = {
    "name": ("name", "anomalyname", "objectname", "abnormalphenomenonname", "anomaly"),
    "phenomenon": ("phenomenon", "observedphenomenon", "observedissue", "abnormalphenomenon"),
    "reasoning": ("reasoning", "reason", "explanation"),
    "severity": ("severity", "severityscore", "severitylevel", "severityrating"),
    "score": ("score", "confidence"),
    "bbox": ("bbox", "box", "boundingbox", "bbox2d"),
}
FIELD_OF = {spelling: field for field, spellings in SPELLINGS.items() for spelling in spellings}
NUMBERED_KEY = re.compile(r"\A\s*[@#]*\s*\d{1,4}\s*[.):]\s*")
# What the tools leave in values: numbering before a name, a newline and a hyphen after any text.
NUMBERED_NAME = re.compile(r"\A(?:\s*@?\s*\d{1,4}\s*[.)]\s*(?:Name\s*:\s*)?|\s*Name\s*:\s*)", re.IGNORECASE)
RESIDUE = re.compile(r"(?:\r?\n[ \t]*[-*•]*[ \t]*)+\Z")
SEVERITY = re.compile(
    r"\s*([+-]?\d+(?:\.\d+)?)(?:\s*/\s*100(?!\d)|\s*%|\s+out of 100)?"  # 25, 25/100, 25%
    r"(?:\s*\(.*\)|(?:\s*[,;:–—-]?\s+|\s*[,;:]\s*)[^\W\d_]\D*)?\s*\.?\s*\Z",  # (remark). or - remark
    re.DOTALL | re.IGNORECASE,
)
UNANSWERED = {"failed": "failed", "error": "failed", "unknown": "unknown"}
"""The statuses of rows without an answer, each with the field of `Picture` that records it."""
NAMED = ("image_id", "image", "image_path", "path", "file_name", "filename", "img", "img_path")
"""The keys under which a row of the official tools, or of ours, has a picture's name."""


def read_records(path: str | os.PathLike[str], role: Role) -> dict[str, Picture]:
    """Read a file of predictions or references.

    Args:
        path (`str` or `os.PathLike`): a JSON or JSON-lines file.
        role (`str`): `prediction` (texts may be missing) or `reference` (the name may be); a severity may be missing in both.

    Returns:
        `dict[str, Picture]`: by base name, in the file's order.

    Raises:
        `RecordError`: one sentence naming the place, the value and the fix.
    """
    return parse_records(read_text(path), role, Path(path).name)


def parse_records(text: str, role: Role, source: str) -> dict[str, Picture]:
    """Read the text of such a file; `source` is what errors call it."""
    rows = parse_rows(text, source)
    content = parse_json(text, source) if rows is None else rows
    pictures: dict[str, Picture] = {}
    paths: dict[str, str] = {}
    for path, value, status in _entries(content, source):
        name = base_name(path, source)
        if name in paths and (paths[name] != path or rows is None):
            raise RecordError(
                f"{source}: {shorten(paths[name])} and {shorten(path)} are one picture to the metric, {shorten(name)}; rename one"
            )
        paths[name] = path
        pictures[name] = _picture(value, f'{source}: "{name}"', role, status)
    return pictures


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """The base names of a subset file: a JSON list of names, of rows that name a picture, or of objects with one picture as
    key (the official form); a JSON object with names as keys; or one name per line."""
    source, text = Path(path).name, read_text(path)
    listed = parse_json(text, source) if text.lstrip()[:1] in ("[", "{") else [n for n in text.split("\n") if n.strip()]
    names = []
    for k, entry in enumerate(listed):
        name = entry
        if isinstance(entry, Mapping):
            name = next((entry[key] for key in NAMED if key in entry), next(iter(entry)) if len(entry) == 1 else entry)
        if not isinstance(name, str):
            raise fault(f"{source}[{k}]", None, name, "is not a name of a picture; write a string")
        names.append(base_name(name.strip(), source))
    if not names:
        raise RecordError(f"{source}: lists no picture; write one name per line")
    return names


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file; an error names the path and why it cannot be read."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe would be waited for, a device read for ever
            raise RecordError(f"{path}: is not a regular file; give the path of a JSON file")
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}; give the path of a JSON file") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def base_name(path: str, source: str) -> str:
    """What a picture is known by: the last part of its path."""
    name = re.split(r"[/\\]", path)[-1]
    if not name.strip() or name in (".", ".."):
        raise fault(source, None, path, "does not end in a file name; name the picture's file")
    return name


def _entries(content: Any, source: str) -> Iterator[tuple[str, Any, str | None]]:
    """(path, what it holds, why there is no answer) of each picture of a file."""
    if isinstance(content, Mapping):
        yield from ((path, value, "failed" if value is None else None) for path, value in content.items())
    elif isinstance(content, list):
        for k, row in enumerate(content):
            place = f"{source}[{k}]"
            if not isinstance(row, Mapping):
                raise fault(place, None, row, "is not a picture; write {picture: [anomalies]}")
            if "image_id" in row or "path" in row:
                yield _row(row, place)
            elif len(row) == 1:
                # The tools' list; they write [] for a failure and cannot say that nothing is wrong.
                yield from ((path, value, None if value else "failed") for path, value in row.items())
            else:
                raise fault(
                    place, None, sorted(map(str, row)), "are the keys; add image_id, or write {picture: [anomalies]}"
                )
    else:
        raise fault(source, None, content, "holds no pictures; write one JSON object, {picture: [anomalies]}")


def _row(row: Mapping[str, Any], place: str) -> tuple[str, Any, str | None]:
    identity, held = ("image_id", "anomalies") if "image_id" in row else ("path", "parsed")
    if not isinstance(row[identity], str):
        raise fault(place, identity, row[identity], "is not a picture's name; write a string")
    status = row.get("status")
    unanswered = UNANSWERED.get(status) if isinstance(status, str) else None
    if held not in row and not unanswered:
        raise RecordError(f"{place}: {held} is missing; write {held}: [] where nothing is wrong")
    more = {key: row[key] for key in ("label", "cluster") if key in row}
    return row[identity], {"anomalies": row.get(held), **more}, unanswered


def _picture(value: Any, place: str, role: Role, unanswered: str | None) -> Picture:
    label = cluster = None
    if isinstance(value, Mapping) and "anomalies" in value:
        label = None if value.get("label") is None else check_label(value["label"], place, role)
        cluster = value.get("cluster")
        if cluster is not None and not isinstance(cluster, str):
            raise fault(place, "cluster", cluster, "is not a text; write a string, or null")
        value = value["anomalies"]
    if value is None:
        value = []  # no answer; and in the official truth a picture with nothing wrong
    verdicts = _verdicts(value)
    if isinstance(value, list):
        value = [_canonical(record, f"{place}[{k}]", role) for k, record in enumerate(value)]
    anomalies = check_anomalies(value, place, role)
    return Picture(anomalies, label, unanswered == "failed", unanswered == "unknown", cluster, verdicts)


def _verdicts(anomalies: Any) -> tuple[str | None, ...]:
    """What people said of each anomaly, as `anomreason verdicts export` writes it; empty where they said nothing of any."""
    if not isinstance(anomalies, list):
        return ()
    found = [one.get("verdict") if isinstance(one, Mapping) else None for one in anomalies]
    said = tuple(verdict if verdict in ("accept", "reject") else None for verdict in found)
    return said if any(said) else ()


def _canonical(record: Any, place: str, role: Role) -> Any:
    """The record with the metric's own field names, its texts without the tools' residue, its severity a number."""
    if not isinstance(record, Mapping):
        return record
    fields: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for key, value in record.items():
        field = FIELD_OF.get(re.sub(r"[\s_*-]+", "", NUMBERED_KEY.sub("", key[:60])).casefold())
        if field is None:
            continue
        if field in fields:
            raise RecordError(
                f"{place}: {field} appears twice, as {shorten(spelled[field])} and {shorten(key)}; remove one of them"
            )
        fields[field], spelled[field] = value, key
    if not fields.keys() - {"score", "bbox"}:
        raise fault(place, None, dict(record), f"has none of {', '.join(TEXTS)} and severity; add them")
    for field in TEXTS:
        text = fields.get(field)
        if text is None and role == "prediction":
            fields[field] = ""
        elif isinstance(text, str) and spelled[field] != field:
            fields[field] = _cleaned(text, field == "name")
    if isinstance(fields.get("severity"), str):
        fields["severity"] = _severity(fields["severity"], place, role)
    return fields


def _cleaned(text: str, name: bool) -> str:
    if "\n" in text[-200:]:
        text = text[:-200] + RESIDUE.sub("", text[-200:])
    # Twice: a numbered name that was numbered again.
    return NUMBERED_NAME.sub("", NUMBERED_NAME.sub("", text)) if name else text


def _severity(text: str, place: str, role: Role) -> float | None:
    """The number of `25/100 (remark).`, `25/100`, `25` or `25%`; `None` for an empty text."""
    if not text.strip():
        return None
    if role == "prediction":
        text = text.strip().split("\n")[0]  # the tools' parser leaves the rest of an answer in its last field
    match = SEVERITY.match(text[:10_000])
    if not match:
        raise fault(place, "severity", text, f"is not a severity; write {SCALE}")
    if not LOWEST <= float(match[1]) <= HIGHEST:
        raise fault(place, "severity", text, f"is outside {LOWEST}..{HIGHEST}")
    return float(match[1])
