"""Elements along an axis by an index tensor. Reading and accumulating are each other's derivative, to any order.

Indices are integers in [0, length of the axis); anything else is an IndexError. Where an index comes twice, sums are
taken in the order of the index, so they do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..backend import KERNEL_DTYPES, copied, empty
from ..op import primitive
from ..tensor import Tensor, in_place, method
from ._axes import normalize_dim
from .elementwise import as_tensor
from .shape import broadcast_to, reshape
from .subscript import _getitem

# fmt: off
__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_select", "scatter", "scatter_add", "take",
    "take_along_dim",
]
# fmt: on

_SET, _ADD, _MULTIPLY = range(3)


def _native(a: np.ndarray) -> np.ndarray:
    """`a` in a dtype that the kernels take and that holds its values (those of uint64 modulo 2^64)."""
    if a.dtype in KERNEL_DTYPES:
        return a
    small = a.dtype.itemsize <= 2
    return a.astype((np.float32 if small else np.float64) if a.dtype.kind == "f" else np.int32 if small else np.int64)


def _folded(a: np.ndarray, dim: int) -> np.ndarray:
    """`a` as (outer, axis dim, inner)."""
    n = a.shape[dim] if a.ndim else 1
    return a.reshape(math.prod(a.shape[:dim]), n, math.prod(a.shape[dim + 1 :]))


# ---- one index for all rows: index_select and its adjoint


@primitive
def _index_select(k, x, index, *, dim):
    source = _native(x)
    y = empty((*x.shape[:dim], index.size, *x.shape[dim + 1 :]), source.dtype)
    k.index_select(_folded(source, dim), index, _folded(y, dim))
    return y.astype(x.dtype, copy=False)


@primitive
def _index_sum(k, x, index, *, dim, length):
    source = _native(x)
    y = empty((*x.shape[:dim], length, *x.shape[dim + 1 :]), source.dtype)
    y.fill(0)
    k.index_write(index, _folded(source, dim), _folded(y, dim), True)
    return y.astype(x.dtype, copy=False)


def _index_write(k, x, index, source, dim, add):
    y = copied(_native(x))
    source = _native(source)
    k.index_write(index, _folded(source, dim) if source.ndim else source.reshape(1, 1, 1), _folded(y, dim), add)
    return y.astype(x.dtype, copy=False)


@primitive
def _index_add(k, x, index, source, *, dim):
    return _index_write(k, x, index, source, dim, True)


@primitive
def _index_copy(k, x, index, source, *, dim):
    return _index_write(k, x, index, source, dim, False)


def _zero(g: Tensor) -> Tensor:
    return Tensor(np.zeros((), g.dtype))


_index_select.backward(x=lambda g, index, x_shape, dim: _index_sum(g, index, dim=dim, length=x_shape[dim]))
_index_sum.backward(x=lambda g, index, dim: _index_select(g, index, dim=dim))
_index_add.backward(x=lambda g: g, source=lambda g, index, dim: _index_select(g, index, dim=dim))
_index_copy.backward(
    x=lambda g, index, dim: _index_copy(g, index, _zero(g), dim=dim),
    source=lambda g, index, dim, source_shape: (
        _index_select(g, index, dim=dim) if source_shape else _index_select(g, index, dim=dim).sum()
    ),
)


def _index(index, name: str) -> Tensor:
    """An integer index tensor as int64."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}: index must be a Tensor, got {type(index).__name__}")
    if index.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: index must hold integers, got {index.dtype}")
    return index.to(dtypes.int64)


def _row_index(input: Tensor, dim: int, index, name: str) -> tuple[int, Tensor]:
    index = _index(index, name)
    if index.ndim > 1:
        raise IndexError(f"{name}: index must have at most one axis, got shape {index.shape}")
    return normalize_dim(dim, input.ndim, name), index


def _rows(input: Tensor, dim: int, index: Tensor, source: Tensor, name: str) -> Tensor:
    """source, which must have input's shape with the length of the index at dim."""
    if not isinstance(source, Tensor) or source.dtype != input.dtype:
        raise RuntimeError(f"{name}: source must be a tensor of {input.dtype}, got {getattr(source, 'dtype', source)}")
    expected = (*input.shape[:dim], index.numel(), *input.shape[dim + 1 :]) if input.ndim else ()
    if source.shape != expected:
        raise RuntimeError(
            f"{name}: source has shape {source.shape}, expected {expected} (input {input.shape}, axis {dim})"
        )
    return source


@method
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices index (m,) of axis dim: y[..., j, ...] = input[..., index[j], ...]."""
    dim, index = _row_index(input, dim, index, "index_select")
    if not input.ndim:
        return reshape(_index_select(reshape(input, 1), index, dim=0), () if index.numel() == 1 else (index.numel(),))
    return _index_select(input, index, dim=dim)


@in_place
@method
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha=1) -> Tensor:
    """input with alpha · source[..., j, ...] added to slice index[j] of axis dim; an index may come several times."""
    dim, index = _row_index(input, dim, index, "index_add")
    source = _rows(input, dim, index, source, "index_add")
    return _index_add(input, index, source if alpha == 1 else source * alpha, dim=dim)


@in_place
@method
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with slice index[j] of axis dim replaced by source[..., j, ...]; of a repeated index the last one stays."""
    dim, index = _row_index(input, dim, index, "index_copy")
    return _index_copy(input, index, _rows(input, dim, index, source, "index_copy"), dim=dim)


@in_place
@method
def index_fill(input: Tensor, dim: int, index: Tensor, value) -> Tensor:
    """input with the slices index of axis dim filled with value, a number or 0-d tensor."""
    dim, index = _row_index(input, dim, index, "index_fill")
    value = as_tensor(value, input.dtype)
    if value.ndim:
        raise RuntimeError(f"index_fill: value must be a number or a 0-d tensor, got shape {value.shape}")
    return _index_copy(input, index, value, dim=dim)


# ---- an index for each element: gather and its adjoint


@primitive
def _gather(k, x, index, *, dim):
    source = _native(x)
    y = empty(index.shape, source.dtype)
    k.gather(_folded(source, dim), _folded(index, dim), _folded(y, dim))
    return y.astype(x.dtype, copy=False)


@primitive
def _scatter_sum(k, x, index, *, dim, length):
    source = _native(x)
    y = empty((*x.shape[:dim], length, *x.shape[dim + 1 :]) if x.ndim else (), source.dtype)
    y.fill(0)
    k.scatter(_folded(index, dim), _folded(source, dim), _folded(y, dim), _ADD)
    return y.astype(x.dtype, copy=False)


def _scatter_into(k, x, index, source, dim, mode):
    y = copied(_native(x))
    source = _native(source)
    k.scatter(_folded(index, dim), _folded(source, dim) if source.ndim else source, _folded(y, dim), mode)
    return y.astype(x.dtype, copy=False)


@primitive
def _scatter_add(k, x, index, source, *, dim):
    return _scatter_into(k, x, index, source, dim, _ADD)


@primitive
def _scatter(k, x, index, source, *, dim):
    return _scatter_into(k, x, index, source, dim, _SET)


@primitive
def _scatter_multiply(k, x, index, source, *, dim):
    return _scatter_into(k, x, index, source, dim, _MULTIPLY)


def _gathered(g, index, dim, source_shape):
    gathered = _gather(g, index, dim=dim)
    return gathered if source_shape == gathered.shape else gathered.sum()


_gather.backward(
    x=lambda g, index, x_shape, dim: _scatter_sum(g, index, dim=dim, length=x_shape[dim] if x_shape else 1)
)
_scatter_sum.backward(x=lambda g, index, dim: _gather(g, index, dim=dim))
_scatter_add.backward(x=lambda g: g, source=_gathered)
_scatter.backward(x=lambda g, index, dim: _scatter(g, index, _zero(g), dim=dim), source=_gathered)


def _element_index(input: Tensor, dim: int, index, name: str) -> tuple[int, Tensor]:
    index = _index(index, name)
    dim = normalize_dim(dim, input.ndim, name)
    if index.numel() and max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError(f"{name}: index {index.shape} must have as many axes as the input {input.shape}")
    return dim, index


def _corner(x: Tensor, shape: tuple, skip: int | None, name: str) -> Tensor:
    """The first `shape` elements along each axis but `skip`, as a view."""
    if x.ndim != len(shape):
        x = reshape(x, (1,) if shape else ())
    if any(m > n for i, (m, n) in enumerate(zip(shape, x.shape, strict=True)) if i != skip):
        raise RuntimeError(
            f"{name}: index {shape} must not be longer than {x.shape} on any axis"
            + ("" if skip is None else f" but {skip}")
        )
    cut = tuple(slice(None) if i == skip else slice(m) for i, m in enumerate(shape))
    whole = all(i == skip or m == n for i, (m, n) in enumerate(zip(shape, x.shape, strict=True)))
    return x if whole else _getitem(x, index=cut)


@method
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """y[i, j, k] = input[i, index[i, j, k], k] for dim 1; index has as many axes as input, y has its shape."""
    dim, index = _element_index(input, dim, index, "gather")
    if not index.numel():
        return reshape(reshape(input, -1)[:0], index.shape)
    return _gather(_corner(input, index.shape, dim, "gather"), index, dim=dim)


def _scattered(op: Callable, name: str, input: Tensor, dim: int, index: Tensor, src) -> Tensor:
    dim, index = _element_index(input, dim, index, name)
    if not index.numel():
        return input.clone()
    if isinstance(src, Tensor) and src.dtype != input.dtype:
        raise RuntimeError(f"{name}: src is {src.dtype}, expected the input's dtype {input.dtype}")
    src = as_tensor(src, input.dtype)
    if src.ndim or index.shape == src.shape:
        src = _corner(src, index.shape, None, name)
    region = _corner(input, index.shape, dim, name)
    y = op(region, index, src, dim=dim)
    if region is input or region.shape == input.shape:
        return y if y.shape == input.shape else reshape(y, input.shape)
    from .subscript import _put_slice

    cut = tuple(slice(None) if i == dim else slice(m) for i, m in enumerate(index.shape))
    return _put_slice(input, y, index=cut)


@in_place
@method
def scatter(input: Tensor, dim: int, index: Tensor, src=None, *, value=None, reduce: str | None = None) -> Tensor:
    """input with [i, index[i, j, k], k] = src[i, j, k] for dim 1, and so on; src is a tensor or a number.

    reduce "add" or "multiply" combines with what is there (multiply is not differentiable). Of a repeated index the
    last one stays.
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: exactly one of src and value must be given")
    ops = {None: _scatter, "add": _scatter_add, "multiply": _scatter_multiply}
    if reduce not in ops:
        raise RuntimeError(f"scatter: reduce must be None, 'add' or 'multiply', got {reduce!r}")
    return _scattered(ops[reduce], "scatter", input, dim, index, value if src is None else src)


@in_place
@method
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src[i, j, k] added to [i, index[i, j, k], k] for dim 1, and so on; an index may come several times."""
    return _scattered(_scatter_add, "scatter_add", input, dim, index, src)


# ---- in terms of these


@method
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened input at index, in index's shape; negative indices count from the end."""
    return reshape(input, -1)[_index(index, "take")]


@method
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` whose input and indices broadcast against each other outside dim; without dim both are flattened."""
    indices = _index(indices, "take_along_dim")
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    dim = normalize_dim(dim, input.ndim, "take_along_dim")
    if indices.ndim != input.ndim:
        raise RuntimeError(f"take_along_dim: indices {indices.shape} must have as many axes as the input {input.shape}")
    shape = np.broadcast_shapes(*((*t.shape[:dim], 1, *t.shape[dim + 1 :]) for t in (input, indices)))
    input, indices = (broadcast_to(t, (*shape[:dim], t.shape[dim], *shape[dim + 1 :])) for t in (input, indices))
    return gather(input, dim, indices)
