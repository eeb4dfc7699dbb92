"""Rows of a table of vectors, chosen by integers."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..backend import empty
from ..op import primitive
from ..tensor import Tensor

# fmt: off
__all__ = [
    "embedding",
]
# fmt: on


@primitive
def _embedding(k, weight, index, *, padding, zeros, by_frequency):
    y = empty((*index.shape, weight.shape[1]), weight.dtype)
    k.embedding(weight, index, y, padding if zeros else -1)
    return y


@primitive
def _embedding_gradient(k, x, index, *, rows, padding):
    y = empty((rows, x.shape[-1]), x.dtype)
    k.embedding_backward(index, x, y, padding)
    return y


def _weight_gradient(g, index, weight_shape, padding, by_frequency):
    if by_frequency:
        _, inverse, counts = np.unique(index.data, return_inverse=True, return_counts=True)
        g = g / Tensor(counts[inverse.reshape(index.shape)].astype(g.dtype)[..., None])
    return _embedding_gradient(g, index, rows=weight_shape[0], padding=padding)


_embedding.backward(weight=_weight_gradient)
_embedding_gradient.backward(
    x=lambda g, index, padding: _embedding(g, index, padding=padding, zeros=True, by_frequency=False)
)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]: input (*) integers in [0, n), weight (n, c) -> (*, c).

    Row padding_idx gets no gradient. max_norm rescales, in place, the rows in use whose norm_type-norm is larger.
    scale_grad_by_freq divides the gradient of a row by how often it occurs in input. An index out of range is an
    IndexError. Sparse gradients do not exist here.
    """
    if sparse:
        raise NotImplementedError("embedding: sparse gradients are not supported; use sparse=False")
    if not isinstance(input, Tensor) or input.dtype.kind not in "iu":
        raise RuntimeError(f"embedding: input must be a tensor of integers, got {getattr(input, 'dtype', type(input))}")
    if weight.ndim != 2 or weight.dtype.char not in "fd":
        raise RuntimeError(f"embedding: weight must be a floating (n, c), got {weight.dtype} {weight.shape}")
    n = weight.shape[0]
    if padding_idx is not None and not -n <= padding_idx < n:
        raise AssertionError(f"embedding: padding_idx {padding_idx} is not a row of the weight {weight.shape}")
    index = input.to(dtypes.int64)
    if max_norm is not None:
        _renormalize(weight, index.data, max_norm, norm_type)
    padding = -1 if padding_idx is None else padding_idx % n
    return _embedding(weight, index, padding=padding, zeros=False, by_frequency=scale_grad_by_freq)


def _renormalize(weight: Tensor, index: np.ndarray, max_norm: float, norm_type: float) -> None:
    rows = np.unique(index)
    if rows.size and (rows[0] < 0 or rows[-1] >= weight.shape[0]):
        raise IndexError(f"embedding: indices from {rows[0]} to {rows[-1]}, weight has {weight.shape[0]} rows")
    norms = np.linalg.norm(weight.data[rows], norm_type, axis=1)
    large = norms > max_norm
    if large.any():
        weight._open(recorded=False)
        weight.data[rows[large]] *= (max_norm / (norms[large] + 1e-7)).astype(weight.dtype)[:, None]
        weight._close(None)
