"""Severity: the metric's one place that knows its direction.

A severity is a whole number from 0 (completely irrational) to 100 (completely realistic): **low is severe**. The metric
is a repository of its own and imports nothing of the project around it, so this module repeats what
`dataset_builder/severity.py` says; a test holds the two equal.
"""

__all__ = ["AXIS", "HIGHEST", "LOWEST", "ORDER", "SCALE", "intensity"]

LOWEST, HIGHEST = 0, 100
SCALE = f"a whole number from {LOWEST} (completely irrational) to {HIGHEST} (completely realistic)"
ORDER = "severity, most severe first"
AXIS = "severity (0 most severe)"


def intensity(severity: float) -> float:
    """How wrong, 0.0 (completely realistic) to 1.0 (completely irrational): (100 − severity) / 100. High is severe."""
    return (HIGHEST - severity) / HIGHEST
