"""The tiny Qwen2.5-VL shipped with the package: `model/` holds it, `train.py` makes it from nothing, LOG.md tells how."""

__all__ = ["evaluate", "train"]
