import numpy as np
from scipy.special import logsumexp

import pydl
from pydl.testing import Case

SHAPES = [
    ((3, 4), None),
    ((0,), None),
    ((0, 3), 0),
    ((3, 0), 0),
    ((), None),
    ((1, 1), 1),
    ((4099,), 0),
    ((31, 33), 1),
    ((31, 33), 0),
]
SHAPES += [
    ((257, 3), 0),
    ((2, 33, 5), 1),
    ((3, 4, 5, 6), (0, 2)),
    ((3, 4, 5, 6), (1, -1)),
    ((2, 3, 4), (2, 0, 1)),
    ((40, 1100), 0),
]
FILLED = [(shape, dim) for shape, dim in SHAPES if 0 not in shape]


def zeros_among(*shape):
    """Ones to threes with some zeros: products whose gradient cannot be had by division."""
    return lambda rng: rng.integers(1, 4, shape) * (rng.random(shape) > 0.2) * 1.0


def near_one(*shape):
    return lambda rng: rng.uniform(0.8, 1.2, shape)


def integers(*shape):
    return lambda rng: rng.integers(-3, 4, shape)


def axes(dim):
    return tuple(dim) if isinstance(dim, tuple) else dim


def flat(a, dim):
    """The array with its axes `dim` as the last one."""
    dim = tuple(range(a.ndim)) if dim is None else (dim,) if isinstance(dim, int) else dim
    return np.moveaxis(a, dim, range(-len(dim), 0)).reshape(
        *(n for i, n in enumerate(a.shape) if i not in {d % a.ndim for d in dim}), -1
    )


CASES = [
    *(
        Case("sum", lambda x, d=d: pydl.sum(x, d, keepdim=True), (s,), lambda x, d=d: x.sum(axes(d), keepdims=True))
        for s, d in SHAPES
    ),
    *(Case("mean", lambda x, d=d: pydl.mean(x, d), (s,), lambda x, d=d: x.mean(axes(d))) for s, d in FILLED),
    Case("sum", lambda x: pydl.sum(x, 1), (integers(3, 4),), lambda x: x.sum(1), orders=0),
    Case("sum", lambda x: pydl.sum(x > 0), ((3, 4),), lambda x: (x > 0).sum(), orders=0),
    Case(
        "count_nonzero",
        lambda x: pydl.count_nonzero(x, 1),
        (zeros_among(3, 40),),
        lambda x: np.count_nonzero(x, 1),
        orders=0,
    ),
    Case("prod", lambda x: pydl.prod(x), ((3, 4),), np.prod),
    Case("prod", lambda x: pydl.prod(x, 1, keepdim=True), (zeros_among(5, 7, 3),), lambda x: x.prod(1, keepdims=True)),
    *(
        Case("prod", lambda x: pydl.prod(x, 0), (near_one(n, 2),), lambda x: x.prod(0), orders=2 if n else 0)
        for n in (0, 1, 2, 31, 33, 257)
    ),
    Case("prod", lambda x: pydl.prod(x, 0), (integers(3, 4),), lambda x: x.prod(0), orders=0),
    *(
        Case("logsumexp", lambda x, d=d: pydl.logsumexp(x, d), (s,), lambda x, d=d: logsumexp(x, axes(d)))
        for s, d in FILLED
        if d is not None and s
    ),
    Case(
        "logsumexp",
        lambda x: pydl.logsumexp(x, 1),
        (np.array([[np.inf, 1.0], [-np.inf, 2.0], [-np.inf, -np.inf], [np.nan, 1.0], [900.0, 900.0]]),),
        lambda x: logsumexp(x, 1),
        orders=0,
    ),
    *(
        Case(
            "var",
            lambda x, d=d: pydl.var(x, d, keepdim=True),
            (s,),
            lambda x, d=d: x.var(axes(d), ddof=1, keepdims=True),
        )
        for s, d in FILLED
        if s not in [(), (1, 1)]
    ),
    Case("var", lambda x: pydl.var(x, 1, correction=0), ((3, 4),), lambda x: x.var(1)),
    Case("var", lambda x: pydl.var(x, 1), ((3, 1),), lambda x: np.full(3, np.nan), orders=0, peer=False),
    Case(
        "var_mean", lambda x: pydl.var_mean(x, (0, 2)), ((3, 4, 5),), lambda x: [x.var((0, 2), ddof=1), x.mean((0, 2))]
    ),
    Case("std", lambda x: pydl.std(x, 0), ((6, 5),), lambda x: x.std(0, ddof=1)),
    Case(
        "std",
        lambda x: pydl.std(x, 1),
        (np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]]),),
        lambda x: x.std(1, ddof=1),
        orders=1,
    ),
    Case("std_mean", lambda x: pydl.std_mean(x, 1), ((3, 4),), lambda x: [x.std(1, ddof=1), x.mean(1)]),
    *(
        Case(
            "norm",
            lambda x, p=p: pydl.norm(x, p, 1),
            ((4, 33),),
            lambda x, p=p: np.linalg.norm(x, p, 1),
            orders=0 if p == 0 else 2,
        )
        for p in (2, 1, 0, 3, 0.5, np.inf, -np.inf)
    ),
    Case("norm", lambda x: pydl.norm(x), ((2, 3, 4),), lambda x: np.sqrt(np.sum(x * x))),
    Case(
        "norm",
        lambda x: pydl.norm(x, dim=1),
        (np.array([[0.0, 0.0], [3.0, 4.0]]),),
        lambda x: np.linalg.norm(x, 2, 1),
        orders=1,
    ),
    Case("any", lambda x: pydl.any(x > 1, 1), ((5, 3),), lambda x: (x > 1).any(1), orders=0),
    Case(
        "all",
        lambda x: pydl.all(x > -1, 0, keepdim=True),
        ((3, 5),),
        lambda x: (x > -1).all(0, keepdims=True),
        orders=0,
    ),
    Case("all", lambda x: pydl.all(x), (integers(0),), lambda x: x.all(), orders=0),
]
