"""Cases of embedding.py."""

import pydl.nn.functional as F
from pydl.testing import Case


def index(high, *shape):
    return lambda rng: rng.integers(0, high, shape)


CASES = [
    *(
        Case("embedding", lambda w, j: F.embedding(j, w), ((n, c), index(n, *shape)), lambda w, j: w[j], exact=True)
        for n, c, shape in [
            (1, 1, (1,)), (5, 31, (7,)), (33, 33, (4, 9)), (257, 65, (40,)), (3, 257, (2, 3, 4)), (4099, 2, (33,)),
            (5, 3, (0,)), (5, 0, (2,)), (7, 4, ()),
        ]
    ),
]  # fmt: skip
