"""Cases of indexing.py: elements along an axis by an index tensor."""

import numpy as np

import pydl
from pydl.testing import Case


def index(high, *shape):
    return lambda rng: rng.integers(0, high, shape)


def distinct(high, count):
    return lambda rng: rng.permutation(high)[:count]


def longer(shape, dim):
    return tuple(n + 3 if i == dim else n for i, n in enumerate(shape))


def _at(x, dim, j):
    """The part of x at index j of axis dim, as a numpy index."""
    return (slice(None),) * (dim % max(x.ndim, 1)) + (j,)


def _index_add(x, dim, j, source, alpha=1):
    y = x.copy()
    np.add.at(y, _at(x, dim, j), alpha * source)
    return y


def _index_set(x, dim, j, source):
    y = x.copy()
    y[_at(x, dim, j)] = source
    return y


def _scatter(x, dim, j, source, combine=None):
    """One element after the other."""
    y = x.copy()
    for place in np.ndindex(j.shape):
        target = (*place[:dim], j[place], *place[dim + 1 :])
        value = source[place] if np.ndim(source) else source
        y[target] = value if combine is None else combine(y[target], value)
    return y


def _gather(x, dim, j):
    return np.take_along_axis(x[tuple(slice(None) if i == dim else slice(n) for i, n in enumerate(j.shape))], j, dim)


SIZES = [((1,), 0), ((31,), 0), ((33, 5), 0), ((5, 33), 1), ((3, 257), 1), ((257, 3), 0), ((2, 7, 65), 1), ((4099,), 0)]

CASES = [
    *(
        Case(
            "index_select",
            lambda x, j, dim=dim: pydl.index_select(x, dim, j),
            (shape, index(shape[dim], m)),
            lambda x, j, dim=dim: np.take(x, j, dim),
            exact=True,
        )
        for shape, dim in SIZES
        for m in (0, 1, 40)
    ),
    Case("index_select", lambda x, j: pydl.index_select(x, 0, j), ((), np.array([0])), lambda x, j: x, exact=True),
    Case("index_select", lambda x, j: pydl.index_select(x, 1, j), ((0, 3), index(3, 4)), lambda x, j: x[:, j]),
    *(
        Case(
            "index_add",
            lambda x, j, s, dim=dim: pydl.index_add(x, dim, j, s, alpha=0.5),
            (shape, index(shape[dim], 40), (*shape[:dim], 40, *shape[dim + 1 :])),
            lambda x, j, s, dim=dim: _index_add(x, dim, j, s, 0.5),
        )
        for shape, dim in SIZES
    ),
    *(
        Case(
            "index_copy",
            lambda x, j, s, dim=dim: pydl.index_copy(x, dim, j, s),
            (shape, distinct(shape[dim], shape[dim] // 2), (*shape[:dim], shape[dim] // 2, *shape[dim + 1 :])),
            lambda x, j, s, dim=dim: _index_set(x, dim, j, s),
            exact=True,
        )
        for shape, dim in SIZES
    ),
    Case(
        "index_fill",
        lambda x, j: pydl.index_fill(x, 1, j, 2.5),
        ((3, 4, 5), index(4, 2)),
        lambda x, j: _index_set(x, 1, j, 2.5),
        exact=True,
    ),
    Case(
        "index_fill",
        lambda x, j, v: pydl.index_fill(x, 0, j, v),
        ((33,), index(33, 7), ()),
        lambda x, j, v: _index_set(x, 0, j, v),
        exact=True,
    ),
    *(
        Case(
            "gather",
            lambda x, j, dim=dim: pydl.gather(x, dim, j),
            (shape, index(shape[dim], *longer(shape, dim))),
            lambda x, j, dim=dim: _gather(x, dim, j),
            exact=True,
        )
        for shape, dim in SIZES
    ),
    Case(
        "gather",
        lambda x, j: pydl.gather(x, 1, j),
        ((4, 5, 6), index(5, 2, 9, 3)),
        lambda x, j: _gather(x, 1, j),
        exact=True,
    ),
    Case("gather", lambda x, j: pydl.gather(x, 0, j), ((), np.array(0)), lambda x, j: x, exact=True),
    Case("gather", lambda x, j: pydl.gather(x, 0, j), ((0, 3), np.zeros((0, 3), int)), lambda x, j: x),
    *(
        Case(
            "scatter_add",
            lambda x, j, s, dim=dim: pydl.scatter_add(x, dim, j, s),
            (shape, index(shape[dim], *longer(shape, dim)), longer(shape, dim)),
            lambda x, j, s, dim=dim: _scatter(x, dim, j, s, np.add),
        )
        for shape, dim in SIZES
    ),
    Case(
        "scatter_add",
        lambda x, j, s: pydl.scatter_add(x, 1, j, s),
        ((4, 5, 6), index(5, 2, 9, 3), (3, 9, 3)),
        lambda x, j, s: _scatter(x, 1, j, s, np.add),
        peer=False,  # its gradient fails in PyTorch: src is longer than index
    ),
    *(
        Case(
            "scatter",
            lambda x, j, s, dim=dim: pydl.scatter(x, dim, j, s),
            ((33, 5), lambda rng, dim=dim: rng.permuted(np.indices((33, 5))[dim], axis=dim)[:4, :4], (4, 5)),
            lambda x, j, s, dim=dim: _scatter(x, dim, j, s),
            exact=True,
            peer=False,  # as above
        )
        for dim in (0, 1)
    ),
    Case(
        "scatter",
        lambda x, j: pydl.scatter(x, 0, j, 1.5),
        ((5, 4), index(5, 3, 4)),
        lambda x, j: _scatter(x, 0, j, 1.5),
        exact=True,
    ),
    Case(
        "scatter",
        lambda x, j, s: pydl.scatter(x, 0, j, s, reduce="add"),
        ((5, 4), index(5, 6, 4), (6, 4)),
        lambda x, j, s: _scatter(x, 0, j, s, np.add),
        peer=False,  # deprecated in PyTorch
    ),
    Case(
        "scatter",
        lambda x, j, s: pydl.scatter(x, 0, j, s, reduce="multiply"),
        ((5, 4), index(5, 6, 4), (6, 4)),
        lambda x, j, s: _scatter(x, 0, j, s, np.multiply),
        orders=0,
        peer=False,  # deprecated in PyTorch
    ),
    Case("take", lambda x, j: x.take(j), ((4, 5), np.array([[0, -1], [7, 19]])), lambda x, j: x.reshape(-1)[j]),
    Case(
        "take_along_dim",
        lambda x, j: x.take_along_dim(j, 1),
        ((3, 5), index(5, 1, 2)),
        lambda x, j: np.take_along_axis(x, np.broadcast_to(j, (3, 2)), 1),
        exact=True,
    ),
    Case(
        "take_along_dim",
        lambda x, j: x.take_along_dim(j),
        ((3, 5), index(15, 2, 2)),
        lambda x, j: x.reshape(-1)[j.reshape(-1)],
    ),
]
