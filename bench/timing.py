"""Timing of two programs side by side, and the ceilings of the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pydl import backend


@dataclass
class Times:
    """Seconds for one call."""

    median: float
    minimum: float


def alternate(programs: list[Callable], repetitions: int = 31, sample: float = 2e-3) -> list[Times]:
    """Times the programs in turn, so that a change of the machine's speed meets all of them alike.

    A sample repeats a program until it takes about `sample` seconds; `repetitions` samples of each are taken.
    """
    counts = [_calls_per_sample(p, sample) for p in programs]
    seconds: list[list[float]] = [[] for _ in programs]
    for _ in range(repetitions):
        for program, n, taken in zip(programs, counts, seconds, strict=True):
            start = time.perf_counter()
            for _ in range(n):
                program()
            taken.append((time.perf_counter() - start) / n)
    return [Times(statistics.median(t), min(t)) for t in seconds]


def _calls_per_sample(program: Callable, sample: float) -> int:
    program()
    n = 1
    while True:  # also the warm-up
        start = time.perf_counter()
        for _ in range(n):
            program()
        taken = time.perf_counter() - start
        if taken >= sample / 2:
            return max(1, round(n * sample / taken))
        n *= 4


@dataclass
class Ceilings:
    """Most floating-point operations and most bytes a second, on the threads in use."""

    flops: dict[str, float]
    bytes: float


def measure_ceilings() -> Ceilings:
    """Multiply-adds in registers, and y = 2x over arrays far larger than the caches."""
    flops = {}
    for dtype in (np.float32, np.float64):
        rate = np.zeros(1, dtype)
        backend.cpu.fma_ceiling(rate)
        flops[np.dtype(dtype).name] = float(rate[0])
    x, y = np.ones(1 << 26, np.float32), np.ones(1 << 26, np.float32)
    best = min(alternate([lambda: backend.cpu.stream(x, y)], 7)[0].minimum for _ in range(2))
    return Ceilings(flops, (x.nbytes + y.nbytes) / best)
