"""Number types: numpy's dtypes under PyTorch's names, and PyTorch's rules for mixing them."""

import builtins
import numbers

import numpy as np

bool = np.dtype(np.bool_)
uint8 = np.dtype(np.uint8)
int8 = np.dtype(np.int8)
int16 = short = np.dtype(np.int16)
int32 = int = np.dtype(np.int32)
int64 = long = np.dtype(np.int64)
float16 = half = np.dtype(np.float16)
float32 = float = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}  # category of a dtype.kind: bool < integer < floating

_default = float32


def get_default_dtype() -> np.dtype:
    """The floating type of new tensors made from Python numbers."""
    return _default


def set_default_dtype(dtype) -> None:
    """Makes float32 or float64 the type of new tensors made from Python numbers."""
    global _default
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: expected a floating type, got {dtype}")
    _default = dtype


def of_number(value) -> np.dtype:
    """The dtype that a Python number becomes on its own: bool, int64 or the default floating type."""
    if isinstance(value, numbers.Integral | np.bool_):
        return bool if isinstance(value, builtins.bool | np.bool_) else int64
    if isinstance(value, numbers.Real):
        return _default
    raise TypeError(f"expected a number or a tensor, got {type(value).__name__}")


def promote(*operands) -> np.dtype:
    """PyTorch's result type of tensors and Python numbers.

    Tensors with axes decide first, then 0-d tensors, then Python numbers; a later group counts only where its category
    (bool < integer < floating) is higher.
    """
    groups: tuple[list, list, list] = ([], [], [])
    for x in operands:
        data = getattr(x, "data", None)
        if isinstance(data, np.ndarray):
            groups[0 if data.ndim else 1].append(data.dtype)
        else:
            groups[2].append(of_number(x))
    result: np.dtype | None = None
    for group in filter(None, groups):
        dtype = _join(group)
        if result is None or _RANK[dtype.kind] > _RANK[result.kind]:
            result = dtype
    assert result is not None
    return result


def _join(group: list) -> np.dtype:
    floating = [d for d in group if d.kind == "f"]  # integers do not widen a floating type
    return max(floating, key=lambda d: d.itemsize) if floating else np.result_type(*group)
