"""What the content credentials (C2PA) of a picture file say: shown as they are written there, for people to judge.

A valid signature says that the file is as its signer left it; whether the signer is honest, or known to anybody, it does not say.
"""

import functools
from collections.abc import Iterator
from typing import IO, Any

__all__ = ["MARK", "credentials"]

MARK = b"c2pa"
"""Bytes that are in every file with content credentials, and in few others."""

_LENGTH = 120


def credentials(file: IO[bytes], kind: str) -> Iterator[tuple[str, str]]:
    """Name and value of what is told.

    Args:
        file (binary file): the picture, from its beginning.
        kind (`str`): its media type.
    """
    import c2pa  # two thirds of a second; most pictures have no credentials

    try:
        found = c2pa.Reader.try_create(kind, file, context=_context())
        if found is None:  # the bytes were there by chance
            return
        with found as reader:
            manifest: dict[str, Any] = reader.get_active_manifest() or {}
            state = str(reader.get_validation_state())
    except c2pa.C2paError:
        yield "Content credentials", "there are some, but they cannot be read here"
        return
    for made in manifest.get("claim_generator_info", []):
        yield "Content credentials by", f"{made.get('name', '')} {made.get('version', '')}".strip()[:_LENGTH]
    signed = manifest.get("signature_info") or {}
    signer = " · ".join(str(signed[key]) for key in ("common_name", "issuer") if signed.get(key))
    yield "Signed by", f"{signer or 'nobody'} (signature: {state.lower()})"[: 2 * _LENGTH]
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in assertion.get("data", {}).get("actions", [])[:20]:
                source = str(action.get("digitalSourceType", "")).rsplit("/", 1)[-1]
                yield "Step", " · ".join(filter(None, (str(action.get("action", "")), source)))[:_LENGTH]


@functools.cache
def _context() -> Any:
    """Reads only files: credentials can name addresses to fetch more from, and whoever wrote the file wrote the address."""
    import c2pa

    return c2pa.Context(c2pa.Settings.from_dict({"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}))
