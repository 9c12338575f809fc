"""Which packages an extra of this distribution adds, and the sentence for somebody who lacks them.

`pip install anomreason` is for loading, building, checking and annotating; `pyproject.toml` says what its extras add. A command
that needs one calls `require` before it imports anything of it, so that it answers at once and in one sentence.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires

from packaging.requirements import Requirement

from dataset_builder.errors import UnavailableError

__all__ = ["require"]

_DISTRIBUTION = "anomreason"


def require(what: str, *extras: str) -> None:
    """Return if the packages of extras are installed.

    What belongs to an extra is read from the metadata of the installed distribution, which pip made from `pyproject.toml`. Where
    this code lies uninstalled, as in a Space, the `requirements.txt` next to it takes the place of extras, and nothing is checked.

    Args:
        what (`str`): what needs them; the sentence begins with it, as in `train` or `--engine ray`.
        extras (`str`): their names in `pyproject.toml`.

    Raises:
        UnavailableError: if packages are missing; it names them and the command that installs them.
    """
    try:
        missing = {extra: [name for name in _packages(extra) if not _is_installed(name)] for extra in extras}
    except PackageNotFoundError:
        return
    lacking = [extra for extra in extras if missing[extra]]
    if lacking:
        names = ", ".join(sorted({name for extra in lacking for name in missing[extra]}))
        fix = f'pip install "{_DISTRIBUTION}[{",".join(lacking)}]"'
        raise UnavailableError(f"{what}: needs packages that are not installed ({names}); run {fix}")


def _packages(extra: str) -> Iterator[str]:
    """The distributions that an extra adds, those of extras that it names included."""
    for line in requires(_DISTRIBUTION) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}) or not marker.evaluate({"extra": extra}):
            continue
        if requirement.name == _DISTRIBUTION:
            for named in requirement.extras:
                yield from _packages(named)
        else:
            yield requirement.name


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
