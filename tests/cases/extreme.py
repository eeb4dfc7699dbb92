import numpy as np

import pydl
from pydl.testing import Case

SHAPES = [
    ((3, 4), 1),
    ((4, 3), 0),
    ((1,), 0),
    ((2, 31, 5), 1),
    ((3, 33), 1),
    ((257, 33), 0),
    ((2, 4099), 1),
    ((0, 3), 1),
    ((40000,), 0),
]
NAN = np.array([[1.0, np.nan, 3.0, np.nan], [2.0, 5.0, 5.0, 1.0], [-np.inf, -np.inf, -np.inf, -np.inf]])


def ties(*shape):
    return lambda rng: rng.integers(0, 5, shape) * 1.0


def integers(*shape):
    return lambda rng: rng.integers(-9, 9, shape)


def along(extreme, position):
    return lambda x, d: [extreme(x, d), position(x, d)]


CASES = [
    *(
        Case(name, lambda x, d=d, f=f: f(x, d), (s,), lambda x, d=d, o=o: o(x, d))
        for name, f, o in [
            ("max", pydl.max, along(np.max, np.argmax)),
            ("min", pydl.min, along(np.min, np.argmin)),
            ("amax", pydl.amax, np.max),
            ("amin", pydl.amin, np.min),
        ]
        for s, d in SHAPES
    ),
    *(
        Case(name, lambda x, d=d, f=f: f(x, d), (s,), lambda x, d=d, o=o: o(x, d), orders=0)
        for name, f, o in [("argmax", pydl.argmax, np.argmax), ("argmin", pydl.argmin, np.argmin)]
        for s, d in SHAPES
    ),
    Case("amax", lambda x: pydl.amax(x, (0, 2), keepdim=True), ((3, 4, 5),), lambda x: x.max((0, 2), keepdims=True)),
    Case("amax", lambda x: pydl.amax(x, 1), (ties(4, 33),), lambda x: x.max(1), orders=0),
    Case("amin", lambda x: pydl.amin(x, ()), ((3, 4),), lambda x: x.min()),
    Case("max", lambda x: pydl.max(x, 1), (ties(4, 33),), lambda x: [x.max(1), x.argmax(1)], orders=0),
    Case(
        "max", lambda x: pydl.max(x, 0, keepdim=True), ((3, 4),), lambda x: [x.max(0, keepdims=True), x.argmax(0)[None]]
    ),
    Case("max", pydl.max, ((3, 4),), lambda x: x.max()),
    Case("max", pydl.max, ((),), lambda x: x),
    Case("max", lambda x: pydl.max(x, 0), ((),), lambda x: [x, np.array(0)]),
    Case("max", pydl.max, ((3, 4), (4,)), np.maximum),
    Case("min", pydl.min, ((3, 4),), lambda x: x.min()),
    Case("min", pydl.min, ((3, 4), (4,)), np.minimum),
    Case("max", lambda x: pydl.max(x, 1), (NAN,), lambda x: [x.max(1), x.argmax(1)], orders=0),
    Case("min", lambda x: pydl.min(x, 1), (NAN,), lambda x: [x.min(1), x.argmin(1)], orders=0),
    Case("max", lambda x: pydl.max(x, 1), (integers(4, 7),), lambda x: [x.max(1), x.argmax(1)], orders=0),
    Case("amin", lambda x: pydl.amin(x, 1), (integers(4, 7),), lambda x: x.min(1), orders=0),
    Case("argmax", lambda x: pydl.argmax(x), ((3, 4),), lambda x: np.argmax(x), orders=0),
    Case("argmin", lambda x: pydl.argmin(x, 1, keepdim=True), ((3, 4),), lambda x: x.argmin(1)[:, None], orders=0),
    Case("argmax", lambda x: pydl.argmax(x, 0), (integers(4, 7),), lambda x: x.argmax(0), orders=0),
]
