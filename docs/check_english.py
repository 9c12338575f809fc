"""Finds phrases that read as if translated, in what users read: `make lint`.

    python docs/check_english.py [FILE …]

Without a FILE it reads all committed Markdown, pages and Python code: of code the strings, which are messages, help texts, and
docstrings of public names. `PHRASES` holds what it looks for and what to write instead; add what a reader stumbles over.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A lab log is not written again; benchmarks print JSON, whose keys stay; prompts and the scenes' sentences trained models.
LEFT_OUT = (
    "agent/prompts.py",
    "benchmarks/",
    "dataset_builder/prompts.py",
    "dataset_builder/scenes/",
    "docs/check_english.py",
    "tests/",
    "trainer/tiny/LOG.md",
)
# Documents of which only the start is read: released versions stay as they were, and the guide quotes what not to write.
READ_UNTIL = {"CHANGELOG.md": r"^## \[\d", "CONTRIBUTING.md": r"^## English"}

UNIT = (
    "(answer|batch|call|day|example|field|finding|generator|hour|image|item|line|minute|month|page|picture|pixel|prompt|question|"
    "request|reviewer|row|run|scene|second|step|task|token|type|unit|worker|year)"
)
PLURAL = "(anomalies|calls|examples|families|hallucinations|lines|operations|pictures|pixels|rows|seconds|steps|times|tokens)"
PHRASES = {
    r"(?<!there\s)\bis no (?!longer\b|more\b|less\b|\w+er\b)[\w{]+": "is not a …",
    r"\bstands? (more than once|twice)\b": "appears more than once",
    r"\bstands? (alone|beside|there|in the)\b": "is, lies, occurs",
    r"\bmend(s|ed|ing)?\b": "fix",
    rf"\b(an? {UNIT}|one|\d+|{PLURAL}) an? {UNIT}\b": "… per …",
    r"\b(dollars|tokens|cents) a (million|thousand)\b": "… per …",
    r"\banew\b": "again, from the start",
    r"\bof worth\b": "meaningful",
    r"\bcannot be had\b": "is not available",
    r"\b(goes|going|go) on\b": "continue, resume",
    r"\btell(s|ing)? (so|it)\b": "say, record, report",
    r"\bwithout use\b": "unusable",
    r"\btelephones?\b": "phone",
    r"\A(?-i:Of) [^\d{]+\Z": "the noun first, as in: Bootstrap seed.",
}
PATTERNS = {re.compile(phrase.replace(" ", r"\s+"), re.IGNORECASE): better for phrase, better in PHRASES.items()}


def find(text: str) -> Iterator[tuple[int, str, str]]:
    """Each phrase of `text` that should be another: the line counted from 0, what was found, and what to write."""
    text = re.sub(r"\n[ \t]+", "\n", text)
    for pattern, better in PATTERNS.items():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()), " ".join(match[0].split()), better


def strings(code: str) -> Iterator[tuple[int, str]]:
    """The strings of Python code that users may read, each with its line; what an f-string fills in is `{}`."""
    unread: set[ast.AST | None] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name.startswith("_"):
            unread.add(getattr(node.body[0], "value", None))
        elif isinstance(node, ast.JoinedStr):
            unread.update(node.values)
            yield node.lineno, "".join(part.value if _is_text(part) else "{}" for part in node.values)
        elif _is_text(node) and node not in unread:
            yield node.lineno, node.value


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file that are read, each with its first line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from strings(text)
    else:
        yield 1, re.split(READ_UNTIL.get(path.name, r"\Z"), text, maxsplit=1, flags=re.MULTILINE)[0]


def main(names: list[str]) -> int:
    """Print what is found, as `file:line: "found" -> suggestion`; 1 if anything is."""
    if not names:
        listed = ["git", "ls-files", "*.md", "*.py", "*.html", "*.jinja", "*.js"]
        committed = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        names = [name for name in committed if not name.startswith(LEFT_OUT)]
    findings = 0
    for name in names:
        for first, text in texts(ROOT / name):
            for line, found, better in find(text):
                print(f'{name}:{first + line}: "{found}" -> {better}')
                findings += 1
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
