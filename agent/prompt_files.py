"""Files with wordings in the place of ours."""

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from agent.prompts import STANCES
from agent.stages import ANSWERS
from dataset_builder.errors import InputError
from dataset_builder.files.regular import read_regular

__all__ = ["read_prompts"]

LONGEST = 4000
"""Characters of a wording."""


def read_prompts(path: Path) -> dict[str, tuple[str, ...]]:
    """The wordings in a YAML or JSON file: a stage's or stance's name → a text, or a list of texts that its samples go through.

    Raises:
        InputError: if it cannot be read, or names what is neither.
    """
    try:
        content = yaml.safe_load(read_regular(path))
        read = TypeAdapter(dict[str, str | list[str]]).validate_python(content)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}: line {line}: {error.problem}; put texts in quotation marks") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as prompts ({str(error).splitlines()[0]})") from None
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{path}: {place}: is not a text; write for example `scan: What is wrong here?`") from None
    known = (*STANCES, *ANSWERS)
    found: dict[str, tuple[str, ...]] = {}
    for name, given in read.items():
        texts = tuple(" ".join(text.split()) for text in ([given] if isinstance(given, str) else given))
        if name not in known:
            raise InputError(f"{path}: {name}: is neither a stage nor a stance; choose from {', '.join(known)}")
        if not texts or not all(0 < len(text) <= LONGEST for text in texts):
            raise InputError(f"{path}: {name}: a wording is empty or longer than {LONGEST:,} characters; shorten it")
        if name in STANCES and len(texts) > 1:
            raise InputError(f"{path}: {name}: has {len(texts)} wordings; a stance has one")
        found[name] = texts
    return found
