import numpy as np

import pydl.nn.functional as F
from pydl.testing import Case

SHAPES = [
    ((3, 31), 1),
    ((33, 1), 1),
    ((1, 257), -1),
    ((2, 4099), 1),
    ((5,), 0),
    ((), 0),
    ((0, 3), 1),
    ((3, 0), 1),
    ((257, 3), 0),
    ((2, 33, 5), 1),
    ((2, 7, 19), -2),
    ((3, 4, 5, 6), 1),
    ((40, 10), 1),
]


def softmax(x, dim):
    x = np.atleast_1d(x)
    e = np.exp(x - x.max(dim, keepdims=True, initial=-np.inf))
    return e / e.sum(dim, keepdims=True)


def log_softmax(x, dim):
    x = np.atleast_1d(x)
    if not x.size:
        return x
    z = x - x.max(dim, keepdims=True)
    return z - np.log(np.exp(z).sum(dim, keepdims=True))


def same_shape(function):
    return lambda x, dim: function(x, dim).reshape(x.shape)


def extreme(rng):
    """Rows that would overflow, underflow, or hold infinities; the last three have no finite answer."""
    x = rng.standard_normal((7, 37))
    x[0] *= 1e4
    x[1] += 1e6
    x[2] = -3e38
    x[3, :36] = -np.inf
    x[4, 3] = np.nan
    x[5] = -np.inf
    x[6, 5] = np.inf
    return x


def quiet(function):
    def run(x, dim):
        with np.errstate(invalid="ignore", divide="ignore"):
            return function(x, dim)

    return run


CASES = [
    *(
        Case(
            f"{f.__name__}", lambda x, f=f, dim=dim: f(x, dim), (shape,), lambda x, o=o, dim=dim: same_shape(o)(x, dim)
        )
        for f, o in [(F.softmax, softmax), (F.log_softmax, log_softmax)]
        for shape, dim in SHAPES
    ),
    *(
        Case(f"{f.__name__} extreme", lambda x, f=f: f(x, 1), (extreme,), lambda x, o=o: quiet(o)(x, 1), orders=0)
        for f, o in [(F.softmax, softmax), (F.log_softmax, log_softmax)]
    ),
    *(
        Case(
            f"{f.__name__} extreme columns",
            lambda x, f=f: f(x, 0),
            (lambda rng: extreme(rng).T.copy(),),
            lambda x, o=o: quiet(o)(x, 0),
            orders=0,
        )
        for f, o in [(F.softmax, softmax), (F.log_softmax, log_softmax)]
    ),
    Case("softmin", lambda x: F.softmin(x, 0), ((5, 3),), lambda x: softmax(-x, 0)),
]
