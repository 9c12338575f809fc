"""File names for the names that people give things in YAML files."""

import re
from hashlib import blake2b

__all__ = ["file_name"]


def file_name(name: str) -> str:
    """A file name for any name; two names never share one.

    >>> file_name("tiny"), file_name("../GPT 4o").startswith("_GPT_4o-")
    ('tiny', True)
    """
    plain = re.sub(r"[^\w.-]", "_", name)[:80].strip(".")
    return plain if plain == name else f"{plain}-{blake2b(name.encode(), digest_size=4).hexdigest()}"
