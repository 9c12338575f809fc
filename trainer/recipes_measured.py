"""The peak memory of recipes, as far as it was measured."""

__all__ = ["PEAK_GB"]

PEAK_GB = {"anomreasonor_7b": 21.9}
"""GB on one GPU, by recipe: 8 examples per step in micro-batches of 4, pictures of at most 512 image tokens, on an H100 with
weights of the true shape. A recipe that is not here was not measured."""
