import numpy as np

import pydl
import pydl.nn.functional as F
from pydl.testing import Case


def layer_norm(x, features, weight=None, bias=None, eps=1e-5):
    axes = tuple(range(-len(features), 0))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    return y * (1 if weight is None else weight) + (0 if bias is None else bias)


def batch_norm(x, weight=None, bias=None, mean=None, var=None, eps=1e-5):
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    mean, var = (x.mean(axes), x.var(axes)) if mean is None else (mean, var)
    y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
    return y * (1 if weight is None else weight.reshape(shape)) + (0 if bias is None else bias.reshape(shape))


def far_from_zero(*shape):
    """A mean of 100 standard deviations: sums of squares would cancel."""
    return lambda rng: rng.standard_normal(shape) + 100


def running(channels):
    return lambda rng: rng.uniform(0.5, 2.0, channels)


def batch_norm_with_statistics(x, w, b, momentum=0.1):
    """y and the running statistics afterwards, from mean 0 and variance 1."""
    mean, var = pydl.zeros(x.shape[1], dtype=x.dtype), pydl.ones(x.shape[1], dtype=x.dtype)
    return F.batch_norm(x, mean, var, w, b, True, momentum), mean, var


def batch_norm_with_statistics_oracle(x, w, b, momentum=0.1):
    axes = (0, *range(2, x.ndim))
    return batch_norm(x, w, b), momentum * x.mean(axes), 1 + momentum * (x.var(axes, ddof=1) - 1)


SHAPES = [
    (3, 31),
    (33, 1),
    (2, 257),
    (257, 33),
    (1, 3, 31),
    (5, 4, 33),
    (2, 3, 5, 7),
    (3, 17, 4, 4),
    (600, 5),
    (2, 1, 4099),
]

CASES = [
    *(
        Case(
            "layer_norm",
            lambda x, w, b, n=n: F.layer_norm(x, (n,), w, b),
            ((r, n), (n,), (n,)),
            lambda x, w, b: layer_norm(x, (1,), w, b),
            peer=n > 1,  # the gradient is 0 for one feature, where PyTorch has rounding errors
        )
        for r, n in [(3, 31), (33, 1), (1, 257), (257, 33), (2, 4099)]
    ),
    Case(
        "layer_norm",
        lambda x: F.layer_norm(x, (3, 5), eps=0.1),
        ((2, 4, 3, 5),),
        lambda x: layer_norm(x, (3, 5), eps=0.1),
    ),
    Case("layer_norm", lambda x, w: F.layer_norm(x, (8,), w), ((0, 8), (8,)), lambda x, w: x),
    Case(
        "layer_norm far from 0",
        lambda x: F.layer_norm(x, (70,)),
        (far_from_zero(3, 70),),
        lambda x: layer_norm(x, (1,)),
        orders=1,
    ),
    *(
        Case(
            "batch_norm",
            lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
            (shape, shape[1:2], shape[1:2]),
            batch_norm,
        )
        for shape in SHAPES
    ),
    Case(
        "batch_norm",
        lambda x: F.batch_norm(x, None, None, training=True, eps=0.1),
        ((4, 3, 5),),
        lambda x: batch_norm(x, eps=0.1),
    ),
    Case(
        "batch_norm",
        lambda x, b: F.batch_norm(x, None, None, None, b, True),
        ((4, 3), (3,)),
        lambda x, b: batch_norm(x, None, b),
    ),
    Case("batch_norm", lambda x: F.batch_norm(x, None, None, training=True), ((0, 3, 4),), lambda x: x),
    Case(
        "batch_norm far from 0",
        lambda x: F.batch_norm(x, None, None, training=True),
        (far_from_zero(5, 3, 70),),
        batch_norm,
        orders=1,
    ),
    Case(
        "batch_norm far from 0",
        lambda x: F.batch_norm(x, None, None, training=True),
        (far_from_zero(270, 3),),
        batch_norm,
        orders=1,
    ),
    *(
        Case(
            "batch_norm statistics",
            batch_norm_with_statistics,
            (shape, shape[1:2], shape[1:2]),
            batch_norm_with_statistics_oracle,
            orders=0,
        )
        for shape in [(31, 3), (4, 20, 6, 6)]
    ),
    *(
        Case(
            "batch_norm evaluation",
            lambda x, w, b: F.batch_norm(
                x,
                x.detach()[0].reshape(x.shape[1], -1)[:, 0],
                (x.detach() * x.detach())[1].reshape(x.shape[1], -1)[:, 0],
                w,
                b,
            ),
            (shape, shape[1:2], shape[1:2]),
            lambda x, w, b: batch_norm(
                x, w, b, x[0].reshape(x.shape[1], -1)[:, 0], (x * x)[1].reshape(x.shape[1], -1)[:, 0]
            ),
            orders=0,
        )
        for shape in [(3, 31), (4, 20, 6, 6)]
    ),
]
# Evaluation treats the running statistics as inputs like any other, which PyTorch does not differentiate.
CASES += [
    Case(
        "batch_norm evaluation",
        lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b),
        (shape, shape[1:2], running(shape[1]), shape[1:2], shape[1:2]),
        lambda x, m, v, w, b: batch_norm(x, w, b, m, v),
        peer=False,
    )
    for shape in [(1, 3), (33, 17), (2, 3, 5, 7), (0, 4, 2)]
]
