"""Cases of join.py."""

import numpy as np

import pydl
from pydl.testing import Case


def same(name, function, shapes, oracle, **options):
    """The oracle's very bits: nothing is computed here, elements are only moved."""
    return Case(name, function, shapes, oracle, exact=True, **options)


COUNTS = np.array([2, 0, 3])

CASES = [
    *(
        same(
            "cat",
            lambda *xs, dim: pydl.cat(xs, dim),
            shapes,
            lambda *xs, dim: np.concatenate(xs, dim),
            attrs={"dim": d},
        )
        for shapes, d in [
            (((2, 3), (4, 3)), 0),
            (((2, 3), (2, 1), (2, 0)), 1),
            (((31,), (33,), (257,)), 0),
            (((3, 4, 5), (3, 2, 5)), -2),
            (((0, 3), (0, 2)), 1),
            (((4099, 2), (4099, 3)), 1),
            (((5,),), 0),
        ]
    ),
    same("cat of an empty vector", lambda x, y: pydl.cat([x, y]), ((0,), (2, 3)), lambda x, y: y),
    same(
        "cat of two dtypes",
        lambda x, j: pydl.cat([x, j]),
        ((3,), np.arange(4)),
        lambda x, j: np.concatenate([x, j]),
    ),
    same("concat", lambda x, y: pydl.concat([x, y]), ((2,), (3,)), lambda x, y: np.concatenate([x, y])),
    same("concatenate", lambda x, y: pydl.concatenate([x, y]), ((2,), (3,)), lambda x, y: np.concatenate([x, y])),
    *(
        same(
            "stack", lambda *xs, dim: pydl.stack(xs, dim), shapes, lambda *xs, dim: np.stack(xs, dim), attrs={"dim": d}
        )
        for shapes, d in [
            (((),) * 3, 0),
            (((33,),) * 2, 1),
            (((2, 3),) * 4, -1),
            (((2, 3),) * 2, 1),
            (((0, 2),) * 2, 0),
        ]
    ),
    same("hstack", lambda x, y: pydl.hstack([x, y]), ((2,), (3,)), lambda x, y: np.hstack([x, y])),
    same("hstack", lambda x, y: pydl.hstack([x, y]), ((2, 3), (2, 1)), lambda x, y: np.hstack([x, y])),
    same("vstack", lambda x, y: pydl.vstack([x, y]), ((3,), (2, 3)), lambda x, y: np.vstack([x, y])),
    same("dstack", lambda x, y: pydl.dstack([x, y]), ((2, 3), (2, 3)), lambda x, y: np.dstack([x, y])),
    same("dstack", lambda x, y: pydl.dstack([x, y]), ((3,), (3,)), lambda x, y: np.dstack([x, y])),
    *(
        same("split", lambda x, s=s, d=d: x.split(s, d), (shape,), lambda x, cuts=cuts, d=d: np.split(x, cuts, d))
        for shape, s, d, cuts in [
            ((7, 3), 3, 0, [3, 6]),
            ((2, 6), 2, 1, [2, 4]),
            ((2, 6), [1, 0, 5], -1, [1, 1]),
            ((4,), 9, 0, []),
            ((0, 2), 3, 0, []),
        ]
    ),
    *(
        same("chunk", lambda x, n=n: x.chunk(n, 1), ((2, size),), lambda x, cuts=cuts: np.split(x, cuts, 1))
        for size, n, cuts in [(8, 4, [2, 4, 6]), (7, 3, [3, 6]), (5, 4, [2, 4]), (2, 3, [1])]
    ),
    *(
        same("tensor_split", lambda x, n=n: pydl.tensor_split(x, n), ((7, 2),), lambda x, n=n: np.array_split(x, n))
        for n in (3, 1, 9, [2, 5], [1, 9], [-3])
    ),
    *(
        same(
            "unbind",
            lambda x, d=d: x.unbind(d),
            ((3, 2, 4),),
            lambda x, d=d: [np.take(x, i, d) for i in range(x.shape[d])],
        )
        for d in (0, 1, -1)
    ),
    same("iteration", lambda x: [row * 2.0 for row in x], ((3, 2),), lambda x: [row * 2 for row in x]),
    *(
        same("repeat", lambda x, n=n: x.repeat(*n), (shape,), lambda x, n=n: np.tile(x, n))
        for shape, n in [((3,), (2,)), ((2, 3), (1, 4)), ((2, 3), (2, 1, 3)), ((), (3,)), ((2, 3), (0, 2))]
    ),
    *(
        same("tile", lambda x, n=n: pydl.tile(x, n), (shape,), lambda x, n=n: np.tile(x, n))
        for shape, n in [((3,), (2,)), ((2, 3), (4,)), ((2, 3), (2, 1, 3))]
    ),
    same("repeat_interleave", lambda x: x.repeat_interleave(3), ((2, 3),), lambda x: np.repeat(x, 3)),
    same("repeat_interleave", lambda x: x.repeat_interleave(2, 1), ((2, 3),), lambda x: np.repeat(x, 2, 1)),
    same(
        "repeat_interleave",
        lambda x, n: pydl.repeat_interleave(x, n, 0),
        ((3, 2), COUNTS),
        lambda x, n: np.repeat(x, n, 0),
    ),
    *(
        same("flip", lambda x, d=d: pydl.flip(x, d), (shape,), lambda x, d=d: np.flip(x, d))
        for shape, d in [((31,), (0,)), ((3, 4, 5), (0, 2)), ((2, 3), (-1,)), ((0, 3), (0,)), ((2, 3), ())]
    ),
    same("fliplr", pydl.fliplr, ((2, 3),), np.fliplr),
    same("flipud", pydl.flipud, ((2, 3),), np.flipud),
    *(
        same("roll", lambda x, s=s, d=d: pydl.roll(x, s, d), (shape,), lambda x, s=s, d=d: np.roll(x, s, d))
        for shape, s, d in [
            ((31,), 3, 0),
            ((3, 4), (1, -2), (0, 1)),
            ((3, 4), 5, None),
            ((2, 3), -7, -1),
            ((0, 2), 1, 0),
        ]
    ),
    same(
        "broadcast_tensors",
        lambda x, y: pydl.broadcast_tensors(x, y),
        ((3, 1), (1, 4)),
        lambda x, y: [a + 0 for a in np.broadcast_arrays(x, y)],
    ),
    *(
        same(
            "meshgrid",
            lambda x, y, z, i=i: pydl.meshgrid(x, y, z, indexing=i),
            ((2,), (3,), (4,)),
            lambda x, y, z, i=i: np.meshgrid(x, y, z, indexing=i),
        )
        for i in ("ij", "xy")
    ),
]
