"""One thing to time: a function of (library, its nn.functional, tensors) and the inputs it gets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Workload:
    """`run(lib, F, *tensors)` works with pydl and with PyTorch, for both have the same names.

    `inputs`: shapes, or arrays (labels, masks). `flops`: of the forward pass, 0 for what is bound by memory. `gradients`:
    which inputs are differentiated (all floating ones by default; empty: forward only).
    """

    room: str
    op: str
    run: Callable
    inputs: tuple
    flops: float = 0.0
    gradients: tuple[int, ...] | None = None
    note: str = ""
    arrays: list[np.ndarray] = field(default_factory=list, repr=False)

    @property
    def case(self) -> str:
        shapes = "·".join("x".join(map(str, s if isinstance(s, tuple) else s.shape)) or "()" for s in self.inputs)
        return f"{shapes} {self.note}".strip()

    def make(self) -> list[np.ndarray]:
        """The input arrays, the same at every call."""
        rng = np.random.default_rng(0)
        return [rng.standard_normal(s).astype(np.float32) if isinstance(s, tuple) else s for s in self.inputs]

    def differentiated(self) -> tuple[int, ...]:
        if self.gradients is not None:
            return self.gradients
        return tuple(i for i, a in enumerate(self.make()) if a.dtype.kind == "f")

    def moved(self, output_size: int, backward: bool) -> int:
        """Bytes that have to be read or written at least: inputs and output once, for a backward pass also the output's
        gradient, the inputs again and their gradients."""
        inputs = self.make()
        forward = sum(a.nbytes for a in inputs) + 4 * output_size
        if not backward:
            return forward
        return (
            forward
            + 4 * output_size
            + sum(a.nbytes for a in inputs)
            + sum(inputs[i].nbytes for i in self.differentiated())
        )


def conv_flops(
    n: int, c: int, h: int, w: int, o: int, kh: int, kw: int, stride: int, padding: int, groups: int = 1
) -> float:
    """Multiply-adds of a convolution, counted as two operations."""
    ho, wo = (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1
    return 2.0 * n * o * ho * wo * (c // groups) * kh * kw


def matmul_flops(*shape: int) -> float:
    """2 B M N K for the axes (B, M, N, K)."""
    return 2.0 * math.prod(shape)
