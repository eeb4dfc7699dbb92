"""Shape, layout and dtype: views that share their input's storage where numpy can make one, and copies where not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import backend, dtypes
from ..op import Primitive, primitive
from ..tensor import Tensor, method
from ._axes import kept, normalize_dim, sum_axes

# fmt: off
__all__ = [
    "broadcast_to", "clone", "expand", "expand_as", "flatten", "movedim", "permute", "reshape", "reshape_as",
    "squeeze", "sum_to_size", "t", "transpose", "type_as", "unflatten", "unsqueeze", "view", "view_as",
]
# fmt: on


class _View(Primitive):
    """A primitive whose result shares the storage of its input: in-place writes to one are seen by the other."""

    def __call__(self, x, **attrs):
        result = super().__call__(x, **attrs)
        for y in result if type(result) is tuple else (result,):
            owner = y.data.base
            if owner is not None and (owner is x.data or owner is x.data.base):
                y._versions = x._versions
                y._base = x if x._base is None else x._base
                y._seen = y._base._seen
        return result


def view_op(forward):
    """Decorates the numpy form of an op that makes a view."""
    return _View(forward)


def _sizes(args: tuple) -> tuple[int, ...]:
    """Sizes given as separate numbers or as one sequence."""
    if len(args) == 1 and isinstance(args[0], Sequence):
        args = tuple(args[0])
    return tuple(int(n) for n in args)


# ---- reshape, permute, expand


_RESHAPE_CAN_REFUSE = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


@view_op
def _reshape(k, x, *, shape):
    if x.flags.c_contiguous or x.size == 0:
        return x.reshape(shape)
    try:
        return np.reshape(x, shape, copy=False) if _RESHAPE_CAN_REFUSE else _strided_view(x, shape)
    except ValueError:
        return backend.copied(x).reshape(shape)


def _strided_view(x, shape):
    view = x.view()
    try:
        view.shape = shape
    except AttributeError:
        raise ValueError("needs a copy") from None
    return view


_reshape.backward(x=lambda g, x_shape: _reshape(g, shape=x_shape))


def _infer(shape: tuple[int, ...], x: Tensor, name: str) -> tuple[int, ...]:
    """Replaces the one -1 in a shape by what the number of elements asks for."""
    known = math.prod(n for n in shape if n != -1)
    if any(n < -1 for n in shape) or shape.count(-1) > 1:
        raise RuntimeError(f"{name}: invalid shape {shape}: at most one -1 and no other negative size")
    if -1 in shape and known and x.data.size % known == 0:
        shape = tuple(x.data.size // known if n == -1 else n for n in shape)
    elif -1 in shape or known != x.data.size:
        raise RuntimeError(f"{name}: shape {shape} is invalid for a tensor of shape {x.shape} ({x.data.size} elements)")
    return shape


@method
def reshape(input: Tensor, *shape) -> Tensor:
    """The elements in row-major order under another shape (one size may be -1); a view where the layout allows it."""
    return _reshape(input, shape=_infer(_sizes(shape), input, "reshape"))


@method
def view(input: Tensor, *shape) -> Tensor:
    """As `reshape`, but always over the same memory; or, given a dtype, the same bytes under another of the same size."""
    if len(shape) == 1 and isinstance(shape[0], np.dtype):
        return Tensor(input.data.view(shape[0]))
    y = _reshape(input, shape=_infer(_sizes(shape), input, "view"))
    if y._base is None and y.data.size:
        raise RuntimeError(
            f"view: a tensor of shape {input.shape} with strides {input.stride()} has no view of shape {y.shape}; "
            "use reshape, which copies where it has to"
        )
    return y


@method
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`input.view(other.shape)`."""
    return view(input, other.shape)


@method
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`input.reshape(other.shape)`."""
    return reshape(input, other.shape)


@method
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes start_dim to end_dim (inclusive) become one."""
    first, last = (normalize_dim(d, input.ndim, "flatten") for d in (start_dim, end_dim))
    if first > last:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    shape = input.shape or (1,)
    return _reshape(input, shape=(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@method
def unflatten(input: Tensor, dim: int, sizes) -> Tensor:
    """Axis dim becomes the axes `sizes` (one may be -1)."""
    dim = normalize_dim(dim, input.ndim, "unflatten")
    return (
        reshape(input, (*input.shape[:dim], *sizes, *input.shape[dim + 1 :]))
        if -1 not in sizes
        else reshape(
            input,
            (
                *input.shape[:dim],
                *(input.shape[dim] // -math.prod(sizes) if n == -1 else n for n in sizes),
                *input.shape[dim + 1 :],
            ),
        )
    )


@method
def squeeze(input: Tensor, dim=None) -> Tensor:
    """Without the axes of length 1, or without those of `dim` that have length 1."""
    if dim is None:
        shape = tuple(n for n in input.shape if n != 1)
    else:
        dims = {normalize_dim(d, input.ndim, "squeeze") for d in (dim if isinstance(dim, tuple | list) else (dim,))}
        shape = tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims)
    return _reshape(input, shape=shape)


@method
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new axis of length 1 at position dim."""
    dim = normalize_dim(dim, input.ndim + 1, "unsqueeze")
    return _reshape(input, shape=(*input.shape[:dim], 1, *input.shape[dim:]))


@view_op
def _permute(k, x, *, dims):
    return x.transpose(dims)


_permute.backward(x=lambda g, dims: _permute(g, dims=tuple(np.argsort(dims).tolist())))


@method
def permute(input: Tensor, *dims) -> Tensor:
    """Axes in another order: axis i of the result is axis dims[i] of the input. A view."""
    order = tuple(normalize_dim(d, input.ndim, "permute") for d in _sizes(dims))
    if sorted(order) != list(range(input.ndim)):
        raise RuntimeError(f"permute: {_sizes(dims)} is not an order of the {input.ndim} axes of {input.shape}")
    return _permute(input, dims=order)


@method
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """With axes dim0 and dim1 exchanged. A view."""
    order = list(range(input.ndim))
    i, j = (normalize_dim(d, input.ndim, "transpose") for d in (dim0, dim1))
    if order:
        order[i], order[j] = order[j], order[i]
    return _permute(input, dims=tuple(order))


@method
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix (a vector stays itself)."""
    if input.ndim > 2:
        raise RuntimeError(f"t: expected at most 2 axes, got shape {input.shape}")
    return _permute(input, dims=tuple(range(input.ndim))[::-1])


@method
def movedim(input: Tensor, source, destination) -> Tensor:
    """Axes `source` moved to positions `destination`, the others in their order."""
    pairs = zip(*(x if isinstance(x, tuple | list) else (x,) for x in (destination, source)), strict=True)
    placed = sorted(
        (normalize_dim(d, input.ndim, "movedim"), normalize_dim(s, input.ndim, "movedim")) for d, s in pairs
    )
    order = [i for i in range(input.ndim) if i not in {s for _, s in placed}]
    for d, s in placed:
        order.insert(d, s)
    return _permute(input, dims=tuple(order))


Tensor.T = property(lambda self: _permute(self, dims=tuple(range(self.ndim))[::-1]), doc="Axes in reverse order.")
Tensor.mT = property(lambda self: transpose(self, -2, -1), doc="With the last two axes exchanged.")


@view_op
def _expand(k, x, *, shape):
    return np.broadcast_to(x, shape)


_expand.backward(x=lambda g, x_shape: sum_to_size(g, x_shape))


@method
def expand(input: Tensor, *sizes) -> Tensor:
    """Axes of length 1 stretched to `sizes` (-1 keeps a length), new axes in front. A read-only view."""
    sizes = _sizes(sizes)
    lead = len(sizes) - input.ndim
    if lead < 0:
        raise RuntimeError(f"expand: {sizes} has fewer axes than the tensor's shape {input.shape}")
    shape = tuple(input.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(sizes))
    if any(n != m and m != 1 for n, m in zip(shape[lead:], input.shape, strict=True)) or any(n < 0 for n in shape):
        raise RuntimeError(f"expand: a tensor of shape {input.shape} does not expand to {sizes}")
    return _expand(input, shape=shape)


@method
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`input.expand(other.shape)`."""
    return expand(input, other.shape)


def broadcast_to(input: Tensor, shape) -> Tensor:
    """`input.expand(shape)`."""
    return expand(input, shape)


@primitive
def _sum_to(k, x, *, axes, shape):
    return sum_axes(k, x, axes).reshape(shape)


_sum_to.backward(x=lambda g, x_shape, axes: _expand(_reshape(g, shape=kept(x_shape, axes)), shape=x_shape))


@method
def sum_to_size(input: Tensor, *size) -> Tensor:
    """Sums the axes that broadcasting would have stretched from `size`: the adjoint of expand."""
    shape = _sizes(size)
    if shape == input.shape:
        return input
    lead = input.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(input.shape) if i < lead or (shape[i - lead] == 1 and n != 1))
    if lead < 0 or any(n != input.shape[i + lead] and n != 1 for i, n in enumerate(shape)):
        raise RuntimeError(f"sum_to_size: {shape} does not expand to the tensor's shape {input.shape}")
    return _sum_to(input, axes=axes, shape=shape)


# ---- copies: contiguous, clone, dtype


@primitive
def _copy(k, x):
    return backend.copied(x)


_copy.backward(x=lambda g: g)


@method
def clone(input: Tensor) -> Tensor:
    """A copy with the same history."""
    return _copy(input)


@method
def contiguous(input: Tensor) -> Tensor:
    """The tensor itself where its elements lie in row-major order, else a copy in which they do."""
    return input if input.data.flags.c_contiguous else _copy(input)


@primitive
def _cast(k, x, *, dtype, source):
    with np.errstate(over="ignore", invalid="ignore"):  # float64 beyond float32's range becomes inf, as in C
        return x.astype(dtype)


_cast.backward(x=lambda g, dtype, source: _cast(g, dtype=source, source=dtype))


@method
def to(input: Tensor, *args, dtype=None, device=None, copy: bool = False, non_blocking: bool = False) -> Tensor:
    """In another dtype or on another device: `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`."""
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, str | backend.device) and not isinstance(arg, np.dtype):
            device = arg
        elif isinstance(arg, bool):
            pass  # non_blocking
        else:
            dtype = np.dtype(arg)
    backend.check_device(device, "to: ")
    if dtype is None or input.data.dtype == dtype:
        return _copy(input) if copy else input
    return _cast(input, dtype=np.dtype(dtype), source=input.dtype)


def _caster(name: str, dtype: np.dtype):
    def cast(input: Tensor) -> Tensor:
        return to(input, dtype)

    cast.__name__, cast.__doc__ = name, f"The tensor as {dtype}."
    method(cast)


for _name in ("float", "double", "half", "int", "long", "short", "bool"):
    _caster(_name, getattr(dtypes, _name))


@method
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor with other's dtype."""
    return to(input, other.dtype)


@method
def cpu(input: Tensor) -> Tensor:
    """The tensor on the CPU."""
    return to(input, device="cpu")
