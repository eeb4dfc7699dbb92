"""Padding: axes made longer (or, with negative widths, cropped)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..backend import empty
from ..op import primitive
from ..tensor import Tensor
from .subscript import _getitem

# fmt: off
__all__ = [
    "pad",
]
# fmt: on


def _inside(shape: tuple, widths: tuple) -> tuple:
    """The index of the input within the padded array."""
    return tuple(slice(low, low + n) for n, (low, _) in zip(shape, widths, strict=True))


@primitive
def _pad(k, x, *, widths, value):
    y = empty(tuple(n + low + high for n, (low, high) in zip(x.shape, widths, strict=True)), x.dtype)
    for axis, (n, (low, high)) in enumerate(zip(x.shape, widths, strict=True)):
        inner = _inside(x.shape, widths)[:axis]  # axes before have their borders already
        for border in [slice(0, low)] * bool(low) + [slice(low + n, None)] * bool(high):
            place = (*inner, border)
            y[place] = value
    y[_inside(x.shape, widths)] = x
    return y


_pad.backward(x=lambda g, x_shape, widths: _getitem(g, index=_inside(x_shape, widths)))


def _source(n: int, low: int, high: int, mode: str) -> np.ndarray:
    """For each position of the padded axis, the position of the input that it shows."""
    i = np.arange(-low, n + high)
    if mode == "replicate":
        return np.clip(i, 0, n - 1)
    if mode == "circular":
        return i % n
    i = np.abs(i)  # reflect: the border itself comes once
    return np.where(i >= n, 2 * (n - 1) - i, i)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """pad = (before, after) of the last axis, then of the one before it, and so on; negative widths crop.

    mode "constant" writes value (0), "reflect" mirrors without repeating the border, "replicate" repeats the border,
    "circular" goes on at the other end.
    """
    widths = [int(w) for w in pad]
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise RuntimeError(
            f"pad: expected (before, after) for at most {input.ndim} axes of {input.shape}, got {widths}"
        )
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: mode must be constant, reflect, replicate or circular, got {mode!r}")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    if any(n + low + high < 0 for n, (low, high) in zip(input.shape, pairs, strict=True)):
        raise RuntimeError(f"pad: widths {widths} crop more than there is of {input.shape}")
    if mode == "constant":
        return _pad_constant(input, pairs, 0 if value is None else value)
    for axis, (low, high) in enumerate(pairs):
        n = input.shape[axis]
        most = {"reflect": n - 1, "circular": n, "replicate": max(low, high) if n else 0}[mode]
        if low > most or high > most:
            raise RuntimeError(
                f"pad: {mode} padding ({low}, {high}) is more than {most} for axis {axis} of {input.shape}"
            )
        if low or high:
            input = input.index_select(axis, Tensor(_source(n, low, high, mode)))
    return input


def _pad_constant(input: Tensor, pairs: list, value: float) -> Tensor:
    if any(low < 0 or high < 0 for low, high in pairs):
        kept = tuple(slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(input.shape, pairs, strict=True))
        input = _getitem(input, index=kept)
        pairs = [(max(low, 0), max(high, 0)) for low, high in pairs]
        if not any(low or high for low, high in pairs):
            return input.clone()
    return _pad(input, widths=tuple(pairs), value=value)
