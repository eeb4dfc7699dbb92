"""Cases of shape.py."""

import numpy as np

import pydl
from pydl.testing import Case


def same(name, function, shapes, oracle, **options):
    """The oracle's very bits: nothing is computed here, elements are only moved."""
    return Case(name, function, shapes, oracle, exact=True, **options)


X = ((2, 3, 4),)

CASES = [
    *(
        same("reshape", lambda x, s=s: pydl.reshape(x, s), (shape,), lambda x, s=s: x.reshape(s))
        for shape, s in [
            ((2, 3, 4), (4, 6)), ((2, 3, 4), (-1,)), ((6,), (2, -1)), ((), (1, 1)), ((0, 3), (3, 0)), ((257, 33), (33, 257)),
        ]
    ),
    same("reshape of a transpose", lambda x: x.transpose(0, 1).reshape(-1), X, lambda x: x.swapaxes(0, 1).reshape(-1)),
    same("reshape of a stride", lambda x: x[:, ::2].reshape(2, -1), X, lambda x: x[:, ::2].reshape(2, -1)),
    same("view", lambda x: x.contiguous().view(6, 4), X, lambda x: x.reshape(6, 4)),
    same("view_as", lambda x, y: x.contiguous().view_as(y), ((2, 6), (3, 4)), lambda x, y: x.reshape(3, 4)),
    same("reshape_as", lambda x, y: x.reshape_as(y), ((2, 6), (3, 4)), lambda x, y: x.reshape(3, 4)),
    *(
        same("flatten", lambda x, a=a: pydl.flatten(x, *a), (shape,), lambda x, s=s: x.reshape(s))
        for shape, a, s in [((2, 3, 4), (), (24,)), ((2, 3, 4), (1,), (2, 12)), ((2, 3, 4), (0, 1), (6, 4)), ((), (), (1,))]
    ),
    same("unflatten", lambda x: x.unflatten(1, (3, 4)), ((2, 12),), lambda x: x.reshape(2, 3, 4)),
    same("unflatten", lambda x: x.unflatten(-1, (-1, 4)), ((2, 12),), lambda x: x.reshape(2, 3, 4)),
    *(
        same("squeeze", lambda x, a=a: pydl.squeeze(x, *a), ((1, 3, 1, 4),), lambda x, s=s: x.reshape(s))
        for a, s in [((), (3, 4)), ((0,), (3, 1, 4)), ((1,), (1, 3, 1, 4)), (((0, 2),), (3, 4)), ((-2,), (1, 3, 4))]
    ),
    *(
        same("unsqueeze", lambda x, d=d: pydl.unsqueeze(x, d), ((3, 4),), lambda x, d=d: np.expand_dims(x, d))
        for d in (0, 1, 2, -1, -3)
    ),
    *(
        same("permute", lambda x, d=d: x.permute(d), (shape,), lambda x, d=d: x.transpose(d))
        for shape, d in [((2, 3, 4), (2, 0, 1)), ((2, 3, 4), (-1, 1, 0)), ((33, 31), (1, 0)), ((), ()), ((0, 2, 1), (1, 2, 0))]
    ),
    same("transpose", lambda x: pydl.transpose(x, 0, -1), X, lambda x: x.swapaxes(0, -1)),
    same("transpose then contiguous", lambda x: x.transpose(0, 1).contiguous() * 1.0, ((67, 130),), lambda x: x.T),
    same("t", lambda x: pydl.t(x), ((3, 5),), lambda x: x.T),
    same("t", lambda x: pydl.t(x), ((3,),), lambda x: x),
    same("T", lambda x: x.T, ((3, 5),), lambda x: x.T),
    same("mT", lambda x: x.mT, X, lambda x: x.swapaxes(1, 2)),
    same("movedim", lambda x: pydl.movedim(x, 0, 2), X, lambda x: np.moveaxis(x, 0, 2)),
    same("movedim", lambda x: pydl.movedim(x, (0, 1), (-1, 0)), X, lambda x: np.moveaxis(x, (0, 1), (-1, 0))),
    *(
        same("expand", lambda x, s=s: x.expand(*s), (shape,), lambda x, t=t: np.broadcast_to(x, t))
        for shape, s, t in [
            ((3, 1), (3, 4), (3, 4)), ((3, 1), (2, -1, 4), (2, 3, 4)), ((), (2, 2), (2, 2)), ((1, 3), (0, 3), (0, 3)),
            ((31,), (33, 31), (33, 31)),
        ]
    ),
    same("expand_as", lambda x, y: x.expand_as(y), ((3, 1), (2, 3, 4)), lambda x, y: np.broadcast_to(x, y.shape)),
    same("broadcast_to", lambda x: pydl.broadcast_to(x, (2, 3, 4)), ((3, 1),), lambda x: np.broadcast_to(x, (2, 3, 4))),
    *(
        Case("sum_to_size", lambda x, s=s: x.sum_to_size(s), (shape,), lambda x, s=s, a=a: x.sum(a, keepdims=True).reshape(s))
        for shape, s, a in [
            ((2, 3, 4), (3, 1), (0, 2)), ((2, 3, 4), (1, 3, 4), (0,)), ((2, 3, 4), (4,), (0, 1)), ((2, 3, 4), (2, 3, 4), ()),
            ((257, 33), (33,), (0,)), ((3, 0), (3, 1), (1,)), ((5,), (), (0,)),
        ]
    ),
    same("clone", lambda x: pydl.clone(x), X, lambda x: x),
    same("contiguous", lambda x: x.permute(2, 0, 1).contiguous(), X, lambda x: x.transpose(2, 0, 1)),
    same("type_as", lambda x, y: (x * 2).type_as(y), ((5,), np.arange(3)), lambda x, y: (x * 2).astype(np.int64), orders=0),
    same("long", lambda x: x.long(), (lambda rng: rng.uniform(-9, 9, (4, 5)),), lambda x: x.astype(np.int64), orders=0),
    same("bool", lambda x: x.bool(), (np.array([0.0, -0.0, 2.0, np.nan]),), lambda x: x != 0, orders=0),
    same("int", lambda x: x.float().int(), (np.arange(5),), lambda x: x.astype(np.int32), orders=0),
    Case("double then half of it", lambda x: (x.double() * 0.5).to(x.dtype), X, lambda x: x * 0.5),
]  # fmt: skip
