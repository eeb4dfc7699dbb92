"""Several tensors as one, one as several, and a tensor's elements repeated, reversed or moved round."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..autograd import Node, edges_of
from ..backend import KERNEL_DTYPES, empty
from ..op import Op, primitive
from ..tensor import Tensor, method
from ._axes import normalize_dim
from .elementwise import broadcast_shapes
from .shape import _permute, _reshape, expand, reshape, view_op
from .subscript import _getitem

# fmt: off
__all__ = [
    "broadcast_tensors", "cat", "chunk", "concat", "concatenate", "dstack", "flip", "fliplr", "flipud", "hstack",
    "meshgrid", "repeat_interleave", "roll", "split", "stack", "tensor_split", "tile", "unbind", "vstack",
]
# fmt: on


# ---- cat and split, each other's derivative


class _Cat(Op):
    """Tensors of one dtype side by side along axis dim; any number of inputs."""

    def __init__(self):
        super().__init__(self.kernel, "cat")

    @staticmethod
    def kernel(k, *arrays, dim):
        shape = arrays[0].shape
        y = empty((*shape[:dim], sum(a.shape[dim] for a in arrays), *shape[dim + 1 :]), arrays[0].dtype)
        if y.dtype in KERNEL_DTYPES:
            k.cat([np.ascontiguousarray(a) for a in arrays], y, max(int(np.prod(shape[:dim], dtype=np.int64)), 1))
        else:
            np.concatenate(arrays, dim, out=y)
        return y

    def _node(self, inputs, attrs, arrays, outputs, saved):
        out = tuple((t.data.shape, t.data.dtype) for t in outputs)
        return Node(self, edges_of(inputs), (None,) * len(inputs), attrs, out, tuple(a.shape for a in arrays))

    def differentiate(self, node, gs, needs):
        dim = node.attrs["dim"]
        ends = list(itertools.accumulate((shape[dim] for shape in node.shapes), initial=0))
        before = (slice(None),) * dim
        return [
            _getitem(gs[0], index=(*before, slice(a, b))) if need else None
            for need, (a, b) in zip(needs, itertools.pairwise(ends), strict=True)
        ]


_cat = _Cat()


@view_op
def _split(k, x, *, sizes, dim):
    before = (slice(None),) * dim
    ends = itertools.accumulate(sizes, initial=0)
    parts = [(*before, slice(a, b)) for a, b in itertools.pairwise(ends)]
    return tuple(x[part] for part in parts)


_split.backward(x=lambda gs, dim: _cat(*gs, dim=dim))


@view_op
def _unbind(k, x, *, dim):
    before = (slice(None),) * dim
    places = [(*before, i, Ellipsis) for i in range(x.shape[dim])]
    return tuple(x[place] for place in places)


_unbind.backward(x=lambda gs, dim: stack(gs, dim))


def _all_tensors(tensors, name: str) -> list[Tensor]:
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError(f"{name}: expected at least one tensor")
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: element {i} is {type(t).__name__}, expected a Tensor")
    dtype = tensors[0].dtype
    if any(t.dtype != dtype for t in tensors):
        dtype = dtypes.promote(*tensors)
        tensors = [t.to(dtype) for t in tensors]
    return tensors


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors side by side along axis dim; they agree in all other axes. Mixed dtypes are promoted.

    An empty vector is passed over, as in PyTorch.
    """
    tensors = _all_tensors(tensors, "cat")
    given = tensors
    tensors = [t for t in given if t.shape != (0,)] or given[:1]
    shape = tensors[0].shape
    if not shape:
        raise RuntimeError("cat: 0-d tensors cannot be joined; use stack")
    dim = normalize_dim(dim, len(shape), "cat")
    for t in tensors:
        if t.ndim != len(shape) or t.shape[:dim] != shape[:dim] or t.shape[dim + 1 :] != shape[dim + 1 :]:
            raise RuntimeError(f"cat: shapes {[t.shape for t in given]} differ outside axis {dim}")
    return _cat(*tensors, dim=dim)


concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a new axis at position dim."""
    tensors = _all_tensors(tensors, "stack")
    shape = tensors[0].shape
    if any(t.shape != shape for t in tensors):
        raise RuntimeError(f"stack: expected tensors of one shape, got {[t.shape for t in tensors]}")
    dim = normalize_dim(dim, len(shape) + 1, "stack")
    return _cat(*(_reshape(t, shape=(*shape[:dim], 1, *shape[dim:])) for t in tensors), dim=dim)


def _at_least(tensors, ndim: int, name: str) -> list[Tensor]:
    """Axes of length 1 added: in front up to two axes, a third one behind."""
    result = []
    for t in _all_tensors(tensors, name):
        if ndim >= 2 and t.ndim < 2:
            t = reshape(t, 1, -1)
        result.append(reshape(t, *t.shape, 1) if ndim == 3 and t.ndim < 3 else t if t.ndim else reshape(t, 1))
    return result


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side: along axis 1, vectors along axis 0."""
    tensors = _at_least(tensors, 1, "hstack")
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """One below the other, along axis 0; vectors count as rows."""
    return cat(_at_least(tensors, 2, "vstack"), 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """One behind the other, along axis 2."""
    return cat(_at_least(tensors, 3, "dstack"), 2)


@method
def split(input: Tensor, split_size_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along axis dim: of one size (the last may be shorter), or of the sizes given. Views."""
    dim = normalize_dim(dim, input.ndim, "split")
    if not input.ndim:
        raise RuntimeError("split: a 0-d tensor cannot be split")
    n = input.shape[dim]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and n):
            raise RuntimeError(f"split: the size of a piece must be positive, got {size}")
        sizes = [min(size, n - i) for i in range(0, n, size)] if n else [0]
    else:
        sizes = [int(s) for s in split_size_or_sections]
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise RuntimeError(f"split: sizes {sizes} do not add up to axis {dim} of {input.shape}")
    return _split(input, sizes=tuple(sizes), dim=dim)


@method
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along axis dim, the last one perhaps shorter. Views."""
    if chunks < 1:
        raise RuntimeError(f"chunk: expected at least 1 chunk, got {chunks}")
    n = input.shape[normalize_dim(dim, input.ndim, "chunk")] if input.ndim else 0
    return split(input, -(-n // chunks), dim) if n else split(input, [0] * chunks, dim)


@method
def tensor_split(input: Tensor, indices_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """`sections` pieces whose sizes differ by at most one, or pieces that start at `indices`. Views."""
    dim = normalize_dim(dim, input.ndim, "tensor_split")
    if not input.ndim:
        raise RuntimeError("tensor_split: a 0-d tensor cannot be split")
    n = input.shape[dim]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1:
            raise RuntimeError(f"tensor_split: expected at least 1 section, got {indices_or_sections}")
        size, longer = divmod(n, indices_or_sections)
        return _split(input, sizes=tuple(size + (i < longer) for i in range(indices_or_sections)), dim=dim)
    ends = [0, *(min(max(i + n if i < 0 else i, 0), n) for i in indices_or_sections), n]
    before = (slice(None),) * dim
    return tuple(_getitem(input, index=(*before, slice(a, b))) for a, b in itertools.pairwise(ends))


@method
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices of axis dim, one by one, without that axis. Views."""
    if not input.ndim:
        raise IndexError("unbind: a 0-d tensor has no axis")
    return _unbind(input, dim=normalize_dim(dim, input.ndim, "unbind"))


# ---- repeated


@method
def repeat(input: Tensor, *sizes) -> Tensor:
    """sizes[i] copies one after the other along axis i; sizes may have more entries than input axes (in front)."""
    sizes = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
    lead = len(sizes) - input.ndim
    if lead < 0 or any(n < 0 for n in sizes):
        raise RuntimeError(f"repeat: sizes {sizes} must be one number >= 0 for each axis of {input.shape}, or more")
    shape = (1,) * lead + input.shape
    apart = _reshape(input, shape=tuple(itertools.chain(*((1, n) for n in shape))))
    stretched = expand(apart, tuple(itertools.chain(*zip(sizes, shape, strict=True))))
    return reshape(stretched, tuple(r * n for r, n in zip(sizes, shape, strict=True)))


@method
def tile(input: Tensor, *dims) -> Tensor:
    """As `repeat`; with fewer entries than axes the leading axes are kept."""
    dims = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], Sequence) else dims
    return repeat(input, (1,) * (input.ndim - len(dims)) + dims)


@method
def repeat_interleave(input: Tensor, repeats, dim: int | None = None) -> Tensor:
    """Each slice of axis dim (each element of the flattened input) `repeats` times in a row, or repeats[i] times."""
    if dim is None:
        input, dim = reshape(input, -1), 0
    dim = normalize_dim(dim, input.ndim, "repeat_interleave")
    counts = np.asarray(repeats.data if isinstance(repeats, Tensor) else repeats)
    n = input.shape[dim]
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or (counts.size not in (1, n)) or (counts < 0).any():
        raise RuntimeError(
            f"repeat_interleave: repeats must be one integer >= 0, or one for each of the {n} slices; got "
            f"{counts.dtype} {counts.shape}"
        )
    return input.index_select(dim, Tensor(np.repeat(np.arange(n), counts)))


# ---- reversed, moved round


@primitive
def _flip(k, x, *, dims):
    y = empty(x.shape, x.dtype)
    np.copyto(y, np.flip(x, dims))
    return y


_flip.backward(x=lambda g, dims: _flip(g, dims=dims))


@method
def flip(input: Tensor, *dims) -> Tensor:
    """With the order of the elements reversed along each of dims. A copy."""
    dims = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], Sequence) else dims
    axes = tuple(normalize_dim(d, input.ndim, "flip") for d in dims)
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"flip: an axis appears twice in {dims}")
    return _flip(input, dims=axes if input.ndim else ())


@method
def fliplr(input: Tensor) -> Tensor:
    """`flip` of axis 1."""
    return flip(input, 1)


@method
def flipud(input: Tensor) -> Tensor:
    """`flip` of axis 0."""
    return flip(input, 0)


@primitive
def _roll(k, x, *, shifts, dims):
    y = empty(x.shape, x.dtype)
    np.copyto(y, np.roll(x, shifts, dims))
    return y


_roll.backward(x=lambda g, shifts, dims: _roll(g, shifts=tuple(-s for s in shifts), dims=dims))


@method
def roll(input: Tensor, shifts, dims=None) -> Tensor:
    """Moved round by shifts along dims: element i comes to i + shift, modulo the length. Without dims: flattened."""
    if dims is None:
        return reshape(_roll(reshape(input, -1), shifts=(int(shifts),), dims=(0,)), input.shape)
    shifts, dims = (tuple(a) if isinstance(a, tuple | list) else (a,) for a in (shifts, dims))
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll: {len(shifts)} shifts for {len(dims)} dims")
    return _roll(input, shifts=shifts, dims=tuple(normalize_dim(d, input.ndim, "roll") for d in dims))


# ---- stretched against each other


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors as views of the one shape to which all of them broadcast."""
    shape: tuple = ()
    for t in tensors:
        shape = broadcast_shapes(shape, t.shape, "broadcast_tensors")
    return tuple(expand(t, shape) for t in tensors)


def meshgrid(*tensors, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Vectors of lengths n, m, ... as views of shape (n, m, ...) that vary along one axis each; "xy" swaps two."""
    vectors = [reshape(t, -1) for t in (tensors[0] if isinstance(tensors[0], tuple | list) else tensors)]
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    shape = tuple(t.numel() for t in vectors)
    grids = tuple(
        expand(reshape(t, (1,) * i + (-1,) + (1,) * (len(shape) - i - 1)), shape) for i, t in enumerate(vectors)
    )
    order = (1, 0, *range(2, len(shape)))
    return tuple(_permute(g, dims=order) for g in grids) if indexing == "xy" and len(shape) > 1 else grids
