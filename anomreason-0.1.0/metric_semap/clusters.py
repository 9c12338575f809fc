"""Which pictures say the same again: twins, tiles of one generation, several pictures of one prompt.

They are not independent, so intervals and tests take them together. What belongs together is given (a column `cluster`
of the references, a file) or found from the pictures' names, as the tools of this field write them; any other picture
is a cluster of its own.
"""

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .anomalies import Picture
from .errors import RecordError, shorten
from .records import base_name, read_text
from .strict_json import parse_json

__all__ = ["cluster_of", "clusters_of", "read_clusters"]

NAMES = (
    re.compile(r"(?P<cluster>scene_\d+_\d+)_(?:odd|clean)"),  # a rendered scene and its twin
    re.compile(r"(?P<cluster>\d{4}(?:_\d\d){5}_\d{19})(?:_[01]_[01])?(?:_[a-z0-9]+)?"),  # a generation, its tiles
    re.compile(r"(?P<cluster>.+)[_-]seed[_-]?\d+"),  # a prompt's pictures with several seeds
)


def cluster_of(image: str) -> str:
    """The cluster that a picture's name tells.

    >>> cluster_of("scene_0_000007_odd.png") == cluster_of("scene_0_000007_clean.png")
    True
    >>> cluster_of("2025_04_18_02_29_58_1234567890123456789_0_1.jpg"), cluster_of("IMG_1.jpg")
    ('2025_04_18_02_29_58_1234567890123456789', 'IMG_1')
    """
    stem = image.rsplit(".", 1)[0]
    return next((match["cluster"] for name in NAMES if (match := name.fullmatch(stem))), stem)


def clusters_of(references: Mapping[str, Picture]) -> dict[str, str]:
    """The cluster of each picture: the one it was given, else what its name tells."""
    return {image: picture.cluster or cluster_of(image) for image, picture in references.items()}


def read_clusters(path: str | os.PathLike[str]) -> dict[str, str]:
    """The cluster of each picture, from a JSON object `{picture: cluster}` or a CSV file with the columns picture and cluster.

    Raises:
        `RecordError`: naming the file, the line or picture, and the fix.
    """
    source, text = Path(path).name, read_text(path)
    pairs: list[tuple[str, Any]]
    if text.lstrip()[:1] == "{":
        pairs = list(parse_json(text, source).items())
    else:
        rows: Sequence[list[str]] = [row for row in csv.reader(io.StringIO(text)) if row]
        for number, row in enumerate(rows, 1):
            if len(row) != 2:
                raise RecordError(
                    f"{source}: row {number}: {shorten(row)} does not have two columns; write picture,cluster"
                )
        pairs = [(row[0], row[1]) for row in rows]
    if not pairs:
        raise RecordError(f"{source}: lists no picture; write one picture and its cluster per line")
    clusters: dict[str, str] = {}
    for image, cluster in pairs:
        if not isinstance(cluster, (str, int)) or isinstance(cluster, bool) or not str(cluster).strip():
            raise RecordError(
                f"{source}: {shorten(image)}: {shorten(cluster)} is not a cluster; write a text or a number"
            )
        name = base_name(image.strip(), source)
        if clusters.setdefault(name, str(cluster)) != str(cluster):
            raise RecordError(f"{source}: {shorten(name)} appears in two clusters; keep one")
    return clusters
