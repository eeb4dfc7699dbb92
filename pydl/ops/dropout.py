"""Dropout: the mask is a function of (seed, counter), made again by the gradient instead of being kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..backend import empty_like
from ..grad_mode import mode
from ..op import primitive
from ..random import default_generator
from ..tensor import Tensor

# fmt: off
__all__ = [
    "dropout", "dropout1d", "dropout2d", "dropout3d",
]
# fmt: on


@primitive
def _dropout(k, x, *, p, seed, offset):
    y = empty_like(x)
    k.dropout(x, y, p, seed, offset)
    return y


_dropout.backward(x=lambda g, p, seed, offset: _dropout(g, p=p, seed=seed, offset=offset))


def _applied(drop: Callable, input: Tensor, p: float, training: bool, inplace: bool, name: str) -> Tensor:
    """drop(input, p) in training, into input's place where wanted."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: the probability must be in [0, 1], got {p}")
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {input.dtype}")
    if not training or p == 0.0:
        return input
    if not inplace:
        return drop(input, p)
    return input._write(drop(input._alias() if mode.recording else input, p))


def _elements(input: Tensor, p: float) -> Tensor:
    seed, offset = default_generator.take(-(-input.numel() // 4))
    return _dropout(input, p=float(p), seed=seed, offset=offset)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, 0 with probability p and else x / (1 - p), elementwise; otherwise x. Source: Srivastava et al. 2014.

    Element i of the flattened input is decided by word i % 4 of the default generator's Philox counter i // 4.
    """
    return _applied(_elements, input, p, training, inplace, "dropout")


def _channels(name: str, spatial: int) -> Callable:
    axes = ", ".join("DHW"[-spatial:] if spatial > 1 else "L")

    def drop(x: Tensor, p: float) -> Tensor:
        return x * _elements(Tensor(np.ones(x.shape[:-spatial] + (1,) * spatial, x.dtype)), p)

    def function(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if input.ndim not in (spatial + 1, spatial + 2):
            raise RuntimeError(f"{name}: expected (N, C, {axes}) or (C, {axes}), got {input.shape}")
        return _applied(drop, input, p, training, inplace, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`dropout` of whole channels; input (N, C, {axes}) or (C, {axes}). Source: Tompson et al. 2015."
    return function


dropout1d = _channels("dropout1d", 1)
dropout2d = _channels("dropout2d", 2)
dropout3d = _channels("dropout3d", 3)
