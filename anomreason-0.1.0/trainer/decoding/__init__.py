"""Greedy generation in batches: the tokens of `model.generate`, in less time.

`decoder` chooses one of three ways:

- **leaving** (CPU): rows that have ended leave the batch.
- **fixed shapes** (CUDA): a GPU waits for its launches, not for its arithmetic, so every step is one recorded CUDA graph over
  buffers of a fixed size.
- **plain**: one call of `generate`, for every model, cache or generation setting that the other two are not proven for.
"""

from trainer.decoding.choice import decoder, unproven
from trainer.decoding.plain import Decode, ends, plain

__all__ = ["Decode", "decoder", "ends", "plain", "unproven"]
