"""Cases of compare.py."""

import numpy as np

import pydl
from pydl.testing import Case

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40])
PAIRS = (SPECIAL[:, None], SPECIAL[None, :])
INTEGERS = (np.arange(-3, 4)[:, None], np.arange(-2, 3)[None, :])
BOOLS = (np.array([[True], [False]]), np.array([True, False, True]))


def rounded(*shape):
    """Numbers of which many are equal."""
    return lambda rng: rng.integers(-2, 3, shape).astype(np.float64)


def mask(*shape):
    return lambda rng: rng.random(shape) > 0.5


COMPARISONS = {
    "eq": (pydl.eq, np.equal), "ne": (pydl.ne, np.not_equal), "lt": (pydl.lt, np.less), "le": (pydl.le, np.less_equal),
    "gt": (pydl.gt, np.greater), "ge": (pydl.ge, np.greater_equal),
}  # fmt: skip

CASES = [
    *(
        Case(name, function, inputs, oracle, orders=0)
        for name, (function, oracle) in COMPARISONS.items()
        for inputs in [
            PAIRS, INTEGERS, BOOLS, (rounded(4099), rounded(4099)), (rounded(31, 33), rounded(33)), (rounded(0), rounded(1)),
            (rounded(3, 1, 5), rounded(4, 1)), ((), ()),
        ]
    ),
    *(
        Case(f"{name} with a number", lambda x, f=function: f(x, 1.0), (rounded(33),), lambda x, f=oracle: f(x, 1.0), orders=0)
        for name, (function, oracle) in COMPARISONS.items()
    ),
    *(
        Case(name, getattr(pydl, name), inputs, getattr(np, name), orders=0)
        for name in ("logical_and", "logical_or", "logical_xor")
        for inputs in [BOOLS, INTEGERS, PAIRS]
    ),
    *(Case("logical_not", pydl.logical_not, (x,), np.logical_not, orders=0) for x in (BOOLS[0], INTEGERS[0], SPECIAL)),
    *(
        Case(name, getattr(pydl, name), inputs, getattr(np, name), orders=0)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
        for inputs in [BOOLS, INTEGERS]
    ),
    *(Case("bitwise_not", pydl.bitwise_not, (x,), np.bitwise_not, orders=0) for x in (BOOLS[0], INTEGERS[0])),
    *(Case(name, getattr(pydl, name), (SPECIAL,), getattr(np, name), orders=0) for name in ("isnan", "isinf", "isfinite")),
    *(
        Case("where", pydl.where, inputs, np.where)
        for inputs in [
            (mask(4, 5), (4, 5), (4, 5)), (mask(4, 1), (5,), (4, 5)), (mask(257), (257,), ()), (mask(0), (0,), (0,)),
            (mask(3, 1, 2), (4, 1), (1,)), (mask(4099), (4099,), (4099,)),
        ]
    ),
    Case("where with a number", lambda c, x: pydl.where(c, x, 0.5), (mask(31), (31,)), lambda c, x: np.where(c, x, 0.5)),
    Case("where of integers", pydl.where, (mask(5), np.arange(5), -np.arange(5)), np.where, orders=0),
    *(
        Case("masked_fill", lambda x, m: pydl.masked_fill(x, m, -2.0), inputs, lambda x, m: np.where(m, -2.0, x))
        for inputs in [((4, 5), mask(4, 5)), ((4, 5), mask(5)), ((4, 5), mask(4, 1)), ((), mask()), ((0, 2), mask(2))]
    ),
    Case("masked_fill by a tensor", lambda x, m, v: x.masked_fill(m, v), ((4, 5), mask(4, 5), ()),
         lambda x, m, v: np.where(m, v, x)),
    Case("masked_fill with -inf", lambda x, m: x.masked_fill(m, -np.inf).exp(), ((4, 5), mask(5)),
         lambda x, m: np.where(m, 0, np.exp(x))),
]  # fmt: skip
