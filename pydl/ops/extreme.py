"""Extremes and where they lie. NaN counts as larger and as smaller than any number; ties go to the first."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import dtypes
from ..backend import empty, kernels
from ..op import primitive
from ..tensor import Tensor, method
from ._axes import axes_of, fold, kept, normalize_dim, shaped, without
from .elementwise import maximum, minimum

# fmt: off
__all__ = [
    "amax", "amin", "argmax", "argmin", "max", "min",
]
# fmt: on


def _check_not_empty(input: Tensor, axes, name: str) -> None:
    for i in axes:
        if input.shape[i] == 0:
            raise IndexError(f"{name}: input {input.shape} has no element along axis {i}")


def _shared(g: Tensor, x: Tensor, y: Tensor, axes: tuple) -> Tensor:
    """Gradient of amax and amin: equal extremes share it, as in PyTorch."""
    x, y = x.detach(), y.detach()
    mask = ((x == y) | (x.isnan() & y.isnan())).to(g.dtype)
    return mask * (g / mask.sum(axes, True))


@primitive
def _amax(k, x, *, axes):
    return fold(k, x, axes, lambda x3, y, last: k.max(x3, y)).reshape(kept(x.shape, axes))


@primitive
def _amin(k, x, *, axes):
    return fold(k, x, axes, lambda x3, y, last: k.min(x3, y)).reshape(kept(x.shape, axes))


_amax.backward(x=lambda g, x, y, axes: _shared(g, x, y, axes))
_amin.backward(x=lambda g, x, y, axes: _shared(g, x, y, axes))


def _extreme(primitive_op: Callable, of_array: Callable, input: Tensor, dim, keepdim: bool, name: str) -> Tensor:
    axes = axes_of(dim, input.ndim, name)
    _check_not_empty(input, axes, name)
    if not axes:
        return input.clone()
    if input.dtype.char not in "fd":
        return Tensor(np.asarray(of_array(input.data, axis=axes, keepdims=keepdim)))
    y = primitive_op(input, axes=axes)
    return y if keepdim else shaped(y, input.shape, axes, False)


@method
def amax(input: Tensor, dim=(), keepdim: bool = False) -> Tensor:
    """Maximum over the axes `dim` (all by default). Equal maxima share the gradient."""
    return _extreme(_amax, np.max, input, dim, keepdim, "amax")


@method
def amin(input: Tensor, dim=(), keepdim: bool = False) -> Tensor:
    """Minimum over the axes `dim` (all by default). Equal minima share the gradient."""
    return _extreme(_amin, np.min, input, dim, keepdim, "amin")


def _index(input: Tensor, dim: int | None, name: str) -> np.ndarray:
    """Where along `dim` (None: in the flattened tensor) the first extreme lies; `dim` kept with length 1."""
    x = input.data.reshape(-1) if dim is None else input.data
    axis = 0 if dim is None else normalize_dim(dim, input.ndim, name)
    _check_not_empty(input, range(input.ndim) if dim is None else (axis,) if input.ndim else (), name)
    if x.ndim == 0:
        return np.zeros((), np.int64)
    if x.dtype.char not in "fd":
        return np.expand_dims((np.argmax if name.endswith("max") else np.argmin)(x, axis), axis)
    k, result = kernels(x), empty(kept(x.shape, (axis,)), dtypes.int64)
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    (k.argmax if name.endswith("max") else k.argmin)(
        x.reshape(outer, x.shape[axis], inner), result.reshape(outer, inner)
    )
    return result


def _position(input: Tensor, dim: int | None, keepdim: bool, name: str) -> Tensor:
    index = _index(input, dim, name)
    axis = None if dim is None else normalize_dim(dim, input.ndim, name)
    if keepdim:
        return Tensor(index.reshape((1,) * input.ndim) if dim is None else index)
    return Tensor(index.reshape(() if axis is None else without(input.shape, (axis,))))


@method
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first maximum along `dim`, or in the flattened tensor; int64."""
    return _position(input, dim, keepdim, "argmax")


@method
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first minimum along `dim`, or in the flattened tensor; int64."""
    return _position(input, dim, keepdim, "argmin")


@primitive
def _at(k, x, index, *, axis):
    return np.take_along_axis(x, index, axis)


@primitive
def _to(k, x, index, *, axis, length):
    y = empty((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    k.scatter_index(x.reshape(outer, inner), index.reshape(outer, inner), y.reshape(outer, length, inner))
    return y


_at.backward(x=lambda g, index, x_shape, axis: _to(g, index, axis=axis, length=x_shape[axis]))
_to.backward(x=lambda g, index, axis: _at(g, index, axis=axis))


class ValuesAndIndices(NamedTuple):
    """The extremes along an axis and where the first of them lies."""

    values: Tensor
    indices: Tensor


def _along(input: Tensor, dim: int, keepdim: bool, name: str) -> ValuesAndIndices:
    axis, index = normalize_dim(dim, input.ndim, name), Tensor(_index(input, dim, name))
    if input.ndim == 0:
        return ValuesAndIndices(input.clone(), index)
    values = _at(input, index, axis=axis)
    if keepdim:
        return ValuesAndIndices(values, index)
    return ValuesAndIndices(*(t.reshape(without(input.shape, (axis,))) for t in (values, index)))


@method
def max(input: Tensor, dim=None, keepdim: bool = False):
    """max(input): the largest element; max(input, dim): (values, indices) along an axis, ties to the first;
    max(input, other): elementwise maximum."""
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    return amax(_all(input, "max")) if dim is None else _along(input, dim, keepdim, "max")


@method
def min(input: Tensor, dim=None, keepdim: bool = False):
    """min(input): the smallest element; min(input, dim): (values, indices) along an axis, ties to the first;
    min(input, other): elementwise minimum."""
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    return amin(_all(input, "min")) if dim is None else _along(input, dim, keepdim, "min")


def _all(input: Tensor, name: str) -> Tensor:
    if input.data.size == 0:
        raise RuntimeError(f"{name}: an empty tensor {input.shape} has no extreme; give the axis as `dim`")
    return input
