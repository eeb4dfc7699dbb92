"""Reductions over any axes, with PyTorch's arguments: `dim` an int, several or None (all), `keepdim` keeps length 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..backend import empty, empty_like
from ..grad_mode import mode
from ..op import op, primitive
from ..tensor import Tensor, method
from ._axes import arranged, axes_of, kept, shaped, sum_axes
from .compare import where
from .elementwise import abs as absolute
from .elementwise import exp, log, pow, sqrt
from .extreme import amax, amin
from .shape import sum_to_size

# fmt: off
__all__ = [
    "all", "any", "count_nonzero", "logsumexp", "mean", "norm", "prod", "std", "std_mean", "sum", "var", "var_mean",
]
# fmt: on


def _floating(input: Tensor, name: str) -> Tensor:
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {input.dtype}")
    return input


# ---- sums


@method
def sum(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Sum over the axes `dim`; integers and bools are added as int64. float32 is added pairwise in blocks."""
    axes = axes_of(dim, input.ndim, "sum")
    if dtype is not None:
        input = input.to(dtype)
    elif input.dtype.kind != "f":
        input = input.to(dtypes.int64)
    y = sum_to_size(input, kept(input.shape, axes))
    y = y.clone() if y is input else y  # nothing to add up, but a result of its own all the same
    return y if keepdim else shaped(y, input.shape, axes, False)


@primitive
def _mean(k, x, *, axes, divisor):
    return sum_axes(k, x, axes, divisor).reshape(kept(x.shape, axes))


_mean.backward(x=lambda g, x_shape, divisor: (g / divisor).expand(x_shape))


@method
def mean(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Mean over the axes `dim`; NaN over none."""
    axes = axes_of(dim, input.ndim, "mean")
    input = _floating(input if dtype is None else input.to(dtype), "mean")
    y = _mean(input, axes=axes, divisor=float(math.prod(input.shape[i] for i in axes)))
    return y if keepdim else shaped(y, input.shape, axes, False)


@method
def count_nonzero(input: Tensor, dim=None) -> Tensor:
    """Number of elements that are not 0 over the axes `dim`, int64."""
    return Tensor(np.asarray(np.count_nonzero(input.data, axes_of(dim, input.ndim, "count_nonzero"))))


# ---- products


@primitive
def _rows(k, x, *, first, last):
    return np.ascontiguousarray(x[:, first:last])


@primitive
def _rows_into(k, x, *, first, length):
    y = np.zeros((x.shape[0], length, x.shape[2]), x.dtype)
    y[:, first : first + x.shape[1]] = x
    return y


_rows.backward(x=lambda g, x_shape, first: _rows_into(g, first=first, length=x_shape[1]))
_rows_into.backward(x=lambda g, x_shape, first: _rows(g, first=first, last=first + x_shape[1]))


@op
def _prod(x):
    """Product over n of x (outer, n, inner), n >= 1: a tree of products, whose derivatives need no division by x."""
    odd = None
    while (n := x.shape[1]) > 1:
        if n % 2:
            last = _rows(x, first=n - 1, last=n)
            odd = last if odd is None else odd * last
        x = _rows(x, first=0, last=n // 2) * _rows(x, first=n // 2, last=n // 2 * 2)
    return (x if odd is None else x * odd).reshape(x.shape[0], x.shape[2])


@_prod.forward
def _(k, x):
    y = empty((x.shape[0], x.shape[2]), x.dtype)
    k.prod(x, y)
    return y, ()


@method
def prod(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Product over the axis `dim` (all by default); 1 over none. The gradient is exact where elements are 0."""
    axes = axes_of(dim, input.ndim, "prod")
    if dtype is not None:
        input = input.to(dtype)
    if input.dtype.kind != "f":
        return Tensor(np.asarray(input.data.astype(dtypes.int64).prod(axes, keepdims=keepdim)))
    x = arranged(input, axes)
    y = _prod(x) if x.shape[1] else Tensor(np.ones((x.shape[0], x.shape[2]), x.dtype))
    return shaped(y, input.shape, axes, keepdim)


# ---- moments, norms


@op
def _var(x, *, correction):
    """Σ (x - mean)² / (n - correction) over n of x (outer, n, inner), and the mean."""
    average = mean(x, 1, True)
    n = x.shape[1] - correction if x.shape[1] > correction else 0
    return sum((x - average).square(), 1) / float(n), average.reshape(x.shape[0], x.shape[2])


@_var.forward
def _(k, x, *, correction):
    y, average = (empty((x.shape[0], x.shape[2]), x.dtype) for _ in range(2))
    k.var(x, y, average, float(correction))
    return (y, average), (x, average)


@_var.backward
def _(k, saved, gy, gaverage, *, correction):
    x, average = saved
    gx = empty_like(x)
    k.var_backward(x, average, gy, gx, float(correction))
    gx += gaverage[:, None] / x.shape[1]
    return gx


def _moments(input: Tensor, dim, unbiased: bool, correction, keepdim: bool, name: str) -> tuple[Tensor, Tensor]:
    if isinstance(dim, bool):  # PyTorch's old form var(input, unbiased)
        dim, unbiased = None, dim
    axes = axes_of(dim, input.ndim, name)
    x = arranged(_floating(input, name), axes)
    y, average = _var(x, correction=(1 if unbiased else 0) if correction is None else correction)
    return shaped(y, input.shape, axes, keepdim), shaped(average, input.shape, axes, keepdim)


@method
def var(input: Tensor, dim=None, unbiased: bool = True, keepdim: bool = False, *, correction=None) -> Tensor:
    """Σ (x - mean)² / (n - correction) over the axes `dim`; correction 1 (the unbiased estimate) by default."""
    return _moments(input, dim, unbiased, correction, keepdim, "var")[0]


def var_mean(input: Tensor, dim=None, unbiased: bool = True, keepdim: bool = False, *, correction=None):
    """(variance, mean) over the axes `dim`."""
    return _moments(input, dim, unbiased, correction, keepdim, "var_mean")


@method
def std(input: Tensor, dim=None, unbiased: bool = True, keepdim: bool = False, *, correction=None) -> Tensor:
    """√var; its gradient is 0 where the variance is."""
    return _root(_moments(input, dim, unbiased, correction, keepdim, "std")[0])


def std_mean(input: Tensor, dim=None, unbiased: bool = True, keepdim: bool = False, *, correction=None):
    """(standard deviation, mean) over the axes `dim`."""
    y, average = _moments(input, dim, unbiased, correction, keepdim, "std_mean")
    return _root(y), average


def _root(y: Tensor) -> Tensor:
    """√y with gradient 0 at y = 0, where the square root has none."""
    zero = y.detach() == 0.0
    if not mode.recording or not zero.data.any():
        return sqrt(y)
    return where(zero, y.detach(), sqrt(where(zero, 1.0, y)))


@op
def _logsumexp(x):
    """log Σ exp x over n of x (outer, n, inner), the largest element taken out first."""
    largest = amax(x.detach(), 1, True)
    largest = where(largest.isinf(), 0.0, largest)
    return (log(sum(exp(x - largest), 1, True)) + largest).reshape(x.shape[0], x.shape[2])


@_logsumexp.forward
def _(k, x):
    y = empty((x.shape[0], x.shape[2]), x.dtype)
    k.logsumexp(x, y)
    return y, (x, y)


@_logsumexp.backward
def _(k, saved, gy):
    x, y = saved
    gx = empty_like(x)
    k.logsumexp_backward(x, y, gy, gx)
    return gx


@method
def logsumexp(input: Tensor, dim, keepdim: bool = False) -> Tensor:
    """log Σ exp(input) over the axes `dim`, without overflow; -inf over none."""
    axes = axes_of(dim, input.ndim, "logsumexp")
    y = _logsumexp(arranged(_floating(input, "logsumexp"), axes))
    return shaped(y, input.shape, axes, keepdim)


@method
def norm(input: Tensor, p="fro", dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """(Σ |x|^p)^(1/p) over the axes `dim`: p = 2 ("fro"), 1, 0 (count of nonzeros), ±inf (extremes of |x|), ...

    The gradient is 0 where the norm is.
    """
    input = _floating(input if dtype is None else input.to(dtype), "norm")
    if p not in ("fro", None) and not isinstance(p, int | float):
        raise ValueError(f"norm: p must be 'fro' or a number, got {p!r}")
    p = 2.0 if p in ("fro", None) else float(p)
    if p == 2.0:
        return _root(sum(input.square(), dim, keepdim))
    if math.isinf(p):
        return (amax if p > 0 else amin)(absolute(input), () if dim is None else dim, keepdim)
    if p == 0.0:
        return sum((input != 0.0).to(input.dtype), dim, keepdim)
    if p == 1.0:
        return sum(absolute(input), dim, keepdim)
    total = sum(pow(absolute(input), p), dim, keepdim)
    zero = total.detach() == 0.0
    return where(zero, total.detach(), pow(where(zero, 1.0, total), 1.0 / p))


# ---- logic


def _logic(function: Callable, name: str) -> Callable:
    def operation(input: Tensor, dim=None, keepdim: bool = False) -> Tensor:
        return Tensor(np.asarray(function(input.data, axis=axes_of(dim, input.ndim, name), keepdims=keepdim)))

    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = f"Whether {name} element over the axes `dim` (all axes by default) is not 0; a bool tensor."
    return method(operation)


all = _logic(np.all, "all")
any = _logic(np.any, "any")
