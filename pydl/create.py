"""New tensors: from data, constant, ranges."""

from __future__ import annotations

import numpy as np

from . import backend, dtypes
from .tensor import Tensor

# fmt: off
__all__ = [
    "arange", "as_tensor", "empty", "empty_like", "eye", "from_dlpack", "from_numpy", "full", "full_like",
    "is_tensor", "linspace", "ones", "ones_like", "tensor", "zeros", "zeros_like",
]
# fmt: on


def _finish(array: np.ndarray, device, requires_grad: bool) -> Tensor:
    backend.check_device(device)
    return Tensor(array).requires_grad_(requires_grad) if requires_grad else Tensor(array)


def _numbers(data, dtype) -> np.ndarray:
    """data as an array in this machine's byte order; Python numbers get PyTorch's default types."""
    if isinstance(data, Tensor):
        array = data.data
    elif isinstance(data, np.ndarray | np.generic):
        array = np.asarray(data)
    else:
        try:
            array = np.array(_plain(data))
        except ValueError as error:
            raise ValueError(f"tensor: the nested sequences have different lengths ({error})") from None
        if dtype is None and array.dtype.kind == "f" and not _holds_arrays(data):
            array = array.astype(dtypes.get_default_dtype())
    if array.dtype.kind not in "biuf":
        raise TypeError(f"tensor: can't make a tensor from {type(data).__name__} with elements of type {array.dtype}")
    return np.asarray(array, dtype or array.dtype.newbyteorder("="))


def _plain(data):
    """Nested sequences with their tensors as arrays."""
    if isinstance(data, Tensor):
        return data.data
    return [_plain(x) for x in data] if isinstance(data, list | tuple) else data


def _holds_arrays(data) -> bool:
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.generic | Tensor)


def tensor(data, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested sequences, an array or a tensor.

    Python floats become the default dtype (float32), integers int64; arrays keep their dtype.
    """
    return _finish(np.array(_numbers(data, dtype), order="C"), device, requires_grad)


def as_tensor(data, dtype=None, device=None) -> Tensor:
    """`data` as a tensor, without a copy where it is a tensor or array of that dtype already."""
    if isinstance(data, Tensor):
        return data.to(dtype) if dtype is not None else data
    return _finish(_numbers(data, dtype), device, False)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor over `array`'s own memory: writing to one changes the other."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy array, got {type(array).__name__}")
    if array.dtype.kind not in "biuf" or not array.dtype.isnative:
        raise TypeError(
            f"from_numpy: arrays of {array.dtype} cannot be shared; supported are native bool, int and float types"
        )
    return Tensor(array)


def from_dlpack(source) -> Tensor:
    """A tensor over the memory of any array that speaks DLPack (numpy, PyTorch, JAX, CuPy)."""
    return from_numpy(np.from_dlpack(source))


def _shape(sizes: tuple) -> tuple[int, ...]:
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = tuple(sizes[0])
    if any(n < 0 for n in sizes):
        raise RuntimeError(f"sizes must not be negative, got {tuple(sizes)}")
    return tuple(int(n) for n in sizes)


def empty(*size, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor with undefined contents."""
    return _finish(backend.empty(_shape(size), np.dtype(dtype or dtypes.get_default_dtype())), device, requires_grad)


def full(size, fill_value, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor with fill_value everywhere; its dtype is that of the value unless given."""
    array = backend.empty(_shape((size,)), np.dtype(dtype or dtypes.of_number(fill_value)))
    array.fill(fill_value)
    return _finish(array, device, requires_grad)


def zeros(*size, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros."""
    return full(_shape(size), 0, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


def ones(*size, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    return full(_shape(size), 1, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype=None, requires_grad: bool = False) -> Tensor:
    """A tensor of input's shape (and dtype unless given) with undefined contents."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def zeros_like(input: Tensor, *, dtype=None, requires_grad: bool = False) -> Tensor:
    """Zeros in input's shape, and its dtype unless given."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype=None, requires_grad: bool = False) -> Tensor:
    """Ones in input's shape, and its dtype unless given."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value, *, dtype=None, requires_grad: bool = False) -> Tensor:
    """fill_value in input's shape, and its dtype unless given."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """start, start + step, ... below end; `arange(end)` starts at 0. Integers give int64."""
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(f"arange: end {end} cannot be reached from start {start} with step {step}")
    if dtype is None:
        dtype = dtypes.promote(start, end, step)
    return _finish(np.arange(start, end, step).astype(dtype), device, requires_grad)


def linspace(start, end, steps: int, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """`steps` numbers at equal distances from start to end, both included."""
    return _finish(np.linspace(start, end, steps, dtype=dtype or dtypes.get_default_dtype()), device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """The n x n (or n x m) matrix with ones on its diagonal."""
    return _finish(np.eye(n, m, dtype=dtype or dtypes.get_default_dtype()), device, requires_grad)


def is_tensor(x) -> bool:
    """Whether x is a Tensor."""
    return isinstance(x, Tensor)
