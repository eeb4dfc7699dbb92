import numpy as np

from pydl.ops.norm import layer_norm
from pydl.testing import Case


def _layer_norm(x, features, weight=None, bias=None, eps=1e-5):
    axes = tuple(range(-len(features), 0))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    return y * (1 if weight is None else weight) + (0 if bias is None else bias)


CASES = [
    *(
        Case(
            "layer_norm",
            lambda x, w, b, n=n: layer_norm(x, n, w, b),
            ((r, n), (n,), (n,)),
            lambda x, w, b: _layer_norm(x, (1,), w, b),
        )
        for r, n in [(3, 31), (33, 1), (1, 257), (257, 33), (2, 4099)]
    ),
    Case(
        "layer_norm",
        lambda x: layer_norm(x, (3, 5), eps=0.1),
        ((2, 4, 3, 5),),
        lambda x: _layer_norm(x, (3, 5), eps=0.1),
    ),
    Case("layer_norm", lambda x, w: layer_norm(x, 8, w), ((0, 8), (8,)), lambda x, w: x),
]
