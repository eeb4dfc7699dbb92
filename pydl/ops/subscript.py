"""x[...] and x[...] = value, with numpy's and PyTorch's rules, and what is said in their terms.

Integers, slices, None and Ellipsis make a view. Integer arrays and boolean masks are brought to one index over one axis
(the indexed axes, moved together and flattened), so that reading is index_select and accumulating is its adjoint.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import copied, empty
from ..grad_mode import mode
from ..op import primitive
from ..tensor import Tensor, in_place, method
from ._axes import normalize_dim
from .elementwise import as_tensor
from .shape import _permute, expand, reshape, view_op

# fmt: off
__all__ = [
    "argwhere", "index_put", "masked_select", "narrow", "nonzero", "select",
]
# fmt: on


# ---- basic indexing: a view, and the write to a part


@view_op
def _getitem(k, x, *, index):
    return x[index if Ellipsis in index else (*index, Ellipsis)]  # with an Ellipsis a single element is an array too


@primitive
def _place(k, x, *, index, shape):
    """x at its places in zeros."""
    y = empty(shape, x.dtype)
    y.fill(0)
    y[index] = x
    return y


@primitive(broadcast=True)
def _put_slice(k, x, value, *, index):
    """x with the part at index replaced by value."""
    y = copied(x)
    y[index] = value
    return y


@primitive(broadcast=True)
def _assign(k, x, value, *, index):
    """As _put_slice, in x's own memory."""
    x[index] = value
    return x


_getitem.backward(x=lambda g, x_shape, index: _place(g, index=index, shape=x_shape))
_place.backward(x=lambda g, index: _getitem(g, index=index))
for _put in (_put_slice, _assign):
    _put.backward(
        x=lambda g, index: _put_slice(g, Tensor(np.zeros((), g.dtype)), index=index),
        value=lambda g, index: _getitem(g, index=index),
    )


# ---- reading an index expression


def _array(item, position: int):
    """An index that is no int, slice, None or Ellipsis: as an int64 tensor or a boolean array."""
    data = item.data if isinstance(item, Tensor) else np.array(item)
    if not data.size and not isinstance(item, Tensor | np.ndarray):
        data = data.astype(np.int64)
    if data.dtype.kind == "b":
        return data
    if data.dtype.kind not in "iu" or data.dtype == np.uint8:
        raise IndexError(
            f"index {position} is {data.dtype if data.dtype.kind != 'O' else type(item).__name__}: tensors used as "
            "indices must hold integers or bools"
        )
    return item.to(dtypes.int64) if isinstance(item, Tensor) else Tensor(data.astype(np.int64, copy=False))


def _simple(item, position: int):
    """One entry of an index expression as an int, slice, None, Ellipsis, int64 tensor or boolean array."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        step = 1 if item.step is None else operator.index(item.step)
        if step <= 0:
            raise ValueError(f"index {position}: slice step must be positive, got {step}; use flip() to reverse")
        start, stop = (None if i is None else operator.index(i) for i in (item.start, item.stop))
        return slice(start, stop, step)
    if isinstance(item, bool | np.bool_):
        return np.asarray(item)
    if isinstance(item, int | np.integer):
        return int(item)
    item = _array(item, position)
    return int(item.data) if isinstance(item, Tensor) and not item.ndim else item


def _axes_of(item) -> int:
    """How many axes an entry takes."""
    return 0 if item is None else item.ndim if isinstance(item, np.ndarray) else 1


def parse(x: Tensor, index) -> tuple[tuple, list]:
    """An index expression as its basic part and [(axis after that part, int64 tensor), ...]."""
    if type(index) is int or (type(index) is slice and index.step is None):
        if not x.ndim:
            raise IndexError("too many indices: a 0-d tensor has no axis to index")
        return (index,), []
    entries = [_simple(item, i) for i, item in enumerate(index if isinstance(index, tuple) else (index,))]
    ellipses = sum(e is Ellipsis for e in entries)
    taken = sum(_axes_of(e) for e in entries if e is not Ellipsis)
    if ellipses > 1:
        raise IndexError("an index can have only one Ellipsis ('...')")
    if taken > x.ndim:
        raise IndexError(f"too many indices: {taken} for a tensor of shape {x.shape}")
    basic: list = []
    arrays: list = []
    axis = source = 0  # of the result of the basic part, of x
    for entry in entries:
        if entry is Ellipsis:
            basic.append(entry)
            axis, source = axis + x.ndim - taken, source + x.ndim - taken
        elif entry is None or isinstance(entry, slice):
            basic.append(entry)
            axis, source = axis + 1, source + (entry is not None)
        elif isinstance(entry, int):
            n = x.shape[source]
            if not -n <= entry < n:
                raise IndexError(
                    f"index {entry} is out of range for axis {source} of {x.shape} (expected {-n} to {n - 1})"
                )
            basic.append(entry)
            source += 1
        elif isinstance(entry, Tensor):
            basic.append(slice(None))
            arrays.append((axis, entry))
            axis, source = axis + 1, source + 1
        else:  # a mask; one without axes chooses along a new axis of length 1
            lengths = x.shape[source : source + entry.ndim]
            if entry.shape != lengths:
                raise IndexError(
                    f"a mask of shape {entry.shape} does not match the axes {lengths} of the tensor {x.shape}"
                )
            basic += [slice(None)] * entry.ndim or [None]
            arrays += [(axis + i, Tensor(a)) for i, a in enumerate(np.nonzero(np.atleast_1d(entry)))]
            axis, source = axis + max(entry.ndim, 1), source + entry.ndim
    return tuple(basic), arrays


def _whole(basic: tuple) -> bool:
    return all(e is Ellipsis or (isinstance(e, slice) and e == slice(None)) or e == slice(None, None, 1) for e in basic)


# ---- advanced indexing as one index over one axis


class _Merged:
    """Axes indexed by arrays as one axis `dim` with the index `flat`: `fold` brings x there, `unfold` back."""

    def __init__(self, x: Tensor, arrays: list):
        axes = [axis for axis, _ in arrays]
        try:
            self.places = np.broadcast_shapes(*(a.shape for _, a in arrays))
        except ValueError:
            raise IndexError(
                f"shape mismatch: index tensors of shapes {', '.join(str(a.shape) for _, a in arrays)} do not broadcast"
            ) from None
        self.order: tuple[int, ...] | None
        together = axes == list(range(axes[0], axes[0] + len(axes)))
        self.dim = axes[0] if together else 0
        rest = [i for i in range(x.ndim) if i not in axes]
        order = (*axes, *rest)
        self.order = None if together else order
        self.moved = x.shape if together else tuple(x.shape[i] for i in order)
        self.before, self.after = self.moved[: self.dim], self.moved[self.dim + len(axes) :]
        self.shape = (*self.before, *self.places, *self.after)  # of the indexed part
        self.flat = self._flatten(x, arrays)

    def _flatten(self, x: Tensor, arrays: list) -> Tensor:
        total: Any = None
        for axis, index in arrays:
            a, n = index.data, x.shape[axis]
            if a.size and not (-n <= a.min() and a.max() < n):
                where = np.flatnonzero((a < -n) | (a >= n))[0]
                raise IndexError(
                    f"index {a.flat[where]} at position {where} is out of range for axis {axis} of length {n}"
                    + (f" (expected {-n} to {n - 1})" if n else "")
                )
            if a.size and a.min() < 0:
                index = Tensor(np.where(a < 0, a + n, a))
            total = index if total is None else Tensor(total.data * n + index.data)
        flat = total if total.shape == self.places else expand(total, self.places)
        return reshape(flat, -1)

    def fold(self, x: Tensor) -> Tensor:
        x = x if self.order is None else _permute(x, dims=self.order)
        length = math.prod(self.moved[self.dim : len(self.moved) - len(self.after)])
        return reshape(x, (*self.before, length, *self.after))

    def unfold(self, x: Tensor) -> Tensor:
        x = reshape(x, self.moved)
        return x if self.order is None else _permute(x, dims=tuple(np.argsort(self.order).tolist()))

    def read(self, x: Tensor) -> Tensor:
        from .indexing import _index_select

        return reshape(_index_select(self.fold(x), self.flat, dim=self.dim), self.shape)

    def write(self, x: Tensor, values: Tensor, accumulate: bool) -> Tensor:
        from .indexing import _index_add, _index_copy

        values = expand(_without_leading_ones(values, len(self.shape)), self.shape)
        values = reshape(values, (*self.before, self.flat.numel(), *self.after))
        put = _index_add if accumulate else _index_copy
        return self.unfold(put(self.fold(x), self.flat, values, dim=self.dim))


def _without_leading_ones(values: Tensor, ndim: int) -> Tensor:
    extra = values.ndim - ndim
    return reshape(values, values.shape[extra:]) if extra > 0 and set(values.shape[:extra]) == {1} else values


def getitem(self: Tensor, index) -> Tensor:
    """x[index]: a view for integers, slices, None and Ellipsis; a copy where arrays or masks take part."""
    basic, arrays = parse(self, index)
    if not arrays:
        return _getitem(self, index=basic)
    part = self if _whole(basic) else _getitem(self, index=basic)
    return _Merged(part, arrays).read(part)


def _replaced(x: Tensor, basic: tuple, arrays: list, values: Tensor, accumulate: bool) -> Tensor:
    """x with the part at an index replaced by values, or with values added there."""
    part = x if _whole(basic) else _getitem(x, index=basic)
    if arrays:
        new = _Merged(part, arrays).write(part, values, accumulate)
    else:
        new = expand(_without_leading_ones(values, part.ndim), part.shape)
        new = part + new if accumulate else new
    return new if part is x else _put_slice(x, new, index=basic)


def setitem(self: Tensor, index, value) -> None:
    """x[index] = value in place: value, a number, array or tensor, is cast to x's dtype and broadcast to the part."""
    value = as_tensor(value, self.dtype)
    basic, arrays = parse(self, index)
    recorded = mode.recording and (self._requires_grad or value._requires_grad)
    self._open(recorded)
    part = self.data[basic if Ellipsis in basic else (*basic, Ellipsis)]
    merged = _Merged(Tensor(part), arrays) if arrays else None
    shape = merged.shape if merged else part.shape
    value = _without_leading_ones(value, len(shape))
    lead = len(shape) - value.ndim
    if lead < 0 or any(m not in (1, n) for m, n in zip(value.shape, shape[lead:], strict=True)):
        raise RuntimeError(f"setitem: a value of shape {value.shape} does not broadcast to the indexed part {shape}")
    if recorded:
        source = self._alias()
        if merged:
            self._write(_replaced(source, basic, arrays, value, False))
        else:
            self._close(_assign(source, value, index=basic))
        return
    if merged:
        where: list = [slice(None)] * part.ndim
        for axis, a in arrays:
            where[axis] = a.data
        part[tuple(where)] = value.data
    else:
        part[...] = value.data
    self._close(None)


Tensor.__getitem__, Tensor.__setitem__ = getitem, setitem


def _filled(name: str, meaning: str, value: Callable) -> None:
    def write(self: Tensor, *args, **kwargs) -> Tensor:
        setitem(self, Ellipsis, value(*args, **kwargs))
        return self

    write.__name__, write.__doc__ = name, meaning
    method(write)


_filled("copy_", "Becomes src in place, cast and broadcast.", lambda src, non_blocking=False: src)
_filled("fill_", "Becomes value (a number or 0-d tensor) everywhere, in place.", lambda value: value)
_filled("zero_", "Becomes 0 everywhere, in place.", lambda: 0)


@in_place
@method
def index_put(input: Tensor, indices: tuple, values: Tensor, accumulate: bool = False) -> Tensor:
    """input with input[indices] = values, or += with accumulate (then an index may come several times).

    indices: a tuple with an integer or bool tensor for each axis, None for a whole axis; values broadcasts to the part.
    """
    if not isinstance(values, Tensor) or values.dtype != input.dtype:
        raise RuntimeError(
            f"index_put: values must be a tensor of {input.dtype}, got {getattr(values, 'dtype', values)}"
        )
    index = tuple(slice(None) if i is None else i for i in indices)
    return _replaced(input, *parse(input, index), values, accumulate)


# ---- in terms of these


@method
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Slice `index` of axis dim, without that axis. A view."""
    dim = normalize_dim(dim, input.ndim, "select")
    return input[(slice(None),) * dim + (operator.index(index),)]


@method
def narrow(input: Tensor, dim: int, start, length: int) -> Tensor:
    """Elements start to start + length of axis dim. A view."""
    dim, start = normalize_dim(dim, input.ndim, "narrow"), int(start)
    n = input.shape[dim] if input.ndim else 0
    if not -n <= start <= n or length < 0 or (start % max(n, 1) + length > n and (start != n or length)):
        raise RuntimeError(f"narrow: start {start} and length {length} leave axis {dim} of {input.shape}")
    start = start + n if start < 0 else start
    return _getitem(input, index=(slice(None),) * dim + (slice(start, start + length),))


@method
def nonzero(input: Tensor, *, as_tuple: bool = False):
    """Positions of the elements that are not zero: (count, axes) int64, or with as_tuple one tensor an axis."""
    if as_tuple:
        return tuple(Tensor(a) for a in np.nonzero(np.atleast_1d(input.data)))
    return argwhere(input)


@method
def argwhere(input: Tensor) -> Tensor:
    """Positions of the elements that are not zero, (count, axes) int64."""
    return Tensor(np.ascontiguousarray(np.argwhere(input.data), np.int64))


@method
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where mask (bool) is true, as a vector; input and mask broadcast."""
    if mask.dtype != dtypes.bool:
        raise RuntimeError(f"masked_select: mask must be a bool tensor, got {mask.dtype}")
    shape = np.broadcast_shapes(input.shape, mask.shape)
    return reshape(expand(input, shape), -1)[reshape(expand(mask, shape), -1)]


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at position tensor[...] of a new last axis of num_classes (the largest + 1 by default), else 0; int64."""
    index = tensor.data
    if index.dtype.kind not in "iu":
        raise RuntimeError(f"one_hot: expected class indices (integers), got {index.dtype}")
    if num_classes < 1 and not index.size:
        raise RuntimeError("one_hot: num_classes must be given for an empty tensor")
    n = int(index.max()) + 1 if num_classes == -1 else num_classes
    if index.size and (index.min() < 0 or index.max() >= n):
        raise RuntimeError(
            f"one_hot: classes from {index.min()} to {index.max()} do not fit into {n} classes (0 to {n - 1})"
        )
    y = np.zeros((index.size, n), np.int64)
    y[np.arange(index.size), index.reshape(-1)] = 1
    return Tensor(y.reshape(*index.shape, n))
