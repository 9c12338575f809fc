"""The peak memory of recipes, as far as it was measured."""

__all__ = ["PEAK_GB"]

PEAK_GB = {"anomreasonor_7b": 54.5}
"""GB on one GPU, by recipe as shipped: 8 examples per step in micro-batches of 4, pictures of at most 512 image tokens, weights of
the true shape, on an H200 (an H100: 54.2). With every layer computed again it takes 21. A recipe that is not here was not measured.
"""
