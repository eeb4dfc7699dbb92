import math

import numpy as np

import pydl
import pydl.nn.functional as F
from pydl.testing import Case


def _product(a, b):
    """By the definition, a sum over k of outer products, with numpy's broadcasting and its rules for vectors."""
    row, column = a.ndim == 1, b.ndim == 1
    a, b = a[None] if row else a, b[:, None] if column else b
    y = sum((a[..., :, i, None] * b[..., None, i, :] for i in range(a.shape[-1])), np.zeros((), a.dtype))
    y = y + np.zeros((*y.shape[:-2], a.shape[-2], b.shape[-1]), a.dtype) if a.shape[-1] else _zeros(a, b)
    y = y[..., 0] if column else y
    return y[..., 0] if row and column else y[..., 0, :] if row else y


def _zeros(a, b):
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return np.zeros((*batch, a.shape[-2], b.shape[-1]), a.dtype)


def _affine(x, w, b=None):
    return _product(x, w.T) + (0 if b is None else b)


def _gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / math.sqrt(2)))


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": _gelu,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}

SHAPES = [
    ((1, 1), (1, 1)), ((31, 33), (33, 65)), ((14, 257), (257, 32)), ((3, 40), (40, 129)), ((100, 7), (7, 2)),
    ((257, 5), (5, 1)), ((1, 400), (400, 31)), ((0, 3), (3, 4)), ((3, 4), (4, 0)), ((3, 0), (0, 4)),
    ((5,), (5,)), ((5,), (5, 33)), ((33, 5), (5,)), ((2, 3, 5), (5,)), ((5,), (2, 5, 3)),
    ((2, 7, 16), (16, 17)), ((4, 1, 3, 8), (5, 8, 9)), ((5, 7), (3, 7, 2)), ((0, 2, 3), (3, 4)), ((2, 0, 3), (3, 4)),
]  # fmt: skip


def with_infinity(rng):
    x = rng.standard_normal((20, 37))
    x[3, 5], x[7, 0], x[19, 36] = np.inf, -np.inf, np.nan
    return x


CASES = [
    *(Case("matmul", pydl.matmul, shapes, _product) for shapes in SHAPES),
    Case("matmul", lambda a, b: a @ b, (with_infinity, (37, 20)), lambda a, b: a @ b, orders=0),
    Case("matmul", lambda a, b: a.mT @ b.mT, ((2, 33, 17), (9, 33)), lambda a, b: _product(a.swapaxes(1, 2), b.T)),
    Case("matmul", pydl.matmul, (np.arange(6).reshape(2, 3), np.arange(3)), np.matmul, orders=0),
    Case("mm", pydl.mm, ((13, 21), (21, 18)), _product),
    Case("bmm", pydl.bmm, ((3, 5, 7), (3, 7, 2)), _product),
    Case("mv", pydl.mv, ((31, 33), (33,)), _product),
    *(Case("dot", pydl.dot, ((n,), (n,)), _product) for n in [0, 1, 33, 4099]),
    Case("vdot", pydl.vdot, ((31,), (31,)), _product),
    Case("inner", pydl.inner, ((2, 3, 5), (4, 5)), lambda a, b: _product(a, b.T)),
    Case("inner", pydl.inner, ((2, 3), ()), np.multiply),
    Case("outer", pydl.outer, ((31,), (9,)), lambda a, b: a[:, None] * b),
    Case("addmm", pydl.addmm, ((9,), (4, 5), (5, 9)), lambda c, a, b: c + _product(a, b)),
    Case(
        "addmm",
        lambda c, a, b: pydl.addmm(c, a, b, beta=0.5, alpha=2),
        ((4, 1), (4, 5), (5, 9)),
        lambda c, a, b: 0.5 * c + 2 * _product(a, b),
    ),
    Case(
        "baddbmm",
        lambda c, a, b: pydl.baddbmm(c, a, b, beta=2),
        ((3, 1, 9), (3, 4, 5), (3, 5, 9)),
        lambda c, a, b: 2 * c + _product(a, b),
    ),
    *(
        Case("linear", F.linear, shapes, _affine)
        for shapes in [((4, 33), (65, 33), (65,)), ((2, 3, 5), (7, 5)), ((5,), (7, 5), (7,)), ((0, 5), (7, 5), (7,))]
    ),
    *(
        Case(
            "bilinear",
            F.bilinear,
            (a, b, w, w[:1]),
            lambda a, b, w, c: np.einsum("...i,oij,...j->...o", a, w, b) + c,
        )
        for a, b, w in [((4, 3), (4, 5), (2, 3, 5)), ((2, 3, 33), (2, 3, 1), (7, 33, 1)), ((0, 2), (0, 2), (1, 2, 2))]
    ),
    Case("linear", F.linear, ((3, 5), (5,)), lambda x, w: _product(x, w)),
    *(
        Case(
            f"linear {name}",
            lambda x, w, b, name=name: F.linear(x, w, b, activation=name),
            ((3, 6, 9), (37, 9), (37,)),
            lambda x, w, b, f=f: f(_affine(x, w, b)),
            peer=False,
        )
        for name, f in ACTIVATIONS.items()
    ),
]
