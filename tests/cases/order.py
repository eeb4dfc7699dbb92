"""Cases of order.py."""

import numpy as np

import pydl
from pydl.testing import Case


def ties(*shape):
    return lambda rng: rng.integers(0, 4, shape)


def apart(*shape):
    """Numbers in random order, far enough from each other for finite differences."""
    return lambda rng: rng.permutation(int(np.prod(shape))).reshape(shape) * 0.01 - 1.0


def factors(*shape):
    """Some exact zeros among numbers near one."""
    return lambda rng: rng.uniform(0.5, 1.5, shape) * (rng.random(shape) > 0.15)


def _sorted(x, dim=-1, descending=False):
    """By Python's own stable sort."""
    j = np.empty(x.shape, np.int64)
    for row in np.ndindex(np.moveaxis(x, dim, -1).shape[:-1]):
        values = np.moveaxis(x, dim, -1)[row]
        order = sorted(range(len(values)), key=lambda i: -values[i] if descending else values[i])
        np.moveaxis(j, dim, -1)[row] = order
    return np.take_along_axis(x, j, dim), j


SIZES = [((1,), 0), ((31,), 0), ((33, 5), 0), ((5, 33), -1), ((3, 257), 1), ((0, 3), 0), ((2, 3, 4), 1)]
NAN = np.array([2.0, np.nan, -np.inf, 1.0, np.inf, np.nan])

CASES = [
    *(
        Case(
            "sort",
            lambda x, d=d, down=down: pydl.sort(x, d, down),
            (apart(*shape),),
            lambda x, d=d, down=down: _sorted(x, d, down),
            exact=True,
        )
        for shape, d in SIZES
        for down in (False, True)
    ),
    Case("sort", lambda x: pydl.sort(x), ((),), lambda x: (x, np.array(0)), exact=True),
    *(
        Case(
            "sort with ties",
            lambda x, down=down: pydl.sort(x, stable=True, descending=down),
            (ties(4, 33),),
            lambda x, down=down: _sorted(x, -1, down),
            orders=0,
        )
        for down in (False, True)
    ),
    Case("sort", lambda x: pydl.sort(x)[0], (NAN,), lambda x: np.sort(x), orders=0),
    Case("sort", lambda x: pydl.sort(x, descending=True)[0], (NAN,), lambda x: np.sort(x)[::-1], orders=0),
    Case("argsort", lambda x: pydl.argsort(x, 0, True), ((7, 2),), lambda x: _sorted(x, 0, True)[1], orders=0),
    *(
        Case(
            "topk",
            lambda x, k=k, d=d: pydl.topk(x, k, d),
            (apart(*shape),),
            lambda x, k=k, d=d: [np.take(a, range(k), d) for a in _sorted(x, d, True)],
            exact=True,
        )
        for shape, k, d in [((31,), 5, 0), ((4, 9), 9, 1), ((9, 4), 2, 0), ((3, 4), 0, 1), ((2, 3, 5), 1, -2)]
    ),
    Case(
        "topk",
        lambda x: pydl.topk(x, 3, largest=False),
        ((2, 8),),
        lambda x: [a[:, :3] for a in _sorted(x)],
        exact=True,
    ),
    Case("unique", lambda x: pydl.unique(x), (ties(4, 5),), lambda x: np.unique(x), orders=0),
    Case(
        "unique",
        lambda x: pydl.unique(x, return_inverse=True, return_counts=True),
        (ties(4, 5),),
        lambda x: [
            np.unique(x),
            np.searchsorted(np.unique(x), x),
            np.array([(x == v).sum() for v in np.unique(x)]),
        ],
        orders=0,
    ),
    Case("unique", lambda x: pydl.unique(x, dim=0), (ties(9, 1),), lambda x: np.unique(x, axis=0), orders=0),
    *(
        Case("cumsum", lambda x, d=d: pydl.cumsum(x, d), (shape,), lambda x, d=d: np.cumsum(x, d))
        for shape, d in [*SIZES, ((4099,), 0), ((4, 0), 1)]
    ),
    Case("cumsum", lambda x: pydl.cumsum(x, 0), ((),), lambda x: x),
    Case("cumsum", lambda j: pydl.cumsum(j, 1), (ties(3, 4),), lambda j: np.cumsum(j, 1), orders=0),
    Case("cumsum", lambda j: pydl.cumsum(j > 1, 1), (ties(3, 4),), lambda j: np.cumsum(j > 1, 1), orders=0),
    *(
        Case("cumprod", lambda x, d=d: pydl.cumprod(x, d), (spec(*shape),), lambda x, d=d: np.cumprod(x, d))
        for shape, d in [((1,), 0), ((31,), 0), ((9, 5), 0), ((5, 9), -1), ((0, 3), 0), ((2, 3, 4), 1)]
        for spec in (factors, lambda *s: lambda rng: rng.uniform(0.5, 1.5, s))
    ),
    Case("cumprod", lambda j: pydl.cumprod(j, 1), (ties(3, 4),), lambda j: np.cumprod(j, 1), orders=0),
]
