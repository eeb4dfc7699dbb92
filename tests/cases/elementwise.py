import numpy as np
from scipy import special

import pydl
from pydl.testing import Case

SIZES = [(0,), (1,), (31,), (33,), (257,), (4099,), (3, 4, 5), ()]
EXTREMES = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-18, -1e-18])
PAIRS = [
    ((4, 5), (4, 5)),
    ((3, 1, 5), (4, 1)),
    ((), (3,)),
    ((0, 3), (3,)),
    ((2, 33), (33,)),
    ((257, 3), (3,)),
    ((31, 4), (31, 1)),
]


def positive(*shape):
    return lambda rng: rng.uniform(0.2, 3.0, shape)


def within(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape)


def integers(*shape):
    return lambda rng: rng.integers(-5, 6, shape)


def nonzero_integers(*shape):
    return lambda rng: rng.integers(1, 6, shape)


def quiet(oracle):
    """numpy's function without its warnings at the edges of its domain."""

    def run(*arrays):
        with np.errstate(all="ignore"):
            return oracle(*arrays)

    return run


def away_from_halves(*shape):
    """Numbers whose rounding no small step changes."""
    return lambda rng: rng.integers(-4, 5, shape) + rng.uniform(0.1, 0.4, shape)


# name: oracle, where the function is smooth
UNARY = {
    "neg": (np.negative, None),
    "abs": (np.abs, positive),
    "sign": (lambda x: np.where(x == x, np.sign(x), 0), positive),
    "square": (np.square, None),
    "reciprocal": (np.reciprocal, positive),
    "sqrt": (np.sqrt, positive),
    "rsqrt": (lambda x: 1 / np.sqrt(x), positive),
    "exp": (np.exp, None),
    "exp2": (np.exp2, None),
    "expm1": (np.expm1, None),
    "log": (np.log, positive),
    "log2": (np.log2, positive),
    "log10": (np.log10, positive),
    "log1p": (np.log1p, positive),
    "sin": (np.sin, None),
    "cos": (np.cos, None),
    "tan": (np.tan, lambda *shape: within(-1.2, 1.2, *shape)),
    "asin": (np.arcsin, lambda *shape: within(-0.9, 0.9, *shape)),
    "acos": (np.arccos, lambda *shape: within(-0.9, 0.9, *shape)),
    "atan": (np.arctan, None),
    "sinh": (np.sinh, None),
    "cosh": (np.cosh, None),
    "tanh": (np.tanh, None),
    "asinh": (np.arcsinh, None),
    "acosh": (np.arccosh, lambda *shape: within(1.2, 5.0, *shape)),
    "atanh": (np.arctanh, lambda *shape: within(-0.9, 0.9, *shape)),
    "erf": (special.erf, None),
    "erfc": (special.erfc, None),
    "floor": (np.floor, away_from_halves),
    "ceil": (np.ceil, away_from_halves),
    "round": (np.round, away_from_halves),
    "trunc": (np.trunc, away_from_halves),
}
HALVES = np.array([-2.5, -1.5, -0.5, -0.0, 0.0, 0.4999999, 0.5, 1.5, 2.5, 8388607.5, 1e9])
BINARY = {
    "add": (np.add, None),
    "sub": (np.subtract, None),
    "mul": (np.multiply, None),
    "div": (np.divide, positive),
    "pow": (np.power, positive),
    "maximum": (np.maximum, None),
    "minimum": (np.minimum, None),
    "fmod": (np.fmod, positive),
    "remainder": (np.remainder, positive),
    "atan2": (np.arctan2, positive),
    "hypot": (np.hypot, positive),
}

CASES = [
    *(Case("exp", pydl.exp, (shape,), np.exp) for shape in SIZES),
    *(
        Case(name, getattr(pydl, name), ((3, 37) if domain is None else domain(3, 37),), oracle)
        for name, (oracle, domain) in UNARY.items()
    ),
    *(
        Case(name, getattr(pydl, name), (EXTREMES,), quiet(oracle), orders=0, peer=name not in ("sin", "cos", "tan"))
        for name, (oracle, _) in UNARY.items()
    ),
    *(
        Case(name, getattr(pydl, name), (HALVES,), UNARY[name][0], orders=0)
        for name in ("floor", "ceil", "round", "trunc")
    ),
    *(
        Case(name, getattr(pydl, name), (integers(7),), UNARY[name][0], orders=0)
        for name in ("neg", "abs", "sign", "square")
    ),
    *(Case("add", pydl.add, shapes, np.add) for shapes in PAIRS),
    *(
        Case(name, getattr(pydl, name), tuple(s if domain is None else domain(*s) for s in shapes), oracle)
        for name, (oracle, domain) in BINARY.items()
        for shapes in [((3, 37), (3, 37)), ((3, 1, 5), (4, 1))]
    ),
    *(
        Case(name, getattr(pydl, name), (EXTREMES[:, None], EXTREMES), quiet(oracle), orders=0)
        for name, (oracle, _) in BINARY.items()
    ),
    *(
        Case(name, getattr(pydl, name), (integers(4, 5), nonzero_integers(5)), BINARY[name][0], orders=0)
        for name in ("maximum", "minimum", "remainder", "fmod")
    ),
    Case("add", lambda x, y: pydl.add(x, y, alpha=3), ((3, 4), (4,)), lambda x, y: x + 3 * y),
    Case("sub", lambda x, y: pydl.sub(x, y, alpha=0.5), ((3, 4), (4,)), lambda x, y: x - 0.5 * y),
    Case("div", lambda x, y: pydl.div(x, y, rounding_mode="floor"), ((9,), positive(9)), np.floor_divide, orders=0),
    Case(
        "div",
        lambda x, y: pydl.div(x, y, rounding_mode="trunc"),
        ((9,), positive(9)),
        lambda x, y: np.trunc(x / y),
        orders=0,
    ),
    Case(
        "floor_divide",
        pydl.floor_divide,
        (np.array([6.0, -6.0, -0.0, 7.5, np.inf, -5.0]), np.array([0.1, 0.1, 1.0, -2.5, 1.0, np.inf])),
        quiet(np.floor_divide),
        orders=0,
    ),
    Case("floor_divide", pydl.floor_divide, (integers(9), nonzero_integers(9)), np.floor_divide, orders=0),
    *(
        Case("pow", lambda x, e=e: pydl.pow(x, e), (positive(3, 37),), lambda x, e=e: x**e)
        for e in (2, 3, 1, 0, 0.5, -0.5, -1, -2, 2.5, -1.7)
    ),
    *(Case("pow", lambda x, e=e: pydl.pow(x, e), ((3, 37),), lambda x, e=e: x**e) for e in (2, 3, 4, 0)),
    Case("pow", lambda x: pydl.pow(2.0, x), ((9,),), lambda x: 2.0**x, peer=False),
    *(
        Case("clamp", lambda x, a=a, b=b: pydl.clamp(x, a, b), ((3, 37),), lambda x, a=a, b=b: np.clip(x, a, b))
        for a, b in [(-0.5, 0.7), (None, 0.2), (0.1, None)]
    ),
    Case("clamp", lambda x: pydl.clamp(x, -1.0, 1.0), (EXTREMES,), lambda x: np.clip(x, -1.0, 1.0), orders=0),
    Case("clamp", lambda x, a, b: pydl.clamp(x, a, b), ((3, 4), within(-1.0, -0.2, 4), positive(3, 1)), np.clip),
    Case("clamp", lambda x: pydl.clamp(x, -2, 2), (integers(9),), lambda x: np.clip(x, -2, 2), orders=0),
]
