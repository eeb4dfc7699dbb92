"""Triangles and diagonals of matrices."""

from __future__ import annotations

import numpy as np

from ..backend import empty
from ..op import primitive
from ..tensor import Tensor, in_place, method
from ._axes import normalize_dim
from .shape import view_op

# fmt: off
__all__ = [
    "diag", "diag_embed", "diagonal", "tril", "tril_indices", "triu", "triu_indices",
]
# fmt: on


@primitive
def _triangle(k, x, *, diagonal, upper):
    """x above and on the given diagonal (or below and on it), zero elsewhere."""
    y = empty(x.shape, x.dtype)
    np.copyto(y, np.triu(x, diagonal) if upper else np.tril(x, diagonal))
    return y


_triangle.backward(x=lambda g, diagonal, upper: _triangle(g, diagonal=diagonal, upper=upper))


def _check_matrix(input: Tensor, name: str) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: expected a matrix or a batch of them, got shape {input.shape}")


@in_place
@method
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """input (..., n, m) with zeros above the diagonal; diagonal 1 is the one above the main one."""
    _check_matrix(input, "tril")
    return _triangle(input, diagonal=int(diagonal), upper=False)


@in_place
@method
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """input (..., n, m) with zeros below the diagonal; diagonal 1 is the one above the main one."""
    _check_matrix(input, "triu")
    return _triangle(input, diagonal=int(diagonal), upper=True)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Positions (2, count) of the lower triangle of a row x col matrix, row by row."""
    return Tensor(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Positions (2, count) of the upper triangle of a row x col matrix, row by row."""
    return Tensor(np.stack(np.triu_indices(row, offset, col)))


def _diagonal_of(x: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    """The diagonal as a view that may be written to where x may."""
    view = np.diagonal(x, offset, dim1, dim2)
    if x.flags.writeable:
        view.flags.writeable = True
    return view


@view_op
def _diagonal(k, x, *, offset, dim1, dim2):
    return _diagonal_of(x, offset, dim1, dim2)


@primitive
def _place_diagonal(k, x, *, offset, dim1, dim2, shape):
    y = empty(shape, x.dtype)
    y.fill(0)
    np.copyto(_diagonal_of(y, offset, dim1, dim2), x)
    return y


_diagonal.backward(
    x=lambda g, x_shape, offset, dim1, dim2: _place_diagonal(g, offset=offset, dim1=dim1, dim2=dim2, shape=x_shape)
)
_place_diagonal.backward(x=lambda g, offset, dim1, dim2: _diagonal(g, offset=offset, dim1=dim1, dim2=dim2))


@method
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements [..., i, i + offset] of axes dim1 and dim2, as a last axis. A view."""
    dim1, dim2 = (normalize_dim(d, input.ndim, "diagonal") for d in (dim1, dim2))
    if dim1 == dim2 or input.ndim < 2:
        raise RuntimeError(f"diagonal: expected two different axes of {input.shape}, got {dim1} and {dim2}")
    return _diagonal(input, offset=offset, dim1=dim1, dim2=dim2)


@method
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a square matrix of zeros; of a matrix, its diagonal as a copy."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag: expected a vector or a matrix, got shape {input.shape}")
    return diag_embed(input, diagonal) if input.ndim == 1 else _diagonal(input, offset=diagonal, dim1=0, dim2=1).clone()


@method
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last axis as the diagonal of matrices of zeros, which lie along dim1 and dim2 of the result."""
    if not input.ndim:
        raise RuntimeError("diag_embed: expected at least one axis, got a 0-d tensor")
    dim1, dim2 = (normalize_dim(d, input.ndim + 1, "diag_embed") for d in (dim1, dim2))
    if dim1 == dim2:
        raise RuntimeError(f"diag_embed: expected two different axes, got {dim1} twice")
    n = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple(n if i in (dim1, dim2) else next(rest) for i in range(input.ndim + 1))
    return _place_diagonal(input, offset=offset, dim1=dim1, dim2=dim2, shape=shape)
