"""Cases of pad.py."""

import numpy as np

import pydl.nn.functional as F
from pydl.testing import Case

NUMPY = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(x, widths, mode, value):
    pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    cropped = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True))]
    pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    return np.pad(cropped, pairs, NUMPY[mode], **({"constant_values": value} if mode == "constant" else {}))


def _case(shape, widths, mode="constant", value=0.0):
    return Case(
        f"pad {mode} {widths}",
        lambda x: F.pad(x, widths, mode, value if mode == "constant" else None),
        (shape,),
        lambda x: _pad(x, widths, mode, value),
        exact=True,
    )


CASES = [
    _case((31,), (2, 3)),
    _case((2, 3, 4), (1, 0)),
    _case((2, 3, 4), (1, 2, 0, 1), value=-1.5),
    _case((2, 3, 4), (0, 0, 0, 0, 2, 1)),
    _case((2, 5, 6), (-1, 2, 1, -2), value=0.5),
    _case((5, 6), (-1, -2)),
    _case((5, 6), ()),
    _case((0, 3), (1, 1)),
    _case((2, 0), (2, 1), value=3.0),
    *(
        _case(shape, widths, mode)
        for mode in ("reflect", "replicate", "circular")
        for shape, widths in [((2, 3, 7), (3, 2)), ((1, 2, 5, 6), (1, 2, 3, 0)), ((1, 2, 4, 5, 3), (1, 1, 2, 0, 0, 3))]
    ),
    _case((2, 3, 4), (9, 5), "replicate"),
]
