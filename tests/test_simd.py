"""The vector functions of csrc: within their bounds of accuracy, and the same wherever an element lies."""

import math

import numpy as np
import pytest
from scipy import special

from pydl import backend

# name: truth in a wider type, range, bound in ulp
FUNCTIONS = {
    "exp": (np.exp, (-110, 90), 2),
    "exp2": (np.exp2, (-155, 128), 2),
    "expm1": (np.expm1, (-110, 90), 2),
    "log": (np.log, (0, 1e38), 2),
    "log2": (np.log2, (0, 1e38), 2),
    "log1p": (np.log1p, (-1, 1e38), 2),
    "tanh": (np.tanh, (-20, 20), 3),
    "erf": (special.erf, (-6, 6), 2),
    "erfc": (special.erfc, (-6, 12), 8),
    "sin": (np.sin, (-1e6, 1e6), 3),
    "cos": (np.cos, (-1e6, 1e6), 3),
    "sqrt": (np.sqrt, (0, 1e38), 1),
}


def run(name, x):
    y = np.empty_like(x)
    getattr(backend.cpu, name)(x, y, 0.0, 0.0)
    return y


def numbers(low, high, n=50_000):
    """Over the whole range, near 0 and 1, and of every magnitude down to denormal ones."""
    rng = np.random.default_rng(0)
    tiny = np.exp(rng.uniform(-103, np.log(high), n)) * rng.choice([-1, 1], n)
    near = np.concatenate([rng.uniform(-3, 3, n), rng.uniform(-1e-3, 1e-3, n), 1 + rng.uniform(-1e-3, 1e-3, n)])
    x = np.concatenate([rng.uniform(low, high, n), tiny, near])
    return x[(x >= low) & (x <= high)]


def ulps(y, truth):
    """Distance from the truth (of a wider type) in units of the last place of y's type."""
    rounded = truth.astype(y.dtype)
    with np.errstate(invalid="ignore"):
        distance = np.abs(y.astype(truth.dtype) - truth) / np.spacing(np.abs(rounded)).astype(truth.dtype)
    return np.where((y == rounded) | (np.isnan(y) & np.isnan(rounded)), 0, distance)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_within_bound(name):
    truth, (low, high), bound = FUNCTIONS[name]
    x = numbers(low, high).astype(np.float32)
    with np.errstate(all="ignore"):
        assert ulps(run(name, x), truth(x.astype(np.float64))).max() <= bound


WIDE = np.finfo(np.longdouble).nmant > 60  # x87: a wider type than float64


@pytest.mark.skipif(not WIDE, reason="long double is not wider than double here")
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if not n.startswith("erf")])
def test_float64_within_bound(name):
    truth, (low, high), bound = FUNCTIONS[name]
    scale = 6.8 if name in ("exp", "exp2", "expm1") else 1.0
    x = numbers(low * scale, high * scale)
    with np.errstate(all="ignore"):
        assert ulps(run(name, x), truth(x.astype(np.longdouble))).max() <= bound


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_float64_error_functions(name):
    """Against the C library, whose own error is below an ulp."""
    x = numbers(-6.0, 27.0, 5000)
    assert ulps(run(name, x), np.array([getattr(math, name)(t) for t in x])).max() <= FUNCTIONS[name][2] + 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*FUNCTIONS, "sigmoid", "gelu", "silu", "softplus", "floor", "rsqrt", "tan"])
def test_an_element_does_not_depend_on_its_place(name, dtype):
    x = np.random.default_rng(1).normal(0, 3, 300).astype(dtype)
    x[7], x[100] = np.inf, 3e7  # beyond what sin and cos reduce by themselves
    whole = run(name, x)
    for first in (0, 1, 5, 16):
        for n in (1, 2, 3, 15, 16, 17, 33, 70):
            assert run(name, x[first : first + n].copy()).tobytes() == whole[first : first + n].tobytes()
    assert run(name, np.repeat(x, 2)[::2]).tobytes() == whole.tobytes()


def test_pow_within_bound():
    rng = np.random.default_rng(2)
    a, b = np.exp(rng.uniform(-60, 60, 100_000)).astype(np.float32), rng.uniform(-2, 2, 100_000).astype(np.float32)
    y = np.empty_like(a)
    backend.cpu.pow(a, b, y)
    with np.errstate(all="ignore"):
        assert ulps(y, np.power(a.astype(np.float64), b.astype(np.float64))).max() <= 1
