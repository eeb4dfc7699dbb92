"""Sorted, ranked, without repetitions; running sums and products."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..backend import empty
from ..op import primitive
from ..tensor import Tensor, method
from ._axes import normalize_dim
from .compare import where
from .extreme import ValuesAndIndices
from .indexing import gather
from .shape import unsqueeze
from .triangle import tril

# fmt: off
__all__ = [
    "argsort", "cumprod", "cumsum", "sort", "topk", "unique",
]
# fmt: on


# ---- sorting: positions by numpy, values by gather


def _positions(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """The stable order along dim; NaN counts as the largest number."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.flip(np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)  # equal elements keep their order
    return x.shape[dim] - 1 - backwards


@method
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Positions along dim in the order of the elements; equal elements stay in their order, NaN is the largest."""
    dim = normalize_dim(dim, input.ndim, "argsort")
    if not input.ndim:
        return Tensor(np.zeros((), np.int64))
    return Tensor(np.ascontiguousarray(_positions(input.data, dim, descending), np.int64))


@method
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesAndIndices:
    """(values, indices) in order along dim; equal elements stay in their order, NaN is the largest."""
    indices = argsort(input, dim, descending)
    return ValuesAndIndices(gather(input, dim, indices), indices)


@method
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """(values, indices) of the k largest (or smallest) elements along dim, in order."""
    dim = normalize_dim(dim, input.ndim, "topk")
    n = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError(f"topk: k must be between 0 and {n}, the length of axis {dim} of {input.shape}; got {k}")
    x = np.atleast_1d(input.data)
    chosen = np.arange(n).reshape((n,) + (1,) * (x.ndim - dim - 1))
    if 0 < k < n:  # the k first, in the order of their positions, so that the stable sort of them is one of all
        part = np.argpartition(x, n - k if largest else k - 1, dim)
        chosen = np.sort(np.take(part, range(n - k, n) if largest else range(k), dim), dim)
    chosen = np.broadcast_to(chosen, (*x.shape[:dim], n if k in (0, n) else k, *x.shape[dim + 1 :]))
    order = _positions(np.take_along_axis(x, chosen, dim), dim, largest)
    first = np.ascontiguousarray(np.take(np.take_along_axis(chosen, order, dim), range(k), dim), np.int64)
    indices = Tensor(first if input.ndim or not k else first.reshape(()))
    return ValuesAndIndices(gather(input, dim, indices), indices)


@method
def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim=None):
    """The different elements (or slices along dim) in order: `values`, or a tuple with inverse positions and counts."""
    if dim is not None:
        dim = normalize_dim(dim, input.ndim, "unique")
    values, inverse, counts = np.unique(input.data, return_inverse=True, return_counts=True, axis=dim)
    inverse = inverse.reshape(input.shape if dim is None else -1)
    results = [Tensor(values)]
    if return_inverse:
        results.append(Tensor(np.asarray(inverse, np.int64)))
    if return_counts:
        results.append(Tensor(np.asarray(counts, np.int64)))
    return tuple(results) if len(results) > 1 else results[0]


# ---- running sums and products


@primitive
def _cumsum(k, x, *, dim, reverse):
    y = empty(x.shape, x.dtype)
    if x.dtype.char in "fd":
        shape = (math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :]))
        k.cumsum(x.reshape(shape), y.reshape(shape), reverse)
    elif reverse:
        np.cumsum(np.flip(x, dim), dim, out=np.flip(y, dim))
    else:
        np.cumsum(x, dim, out=y)
    return y


_cumsum.backward(x=lambda g, dim, reverse: _cumsum(g, dim=dim, reverse=not reverse))


def _running(op, input: Tensor, dim: int, dtype, name: str, **attrs) -> Tensor:
    dim = normalize_dim(dim, input.ndim, name)
    if dtype is None and input.dtype.kind != "f":
        dtype = dtypes.int64
    input = input if dtype is None else input.to(dtype)
    return op(input, dim=dim, **attrs) if input.ndim else op(input.reshape(1), dim=0, **attrs).reshape(())


@method
def cumsum(input: Tensor, dim: int, *, dtype=None) -> Tensor:
    """y[i] = x[0] + ... + x[i] along dim. Integers and bools become int64."""
    return _running(_cumsum, input, dim, dtype, "cumsum", reverse=False)


@primitive
def _cumprod(k, x, *, dim):
    y = empty(x.shape, x.dtype)
    np.cumprod(x, dim, out=y)
    return y


def _cumprod_gradient(g, x, y, dim):
    """Sum over j >= i of g[j] · the product of x[0..j] without x[i]."""
    if (x.data != 0).all():
        return _cumsum(g * y, dim=dim, reverse=True) / x
    n, last = x.shape[dim], x.movedim(dim, -1)
    others = where(Tensor(np.eye(n, dtype=bool)), 1.0, unsqueeze(last, -2))  # [..., i, j]: x[j], but 1 for j = i
    products = tril(_cumprod(others, dim=others.ndim - 1).transpose(-1, -2))  # [..., j, i] for i <= j
    return (products * unsqueeze(g.movedim(dim, -1), -1)).sum(-2).movedim(-1, dim)


_cumprod.backward(x=_cumprod_gradient)


@method
def cumprod(input: Tensor, dim: int, *, dtype=None) -> Tensor:
    """y[i] = x[0] · ... · x[i] along dim. Integers and bools become int64."""
    return _running(_cumprod, input, dim, dtype, "cumprod")
