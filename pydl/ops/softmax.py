"""Softmax and its logarithm over one axis."""

from __future__ import annotations

import math

from ..backend import empty_like
from ..op import op
from ..tensor import Tensor, method
from .shape import normalize_dim

# fmt: off
__all__ = [
    "log_softmax", "softmax", "softmin",
]
# fmt: on


def _shifted(x: Tensor, dim: int) -> Tensor:
    """x minus its maximum along dim, a constant here: softmax does not see it, and no exponential overflows."""
    return x - Tensor(x.data.max(dim, keepdims=True, initial=-math.inf))


@op
def _softmax(x, *, dim):
    e = _shifted(x, dim).exp()
    return e / e.sum(dim, keepdim=True)


@_softmax.forward
def _(k, x, *, dim):
    y = empty_like(x)
    k.softmax_forward(x, y, dim)
    return y, (y,)


@_softmax.backward
def _(k, saved, gy, *, dim):
    gx = empty_like(gy)
    k.softmax_backward(*saved, gy, gx, dim)
    return gx


@op
def _log_softmax(x, *, dim):
    z = _shifted(x, dim)
    return z - z.exp().sum(dim, keepdim=True).log()


@_log_softmax.forward
def _(k, x, *, dim):
    y = empty_like(x)
    k.log_softmax_forward(x, y, dim)
    return y, (y,)


@_log_softmax.backward
def _(k, saved, gy, *, dim):
    gx = empty_like(gy)
    k.log_softmax_backward(*saved, gy, gx, dim)
    return gx


def _along(op, input: Tensor, dim: int, dtype) -> Tensor:
    dim = normalize_dim(dim, input.ndim, op.name)
    x = input if dtype is None else input.to(dtype)
    if x.dtype.kind != "f":
        raise RuntimeError(f"{op.name}: expected a floating tensor, got {x.dtype} {x.shape}; give dtype=")
    return op(x, dim=dim) if x.ndim else op(x.reshape(1), dim=0).reshape(())


@method
def softmax(input: Tensor, dim: int = -1, dtype=None) -> Tensor:
    """exp(x) / Σ exp(x) along dim, any axis. dtype: the input is cast to it first. A row of -inf gives NaN."""
    return _along(_softmax, input, dim, dtype)


@method
def log_softmax(input: Tensor, dim: int = -1, dtype=None) -> Tensor:
    """x - ln Σ exp(x) along dim, without overflow. dtype: the input is cast to it first."""
    return _along(_log_softmax, input, dim, dtype)


def softmin(input: Tensor, dim: int = -1, dtype=None) -> Tensor:
    """softmax(-x) along dim."""
    return softmax(-input, dim, dtype)
