"""Whether a PNG file is whole: its chunks follow each other to the end, each with the checksum it was written with.

Unlike most formats PNG says itself whether it is damaged (W3C PNG, section 5.3: a CRC-32 for each chunk), so a changed byte
is found for certain and without decoding. Texts and colour profiles that Pillow refuses to decompress are found too: such
a file can be stored, but no reader of the dataset could open it.
"""

import zlib
from collections.abc import Iterator

from dataset_builder.errors import DamagedPictureError, OversizedPictureError, TruncatedPictureError

__all__ = ["MAX_TEXT", "MAX_TEXTS", "SIGNATURE", "check_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_TEXT = 2**20
"""Bytes of one text or colour profile once decompressed; Pillow's limit (`PngImagePlugin.MAX_TEXT_CHUNK`)."""

MAX_TEXTS = 64 * MAX_TEXT
"""Bytes of all texts of a file; Pillow's limit (`PngImagePlugin.MAX_TEXT_MEMORY`)."""


def check_png(data: bytes, name: str) -> None:
    """Check a PNG file without decoding its pixels.

    Args:
        data (`bytes`): the file.
        name (`str`): the file, for messages.

    Raises:
        TruncatedPictureError: if it ends before its last chunk.
        DamagedPictureError: if a chunk has not the checksum it was written with.
        OversizedPictureError: if it has a text or colour profile larger than Pillow reads.
    """
    texts = 0
    for kind, body in _chunks(data, name):
        size = _text_size(kind, body)
        texts += size if kind != b"iCCP" else 0
        if (size > MAX_TEXT and not _is_plain(kind, body)) or texts > MAX_TEXTS:
            what = "colour profile" if kind == b"iCCP" else "text"
            raise OversizedPictureError(
                f"{name}: holds a {what} of more than {MAX_TEXT:,} bytes, which no reader opens; save it without"
            )
        if kind == b"IEND":
            return
    raise TruncatedPictureError(f"{name}: is truncated (no IEND at its end); fetch it again")


def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 8 + size
        if end + 4 > len(data):
            break
        body = data[at + 8 : end]
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[end : end + 4], "big"):
            part = kind.decode("latin-1") if kind.isalpha() else "unknown"
            raise DamagedPictureError(f"{name}: is damaged (wrong checksum of its {part} chunk); fetch it again")
        yield kind, body
        at = end + 4


def _is_plain(kind: bytes, body: bytes) -> bool:
    """Whether a text is stored as it is; only all of them together can be too large."""
    return kind == b"tEXt" or (kind == b"iTXt" and body.partition(b"\0")[2][:1] != b"\1")


def _text_size(kind: bytes, body: bytes) -> int:
    """Bytes of a chunk's text or profile once decompressed, as far as the limit; 0 for other chunks."""
    if kind not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
        return 0
    rest = body.partition(b"\0")[2]
    if _is_plain(kind, body):
        return len(rest)
    packed = rest[1:] if kind != b"iTXt" else rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_TEXT + 1))
    except zlib.error:
        return 0  # Pillow passes over a text that cannot be decompressed
