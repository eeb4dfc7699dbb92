"""Products of matrices and vectors, all on one kernel: y = activation(a b + bias), batched, any layout."""

from __future__ import annotations

import math

import numpy as np

from ..backend import empty, empty_like
from ..op import REGISTRY, op, primitive
from ..tensor import Tensor, method
from .elementwise import broadcast_shapes, pair, stretched

# fmt: off
__all__ = [
    "addmm", "baddbmm", "bilinear", "bmm", "dot", "inner", "linear", "matmul", "mm", "mv", "outer", "vdot",
]
# fmt: on

ACTIVATIONS = {None: 0, "relu": 1, "gelu": 2, "tanh": 3, "sigmoid": 4}  # csrc/cpu/gemm.h


def _product(k, a, b, bias=None, activation=None):
    """activation(a b + bias) on arrays of at least two axes."""
    if a.dtype.char not in "fd":
        return np.asarray(np.matmul(a, b))
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2], "matmul")
    y = empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    a, b = stretched(a, (*batch, *a.shape[-2:])), stretched(b, (*batch, *b.shape[-2:]))
    k.matmul(a, b, bias, y, ACTIVATIONS[activation])
    return y


def _rows(x: Tensor) -> Tensor:
    """x (..., n) as a matrix with n columns."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


# ---- matmul


@primitive(broadcast=True)
def _matmul(k, a, b):
    return _product(k, a, b)


def _right_gradient(g: Tensor, a: Tensor, b_shape: tuple) -> Tensor:
    """aᵀ g; for a matrix b that a whole batch shares, one product over the rows of the batch instead of a sum."""
    return _matmul(_rows(a).mT, _rows(g)) if len(b_shape) == 2 else _matmul(a.mT, g)


_matmul.backward(a=lambda g, b: _matmul(g, b.mT), b=_right_gradient)


def _check_inner(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise RuntimeError(f"{name}: inner sizes differ: {a.shape} times {b.shape}")


def _check_axes(name: str, **tensors: tuple[Tensor, int]) -> None:
    for what, (x, ndim) in tensors.items():
        if x.ndim != ndim:
            raise RuntimeError(f"{name}: {what} has shape {x.shape}, expected {ndim} axes")


@method
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Product of matrices (..., n, k) and (..., k, m), leading axes broadcast; a vector is a row on the left, a column
    on the right, and its axis is missing from the result. float32 and float64; integers by numpy."""
    a, b = pair(input, other, "matmul")
    if not a.ndim or not b.ndim:
        raise RuntimeError(f"matmul: both arguments need at least one axis, got shapes {a.shape} and {b.shape}")
    _check_inner("matmul", a, b)
    y = _matmul(a.unsqueeze(0) if a.ndim == 1 else a, b.unsqueeze(1) if b.ndim == 1 else b)
    if b.ndim == 1:
        y = y.squeeze(-1)
    return y.squeeze(-1 if b.ndim == 1 else -2) if a.ndim == 1 else y


Tensor.__matmul__ = matmul
Tensor.__rmatmul__ = lambda self, other: matmul(other, self)


@method
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices (n, k) and (k, m)."""
    _check_axes("mm", input=(input, 2), mat2=(mat2, 2))
    return matmul(input, mat2)


@method
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of b pairs of matrices (b, n, k) and (b, k, m)."""
    _check_axes("bmm", input=(input, 3), mat2=(mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: batches differ: {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


@method
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix (n, k) and a vector (k,)."""
    _check_axes("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


@method
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of two vectors' elements."""
    _check_axes("dot", input=(input, 1), tensor=(tensor, 1))
    return matmul(input, tensor)


@method
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """`dot`: pydl has no complex numbers to conjugate."""
    return dot(input, other)


@method
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum of products over the last axes: (..., k) and (*, k) give (..., *); a number multiplies."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner: last axes differ: {input.shape} and {other.shape}")
    return matmul(_rows(input), _rows(other).mT).reshape(*input.shape[:-1], *other.shape[:-1])


@method
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Products of all pairs of elements of two vectors: (n,) and (m,) give (n, m)."""
    _check_axes("outer", input=(input, 1), vec2=(vec2, 1))
    return input.unsqueeze(1) * vec2


def _plus(name: str, input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta · input + alpha · product; beta = 0 ignores input, NaN in it included."""
    if broadcast_shapes(input.shape, product.shape, name) != product.shape:
        raise RuntimeError(f"{name}: input of shape {input.shape} does not expand to {product.shape}")
    if alpha != 1:
        product = product * alpha
    return product if beta == 0 else product + (input if beta == 1 else input * beta)


@method
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta=1, alpha=1) -> Tensor:
    """beta · input + alpha · mat1 mat2; mat1 (n, k), mat2 (k, m), input broadcast to (n, m)."""
    if beta == 1 and alpha == 1 and input.shape == mat2.shape[-1:] and mat1.ndim == mat2.ndim == 2:
        return linear(mat1, mat2.mT, input)
    return _plus("addmm", input, mm(mat1, mat2), beta, alpha)


@method
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta=1, alpha=1) -> Tensor:
    """beta · input + alpha · batch1 batch2; batch1 (b, n, k), batch2 (b, k, m), input broadcast to (b, n, m)."""
    return _plus("baddbmm", input, bmm(batch1, batch2), beta, alpha)


# ---- linear: bias and activation added while the product is in registers


@primitive
def _linear(k, x, weight, bias):
    return _product(k, x, weight.T, bias)


_linear.backward(
    x=lambda g, weight: _matmul(g, weight),
    weight=lambda g, x: _matmul(_rows(g).mT, _rows(x)),
    bias=lambda g: _rows(g).sum(0),
)


@op
def _linear_activation(x, weight, bias, *, activation):
    return REGISTRY[activation](_linear(x, weight, bias), a=0.0, b=0.0)


@_linear_activation.forward
def _(k, x, weight, bias, *, activation):
    y = _product(k, x, weight.T, bias, activation)
    return y, (x, weight, bias, y)


@_linear_activation.backward
def _(k, saved, gy, *, activation):
    x, weight, bias, y = saved
    slope_at = y if activation in k.from_output else _product(k, x, weight.T, bias)
    g = empty_like(y)
    getattr(k, f"{activation}_backward")(slope_at, gy, g, 0.0, 0.0)
    rows, inputs = (v.reshape(math.prod(v.shape[:-1]), v.shape[-1]) for v in (g, x))
    return _product(k, g, weight), _product(k, rows.T, inputs), None if bias is None else rows.sum(0)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, activation: str | None = None) -> Tensor:
    """input weightᵀ + bias; input (..., in), weight (out, in) or (in,), bias (out,).

    activation: "relu", "gelu" (the exact one), "tanh" or "sigmoid", applied before the sums leave the registers.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"linear: activation {activation!r} is none of {list(ACTIVATIONS)}")
    if weight.ndim not in (1, 2) or not input.ndim or input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(f"linear: input {input.shape} times the transpose of weight {weight.shape} is not defined")
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(f"linear: bias has shape {bias.shape}, expected {weight.shape[:-1]}")
    if weight.ndim == 1:
        y = matmul(input, weight)
        y = y if bias is None else y + bias
        return y if activation is None else REGISTRY[activation](y, a=0.0, b=0.0)
    x, weight = pair(input, weight, "linear")
    x = x.unsqueeze(0) if input.ndim == 1 else x
    if x.dtype.kind != "f":
        y = matmul(x, weight.mT)
        y = y if bias is None else y + bias
    elif activation is None:
        y = _linear(x, weight, bias)
    else:
        y = _linear_activation(x, weight, bias, activation=activation)
    return y.squeeze(0) if input.ndim == 1 else y


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Σᵢⱼ input1ᵢ weight[o, i, j] input2ⱼ + bias[o]; weight (out, n, m), inputs (..., n) and (..., m)."""
    lead = input1.shape[:-1]
    if weight.ndim != 3 or (*lead, *weight.shape[1:]) != (*input2.shape[:-1], *input1.shape[-1:], *input2.shape[-1:]):
        raise RuntimeError(
            f"bilinear: input1 {input1.shape}, input2 {input2.shape} and weight {weight.shape} do not belong together"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"bilinear: bias has shape {bias.shape}, expected {weight.shape[:1]}")
    out, n, m = weight.shape
    first = matmul(_rows(input1), weight.permute(1, 0, 2).reshape(n, out * m)).reshape(*lead, out, m)
    y = matmul(first, input2.unsqueeze(-1)).squeeze(-1)
    return y if bias is None else y + bias
