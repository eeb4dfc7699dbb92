"""Cases of subscript.py: x[...], its assignment and what is said in their terms."""

import numpy as np

import pydl
import pydl.nn.functional as F
from pydl.testing import Case


def _label(expression) -> str:
    return str(expression).replace("slice(None, None, None)", ":").replace(", None)", ")").replace("slice", "")


def _get(shape, expression, oracle=None):
    return Case(
        f"getitem {_label(expression)}",
        lambda x: x[expression],
        (shape,),
        lambda x: x[expression] if oracle is None else oracle(x),
        exact=True,
    )


def _put(shape, expression, accumulate=False):
    """index_put against numpy; the values broadcast along the last axis."""

    def oracle(x, v):
        y = x.copy()
        if accumulate:
            np.add.at(y, expression, v)
        else:
            y[expression] = v
        return y

    values = (*np.empty(shape)[expression].shape[:-1], 1)
    arrays = tuple(pydl.tensor(e) if isinstance(e, np.ndarray) else e for e in expression)
    return Case(
        f"index_put {_label(expression)}",
        lambda x, v: pydl.index_put(x, arrays, v, accumulate),
        (shape, values),
        oracle,
        exact=not accumulate,
        peer=all(isinstance(e, np.ndarray) for e in expression),
    )


def _assign(x, expression, value):
    y = x * 1.0
    y[expression] = value
    return y


ALL = slice(None)
MASK = np.arange(20).reshape(4, 5) % 3 == 0
ROWS, COLUMNS = np.array([[0, 3], [2, 2]]), np.array([1, -1])

CASES = [
    *(
        _get((4, 5, 6), e)
        for e in [
            0,
            -1,
            (1, 2),
            (1, 2, 3),
            slice(1, 3),
            (..., 0),
            (None, 1),
            (ALL, slice(0, 5, 2)),
            (ALL, None, ..., 2),
            slice(2, 2),
            [0, 2, 0],
            ROWS,
            (ROWS, COLUMNS),
            (ALL, [4, 0]),
            (ALL, ROWS, ALL),
            (ROWS, ALL, COLUMNS),
            ([0, 1], ALL, [2]),
            MASK,
            (ALL, MASK[0]),
            (MASK, 0),
            (ALL, MASK[0], None),
            (slice(1, 4), [1, 1], slice(2, 5)),
            (..., [0, 5]),
            [],
            (None, [1, 0]),
        ]
    ),
    _get((4, 5, 6), (0, ALL, [0, 5]), lambda x: x[0][:, [0, 5]]),  # numpy would count 0 as an index array
    _get((), ...),
    _get((), None),
    _get((), (True,)),
    _get((0, 3), (ALL, [2, 0])),
    _get((3,), np.zeros(3, bool)),
    *(_put((4, 5, 6), e) for e in [(ROWS[0],), (ALL, COLUMNS), (MASK,), (ROWS[0], COLUMNS), (ROWS[0], ALL, COLUMNS)]),
    *(_put((4, 5, 6), e, True) for e in [(ROWS,), (ALL, ROWS), (MASK,), (ROWS, COLUMNS), (ROWS, ALL, COLUMNS)]),
    *(
        Case(
            f"setitem {_label(e)}",
            lambda x, v, e=e: _assign(x, e, v),
            ((4, 5, 6), v),
            lambda x, v, e=e: _assign(x, e, v),
            exact=True,
        )
        for e, v in [
            (0, (5, 6)),
            (..., ()),
            ((ALL, 1), (6,)),
            (slice(1, 3), (1, 5, 1)),
            ((0, 0, 0), ()),
            (MASK, (6,)),
            ((ALL, [4, 0]), (4, 2, 6)),
            ((slice(0, 2), [1, 3]), (2, 2, 6)),
            ((1, None, ..., 2), (5,)),
            (slice(2, 2), (0, 5, 6)),
        ]
    ),
    Case("select", lambda x: x.select(1, -1), ((3, 4, 5),), lambda x: x[:, -1], exact=True),
    Case("narrow", lambda x: x.narrow(1, 1, 2), ((3, 4),), lambda x: x[:, 1:3], exact=True),
    Case("narrow", lambda x: x.narrow(0, -2, 2), ((3, 4),), lambda x: x[1:3], exact=True),
    Case("narrow", lambda x: x.narrow(0, 3, 0), ((3, 4),), lambda x: x[3:], exact=True),
    Case("unbind", lambda x: x.unbind(1), ((3, 2, 4),), lambda x: (x[:, 0], x[:, 1]), exact=True),
    Case(
        "masked_select",
        lambda x: x.masked_select(pydl.tensor(MASK)),
        ((1, 5),),
        lambda x: np.broadcast_to(x, (4, 5))[MASK],
    ),
    Case("nonzero", lambda m: m.nonzero(), (MASK,), lambda m: np.argwhere(m), orders=0),
    Case("nonzero", lambda m: m.nonzero(as_tuple=True), (MASK,), lambda m: np.nonzero(m), orders=0),
    Case("where", lambda m: pydl.where(m), (MASK,), lambda m: np.nonzero(m), orders=0),
    Case("argwhere", lambda x: pydl.argwhere(x > 0), ((4, 5),), lambda x: np.argwhere(x > 0), orders=0),
    Case("one_hot", lambda j: F.one_hot(j, 5), (ROWS,), lambda j: np.eye(5)[j], orders=0),
    Case("one_hot", lambda j: F.one_hot(j), (ROWS,), lambda j: np.eye(4)[j], orders=0),
]
