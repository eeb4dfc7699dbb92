import math

import numpy as np
from scipy import special

import pydl.nn.functional as F
from pydl.testing import Case

SIZES = [(0,), (1,), (31,), (33,), (257,), (4099,), (3, 4, 5), ()]
NAN, INF = np.nan, np.inf
# far from 0 as well: where exp overflows and where one branch alone is left
FAR = np.array([-1e4, -200.0, -100.0, -50.0, -20.5, -5.0, -0.25, 0.25, 5.0, 20.5, 50.0, 100.0, 200.0, 1e4])


def wide(rng):
    return off_kinks(rng.uniform(-8, 8, (257,)))


def off_kinks(x):
    """Numbers halfway between multiples of 1/16, where every kink lies: a finite difference crosses none."""
    return np.floor(x * 16) / 16 + 1 / 32


def zero(x):
    return np.where(np.isnan(x), x, 0)


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(x):
    return x * special.ndtr(x)


def gelu_tanh(x):
    return x * special.expit(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))


def prelu(x, w):
    return np.where(x > 0, x, x * (w.reshape((-1,) + (1,) * max(x.ndim - 2, 0)) if x.ndim else w.reshape(())))


def glu(x, dim=-1):
    a, b = np.split(x, 2, dim)
    return a * special.expit(b)


SMOOTH = {
    F.sigmoid: special.expit,
    F.logsigmoid: lambda x: -np.logaddexp(0, -x),
    F.softplus: softplus,
    F.softsign: lambda x: x / (1 + np.abs(x)),
    F.tanhshrink: lambda x: x - np.tanh(x),
    F.elu: elu,
    F.selu: lambda x: 1.0507009873554804934 * elu(x, 1.6732632423543772848),
    F.celu: elu,
    F.silu: lambda x: x * special.expit(x),
    F.mish: lambda x: x * np.tanh(np.logaddexp(0, x)),
    F.gelu: gelu,
}
PIECEWISE = {
    F.relu: lambda x: np.maximum(x, 0),
    F.relu6: lambda x: np.clip(x, 0, 6),
    F.leaky_relu: lambda x: np.where(x > 0, x, x.dtype.type(0.01) * x),
    F.hardtanh: lambda x: np.clip(x, -1, 1),
    F.hardsigmoid: lambda x: np.clip(x + 3, 0, 6) / 6,
    F.hardswish: lambda x: x * np.clip(x + 3, 0, 6) / 6,
    F.softshrink: lambda x: np.where(x > 0.5, x - 0.5, np.where(x < -0.5, x + 0.5, zero(x))),
    F.hardshrink: lambda x: np.where(np.abs(x) <= 0.5, zero(x), x),
}
IMPRECISE = {F.hardsigmoid}  # PyTorch has 1/6 in float32 for float64 numbers too
KINKS = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, NAN, INF])

CASES = [
    *(Case(f.__name__, f, (shape,), o) for f, o in SMOOTH.items() for shape in SIZES),
    *(
        Case(f.__name__, f, (lambda rng, n=shape: off_kinks(rng.standard_normal(n)),), o, peer=f not in IMPRECISE)
        for f, o in PIECEWISE.items()
        for shape in SIZES
    ),
    *(Case(f"{f.__name__} wide", f, (wide,), o, peer=f not in IMPRECISE) for f, o in (SMOOTH | PIECEWISE).items()),
    *(Case(f"{f.__name__} far", f, (FAR,), o, orders=2) for f, o in SMOOTH.items()),
    *(Case(f"{f.__name__} kinks", f, (KINKS,), o, orders=0, exact=True) for f, o in PIECEWISE.items()),
    Case("leaky_relu", lambda x: F.leaky_relu(x, 0.25), (wide,), lambda x: np.where(x > 0, x, 0.25 * x)),
    Case("hardtanh", lambda x: F.hardtanh(x, -2.0, 0.5), (wide,), lambda x: np.clip(x, -2, 0.5)),
    Case("elu", lambda x: F.elu(x, 1.7), (wide,), lambda x: elu(x, 1.7)),
    Case("celu", lambda x: F.celu(x, 2.0), (wide,), lambda x: 2 * elu(x / 2)),
    Case("softplus", lambda x: F.softplus(x, 2.0, 4.0), (wide,), lambda x: softplus(x, 2.0, 4.0)),
    Case("softshrink", lambda x: F.softshrink(x, 0.0), (wide,), lambda x: x),
    Case("hardshrink", lambda x: F.hardshrink(x, 1.5), (wide,), lambda x: np.where(np.abs(x) <= 1.5, 0, x)),
    Case("threshold", lambda x: F.threshold(x, 0.25, -3.0), (wide,), lambda x: np.where(x > 0.25, x, -3)),
    *(Case("gelu tanh", lambda x: F.gelu(x, approximate="tanh"), (s,), gelu_tanh) for s in [*SIZES, wide, FAR]),
    *(
        Case("prelu", F.prelu, (shape, (n,)), prelu)
        for shape, n in [
            ((2, 3, 4), 3),
            ((2, 3, 4), 1),
            ((5, 33), 33),
            ((7,), 1),
            ((), 1),
            ((0, 3), 3),
            ((2, 3, 4, 5), 3),
        ]
    ),
    *(
        Case("glu", F.glu, (shape,), glu, attrs={"dim": dim})
        for shape, dim in [((3, 8), -1), ((4, 3), 0), ((2, 6, 5), 1), ((0, 2), 1)]
    ),
    # in place, on a result of operations
    *(
        Case(f"{f.__name__} in place", lambda x, f=f: f(x * 2.0), (wide,), lambda x, o=o: o(2 * x))
        for f, o in {
            F.relu_: PIECEWISE[F.relu],
            F.leaky_relu_: PIECEWISE[F.leaky_relu],
            F.hardtanh_: PIECEWISE[F.hardtanh],
            F.elu_: elu,
            F.selu_: SMOOTH[F.selu],
        }.items()
    ),
    *(
        Case(f"{f.__name__} in place", lambda x, f=f: f(x * 2.0, inplace=True), (wide,), lambda x, o=o: o(2 * x))
        for f, o in (SMOOTH | PIECEWISE).items()
        if f in (F.relu, F.relu6, F.hardswish, F.celu, F.silu, F.mish)
    ),
    Case("threshold_", lambda x: F.threshold_(x * 2.0, 1.0, 0.0), (wide,), lambda x: np.where(2 * x > 1, 2 * x, 0)),
]
