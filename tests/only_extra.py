"""Runs Python as if only one extra of the project were installed: what else is installed cannot be imported or asked about.

    python tests/only_extra.py metric -c "import metric_semap.semap"
    python tests/only_extra.py "" anomreason.py score --help        # the base, without any extra

What belongs to an extra is the closure over the installed distributions' own metadata, as pip would resolve it.
"""

import os
import runpy
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, DistributionFinder, PackageNotFoundError, packages_distributions, requires
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(name: str, extras: Iterable[str]) -> set[str]:
    """The distributions that come with `name[extras]`, itself included, under their canonical names."""
    found: dict[str, set[str]] = {}
    ahead = [(canonicalize_name(name), {"", *extras})]
    while ahead:
        one, wanted = ahead.pop()
        new = wanted - found.get(one, set())
        if not new:
            continue
        found.setdefault(one, set()).update(new)
        try:
            lines = requires(one) or []
        except PackageNotFoundError:  # of another platform, or not installed with the project
            continue
        ahead += [
            (canonicalize_name(requirement.name), {"", *requirement.extras})
            for requirement in map(Requirement, lines)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in new)
        ]
    return set(found)


def hide_all_but(extra: str) -> None:
    """From now on, nothing outside `anomreason[extra]` is found: neither its modules nor its metadata."""
    shown = closure("anomreason", [extra])
    hidden = {
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & shown
    }

    class Finder(PathFinder):
        """Finds what is shown, on the import path."""

        @classmethod
        def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
            return None if fullname in hidden else super().find_spec(fullname, path, target)

        @staticmethod
        def find_distributions(context: Any = DistributionFinder.Context()) -> Iterator[Distribution]:  # noqa: B008
            for found in PathFinder.find_distributions(context):
                if canonicalize_name(found.metadata["Name"] or "") in shown:
                    yield found

    sys.meta_path[sys.meta_path.index(PathFinder)] = Finder


def main() -> None:
    extra, program, *rest = sys.argv[1:]
    hide_all_but(extra)
    # As `python` itself would: the current directory comes first for -c, the file's for a file.
    if program == "-c":
        sys.path[0] = ""
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(program))
        sys.argv = [program, *rest]
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
