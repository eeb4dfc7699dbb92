"""Any axes of any array as the (outer, n, inner) that the reduction kernels take."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np

from ..backend import empty
from ..tensor import Tensor


def normalize_dim(dim: int, ndim: int, name: str) -> int:
    """dim in [0, ndim), or IndexError (TypeError for no integer); a 0-d tensor counts as having one axis."""
    try:
        dim = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}: a dimension must be an integer, got {type(dim).__name__} {dim!r}") from None
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"{name}: dimension {dim} is out of range for a tensor with {ndim} axes (expected {-n} to {n - 1})"
        )
    return dim % n


def axes_of(dim, ndim: int, name: str) -> tuple[int, ...]:
    """The axes that `dim` (None or (): all; an int; several) names, sorted."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(ndim))
    dims = sorted(normalize_dim(d, ndim, name) for d in (dim if isinstance(dim, tuple | list) else (dim,)))
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{name}: an axis appears twice in dim={dim}")
    return tuple(d for d in dims if d < ndim)


def kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """shape with the axes reduced to length 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def without(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """shape without the axes."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def shaped(y: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """The result y of reducing `shape` over `axes`, with or without those axes."""
    return y.reshape(kept(shape, axes) if keepdim else without(shape, axes))


def fold(k, x: np.ndarray, axes: tuple[int, ...], step: Callable) -> np.ndarray:
    """Reduces x over `axes` by `step(x3, y, last)` on each run of neighbouring axes, the innermost first.

    x3 (outer, n, inner), y (outer, inner) to be written. The layout of x does not change the order of additions.
    """
    if not x.flags.c_contiguous:
        strided, x = x, empty(x.shape, x.dtype)
        k.copy(strided, x)
    left = list(axes)
    while left:
        end = left.pop() + 1
        start = end - 1
        while left and left[-1] == start - 1:
            start = left.pop()
        shape = x.shape
        y = empty(shape[:start] + shape[end:], x.dtype)
        outer, n, inner = (math.prod(part) for part in (shape[:start], shape[start:end], shape[end:]))
        step(x.reshape(outer, n, inner), y.reshape(outer, inner), not left)
        x = y
    return x


def sum_axes(k, x: np.ndarray, axes: tuple[int, ...], divisor: float = 1.0) -> np.ndarray:
    """Sum over the axes, divided by `divisor`; of integers as int64."""
    if x.dtype.char not in "fd":
        return np.asarray(x.sum(axes) if divisor == 1.0 else x.sum(axes) / divisor)
    if not axes:
        return x / divisor if divisor != 1.0 else x.copy()
    return fold(k, x, axes, lambda x3, y, last: k.sum(x3, y, divisor if last else 1.0))


def arranged(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x as (outer, n, inner) with `axes` as n: a view where they are neighbours, else with them moved to the end."""
    shape = x.shape
    if not axes:
        return x.reshape(math.prod(shape), 1, 1)
    first, last = axes[0], axes[-1] + 1
    if any(shape[i] != 1 for i in range(first, last) if i not in axes):
        rest = [i for i in range(x.ndim) if i not in axes]
        return x.permute(*rest, *axes).reshape(math.prod(shape[i] for i in rest), math.prod(shape[i] for i in axes), 1)
    return x.reshape(math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:]))
