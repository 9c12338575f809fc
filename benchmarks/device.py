"""What the device at hand can do: the measured ceilings that benchmarks compare with."""

import resource
import statistics
import time
from collections.abc import Callable

import torch

__all__ = ["copy_rate", "matrix_rate", "name", "peak_memory", "synchronize"]


def synchronize() -> None:
    """Wait until the GPU, if there is one, has done what it was asked for."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def name() -> str:
    """The GPU's name, or the number of threads on a CPU."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} thread(s)"


def peak_memory(*, reset: bool = False) -> int:
    """The most bytes taken so far: of the GPU's allocator since the last reset, or of this process since it began."""
    if not torch.cuda.is_available():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    peak = torch.cuda.max_memory_allocated()
    if reset:
        torch.cuda.reset_peak_memory_stats()
    return peak


def matrix_rate(dtype: torch.dtype) -> float:
    """Operations per second of a matrix product of 8192³ (1024³ on a CPU), random values, median of ten."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 8192 if device == "cuda" else 1024
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / _median(lambda: one @ other)


def copy_rate() -> float:
    """Bytes per second, read and written, of a copy of a gigabyte (64 MB on a CPU), median of ten."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    source = torch.empty(2**30 if device == "cuda" else 2**26, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    return 2 * source.numel() / _median(lambda: target.copy_(source))


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(13):
        synchronize()
        started = time.perf_counter()
        work()
        synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[3:])
