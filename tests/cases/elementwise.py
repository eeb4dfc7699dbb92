import numpy as np

import pydl
from pydl.testing import Case


def positive(*shape):
    return lambda rng: rng.uniform(0.2, 3.0, shape)


def within(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape)


CASES = [
    *(Case("exp", pydl.exp, (shape,), np.exp) for shape in [(0,), (1,), (31,), (33,), (257,), (4099,), (3, 4, 5), ()]),
    *(
        Case("add", pydl.add, shapes, np.add)
        for shapes in [((4, 5), (4, 5)), ((3, 1, 5), (4, 1)), ((), (3,)), ((0, 3), (3,))]
    ),
]
