"""Reductions over any axes."""

from __future__ import annotations

import math

from ..tensor import Tensor, method
from .shape import normalize_dim, sum_to_size

# fmt: off
__all__ = [
    "mean", "sum",
]
# fmt: on


def _axes(dim, ndim: int, name: str) -> tuple[int, ...]:
    """The axes that `dim` (None, an int or several) names, sorted."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    dims = sorted(normalize_dim(d, ndim, name) for d in (dim if isinstance(dim, tuple | list) else (dim,)))
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{name}: an axis appears twice in dim={dim}")
    return tuple(d for d in dims if d < ndim)


@method
def sum(input: Tensor, dim=None, keepdim: bool = False) -> Tensor:
    """Sum over the axes `dim` (all by default)."""
    axes = _axes(dim, input.ndim, "sum")
    kept = tuple(1 if i in axes else n for i, n in enumerate(input.shape))
    y = sum_to_size(input, kept)
    return y if keepdim else y.reshape(tuple(n for i, n in enumerate(input.shape) if i not in axes))


@method
def mean(input: Tensor, dim=None, keepdim: bool = False) -> Tensor:
    """Mean over the axes `dim` (all by default)."""
    axes = _axes(dim, input.ndim, "mean")
    return sum(input, dim, keepdim) / math.prod(input.shape[i] for i in axes)
