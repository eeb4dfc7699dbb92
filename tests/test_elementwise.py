"""Elementwise functions where numbers end: infinities, NaN, signed zeros, denormal and largest numbers, against numpy."""

import numpy as np
import pytest
from scipy import special

import pydl
from pydl.ops import elementwise

BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power, "maximum": np.maximum,
    "minimum": np.minimum, "atan2": np.arctan2, "fmod": np.fmod, "hypot": np.hypot, "floor_divide": np.floor_divide,
    "remainder": lambda a, b: np.fmod(a, b) + np.where((np.fmod(a, b) != 0) & ((b < 0) != (np.fmod(a, b) < 0)), b, -0.0),
}  # fmt: skip
UNARY = {
    "neg": np.negative, "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh,
    "atan": np.arctan, "atanh": np.arctanh, "erf": special.erf, "erfc": special.erfc, "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / np.sqrt(x), "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)),
}  # fmt: skip


def numbers(dtype) -> np.ndarray:
    info = np.finfo(dtype)
    half = [0.0, 1, 0.5, 2, 1.5, 2.5, np.inf, info.tiny, info.tiny / 8, info.smallest_subnormal, info.max, 1e-20, 1e20]
    half += [1e-8, 3e7, 88.0, 104.0, 710.0, 745.0]
    return np.array([*half, *(-x for x in half), np.nan], dtype)


def agree(got: np.ndarray, want: np.ndarray, inputs) -> None:
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        near = np.abs(got - want) <= 8 * info.eps * np.abs(want) + 2 * info.smallest_subnormal
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | near
    same &= (np.signbit(got) == np.signbit(want)) | (want != 0)
    bad = np.flatnonzero(~same)[:5]
    assert same.all(), [(*(x[i] for x in inputs), got[i], want[i]) for i in bad]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [n for n in elementwise.__all__ if n not in BINARY and n != "clamp"])
def test_unary(name, dtype):
    x = numbers(dtype)
    with np.errstate(all="ignore"):
        want = (UNARY.get(name) or getattr(np, name))(x.astype(np.float64)).astype(dtype)
    agree(getattr(pydl, name)(pydl.from_numpy(x)).data, want, (x,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, dtype):
    a, b = (m.reshape(-1).copy() for m in np.meshgrid(numbers(dtype), numbers(dtype)))
    with np.errstate(all="ignore"):
        want = BINARY[name](a, b)
    agree(getattr(pydl, name)(pydl.from_numpy(a), pydl.from_numpy(b)).data, want, (a, b))


@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_integers_have_no_quotient_by_zero(name):
    with pytest.raises(RuntimeError, match=f"{name}: integer division by zero"):
        getattr(pydl, name)(pydl.tensor([1, 2]), pydl.tensor([1, 0]))
    assert getattr(pydl, name)(pydl.tensor([7, -7]), 2).tolist() == [
        int(v) for v in BINARY[name](np.array([7, -7]), np.array([2, 2]))
    ]
