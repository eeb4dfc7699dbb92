import numpy as np

import pydl
import pydl.nn.functional as F
from pydl.testing import Case

SEED = 0x1234567890ABCDEF


def words(count):
    """The 32-bit words of Philox4x32-10 for SEED and counters 0, 1, ..., by its definition."""
    made = []
    for counter in range(-(-count // 4)):
        c, key = [counter, 0, 0, 0], [SEED & 0xFFFFFFFF, SEED >> 32]
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [q >> 32 ^ c[1] ^ key[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ key[1], p & 0xFFFFFFFF]
            key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
        made += c
    return np.array(made[:count], np.float64)


def mask(p, *shape):
    return (words(int(np.prod(shape))) >= np.floor(p * 2.0**32)).reshape(shape) / (1.0 - p if p < 1.0 else 1.0)


def seeded(function, **options):
    def run(x):
        pydl.manual_seed(SEED)
        return function(x, **options)

    return run


CASES = [
    *(
        Case("dropout", seeded(F.dropout, p=0.3), (shape,), lambda x: x * mask(0.3, *x.shape), peer=False)
        for shape in [(0,), (1,), (31,), (33,), (257,), (4099,), (2, 3, 5), ()]
    ),
    *(
        Case("dropout", seeded(F.dropout, p=p), ((7, 9),), lambda x, p=p: x * mask(p, *x.shape), peer=False)
        for p in (0.5, 0.0)
    ),
    Case("dropout", seeded(F.dropout, p=1.0), ((7, 9),), lambda x: 0.0 * x, peer=False),
    Case("dropout", seeded(F.dropout, p=0.5, training=False), ((7, 9),), lambda x: x, peer=False),
    Case("dropout1d", seeded(F.dropout1d), ((3, 4, 5),), lambda x: x * mask(0.5, 3, 4, 1), peer=False),
    Case("dropout2d", seeded(F.dropout2d), ((2, 3, 4, 5),), lambda x: x * mask(0.5, 2, 3, 1, 1), peer=False),
    Case("dropout3d", seeded(F.dropout3d, p=0.2), ((4, 2, 3, 2),), lambda x: x * mask(0.2, 4, 1, 1, 1), peer=False),
]
