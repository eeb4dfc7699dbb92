"""Cases of triangle.py."""

import numpy as np

import pydl
from pydl.testing import Case


def same(name, function, shapes, oracle):
    return Case(name, function, shapes, oracle, exact=True)


def _embed(x, offset=0):
    y = np.zeros((*x.shape[:-1], x.shape[-1] + abs(offset), x.shape[-1] + abs(offset)), x.dtype)
    i = np.arange(x.shape[-1])
    y[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return y


MATRICES = [((3, 3), 0), ((4, 2), 1), ((2, 5), -1), ((2, 3, 4), 2), ((31, 33), -5), ((0, 3), 0), ((3, 3), 9)]

CASES = [
    *(same("tril", lambda x, d=d: pydl.tril(x, d), (s,), lambda x, d=d: np.tril(x, d)) for s, d in MATRICES),
    *(same("triu", lambda x, d=d: pydl.triu(x, d), (s,), lambda x, d=d: np.triu(x, d)) for s, d in MATRICES),
    *(
        same(
            "diagonal",
            lambda x, a=a: pydl.diagonal(x, *a),
            (shape,),
            lambda x, a=a: np.diagonal(x, *a),
        )
        for shape, a in [
            ((3, 3), ()),
            ((4, 2), (1,)),
            ((2, 5), (-1,)),
            ((2, 3, 4), (0, 1, 2)),
            ((2, 3, 4), (1, -1, 0)),
            ((3, 3), (2,)),
        ]
    ),
    *(same("diag", lambda x, d=d: pydl.diag(x, d), ((5,),), lambda x, d=d: np.diag(x, d)) for d in (0, 2, -1)),
    *(same("diag", lambda x, d=d: pydl.diag(x, d), ((4, 5),), lambda x, d=d: np.diag(x, d)) for d in (0, 2, -1)),
    *(
        same("diag_embed", lambda x, d=d: pydl.diag_embed(x, d), ((2, 3),), lambda x, d=d: _embed(x, d))
        for d in (0, 2, -1)
    ),
    Case(
        "diag_embed",
        lambda x: pydl.diag_embed(x, 1, 0, 2),
        ((2, 3),),
        lambda x: _embed(x, 1).transpose(1, 0, 2),
        exact=True,
    ),
    *(
        Case(
            "tril_indices",
            lambda a=a: pydl.tril_indices(*a),
            (),
            lambda a=a: np.stack(np.tril_indices(a[0], a[2], a[1])),
            orders=0,
        )
        for a in [(3, 3, 0), (2, 4, 1), (4, 2, -1)]
    ),
    *(
        Case(
            "triu_indices",
            lambda a=a: pydl.triu_indices(*a),
            (),
            lambda a=a: np.stack(np.triu_indices(a[0], a[2], a[1])),
            orders=0,
        )
        for a in [(3, 3, 0), (2, 4, 1), (4, 2, -1)]
    ),
]
