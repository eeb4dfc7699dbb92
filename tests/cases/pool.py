import math

import numpy as np

import pydl.nn.functional as F
from pydl.testing import Case


def distinct(*shape):
    """Numbers without ties, far enough apart for finite differences."""
    return lambda rng: rng.permutation(math.prod(shape)).reshape(shape) / 8.0


def few(*shape):
    """Whole numbers with many ties, some infinities and a NaN: the results are exact."""

    def make(rng):
        x = rng.integers(-2, 3, shape).astype(float)
        x.flat[3::7] = -np.inf
        x.flat[5::31] = np.nan
        return x

    return make


def sizes(n, k, s, p, d, ceil_mode):
    out = (n + 2 * p - d * (k - 1) - 1) / s
    out = (math.ceil if ceil_mode else math.floor)(out) + 1
    return out - 1 if ceil_mode and (out - 1) * s >= n + p else out


def pair(v, default=None):
    v = default if v is None else v
    return (v, v) if isinstance(v, int) else tuple(v)


def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Window by window; values and places."""
    k, p, d = pair(kernel_size), pair(padding), pair(dilation)
    s = pair(stride, k)
    H, W = x.shape[-2:]
    oh, ow = (sizes(n, *a, ceil_mode) for n, *a in zip((H, W), k, s, p, d, strict=True))
    planes = x.reshape(-1, H, W)
    y, at = np.empty((len(planes), oh, ow), x.dtype), np.empty((len(planes), oh, ow), np.int64)
    for q, i, j in np.ndindex(y.shape):
        best, place = -np.inf, None
        for a in range(k[0]):
            for b in range(k[1]):
                r, c = i * s[0] - p[0] + a * d[0], j * s[1] - p[1] + b * d[1]
                if 0 <= r < H and 0 <= c < W:
                    v = planes[q, r, c]
                    if place is None or v > best or np.isnan(v):
                        best, place = v, r * W + c
        y[q, i, j], at[q, i, j] = best, place
    return y.reshape(*x.shape[:-2], oh, ow), at.reshape(*x.shape[:-2], oh, ow)


def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    k, p = pair(kernel_size), pair(padding)
    s = pair(stride, k)
    H, W = x.shape[-2:]
    oh, ow = (sizes(n, *a, 1, ceil_mode) for n, *a in zip((H, W), k, s, p, strict=True))
    y = np.empty((*x.shape[:-2], oh, ow), x.dtype)
    for i, j in np.ndindex(oh, ow):
        r0, c0 = i * s[0] - p[0], j * s[1] - p[1]
        r1, c1 = min(r0 + k[0], H + p[0]), min(c0 + k[1], W + p[1])
        inside = x[..., max(r0, 0) : min(r1, H), max(c0, 0) : min(c1, W)]
        count = (r1 - r0) * (c1 - c0) if count_include_pad else inside.shape[-1] * inside.shape[-2]
        y[..., i, j] = inside.sum((-1, -2)) / (divisor_override or count)
    return y


def adaptive(x, size, function):
    H, W = x.shape[-2:]
    y = np.empty((*x.shape[:-2], *size), x.dtype)
    for i, j in np.ndindex(size):
        rows = slice(i * H // size[0], -(-(i + 1) * H // size[0]))
        columns = slice(j * W // size[1], -(-(j + 1) * W // size[1]))
        y[..., i, j] = function(x[..., rows, columns], axis=(-1, -2))
    return y


WINDOWS = [
    ((2, 3, 8, 8), {"kernel_size": 2}),
    ((1, 2, 7, 9), {"kernel_size": 2}),
    ((3, 31, 33), {"kernel_size": 2}),
    ((2, 1, 5, 70), {"kernel_size": 2, "stride": 1}),
    ((1, 2, 9, 11), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((1, 1, 14, 75), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 2, 8, 7), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ((1, 1, 4, 4), {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
    ((1, 2, 6, 7), {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)}),
    ((0, 2, 4, 4), {"kernel_size": 2}),
    ((1, 1, 1, 1), {"kernel_size": 1}),
    ((1, 2, 5, 5), {"kernel_size": 5}),
    ((1, 1, 13, 17), {"kernel_size": 4, "stride": 4, "padding": 2}),
]
DILATED = [
    ((1, 2, 9, 40), {"kernel_size": 3, "dilation": 2}),
    ((1, 2, 9, 10), {"kernel_size": (2, 3), "stride": 2, "padding": 1, "dilation": (3, 2)}),
]

CASES = [
    *(
        Case(
            "max_pool2d",
            lambda x, **a: F.max_pool2d(x, **a),
            (distinct(*shape),),
            lambda x, **a: max_pool(x, **a)[0],
            attrs=attrs,
        )
        for shape, attrs in WINDOWS + DILATED
    ),
    *(
        Case(
            "max_pool2d ties",
            lambda x, **a: F.max_pool2d(x, return_indices=True, **a),
            (few(*shape),),
            max_pool,
            orders=0,
            exact=True,
            attrs=attrs,
        )
        for shape, attrs in WINDOWS + DILATED
    ),
    Case(
        "max_pool2d indices",
        lambda x: F.max_pool2d(x, 2, return_indices=True),
        (distinct(2, 6, 7),),
        lambda x: max_pool(x, 2),
    ),
    *(
        Case("avg_pool2d", lambda x, **a: F.avg_pool2d(x, **a), (shape,), avg_pool, attrs=attrs | more)
        for shape, attrs in WINDOWS
        for more in ({}, {"count_include_pad": False})
        if not more or attrs.get("padding")
    ),
    Case(
        "avg_pool2d",
        lambda x: F.avg_pool2d(x, 3, 2, divisor_override=5),
        ((2, 2, 7, 8),),
        lambda x: avg_pool(x, 3, 2, divisor_override=5),
    ),
    *(
        Case(
            f"max_pool1d {attrs}",
            lambda x, attrs=attrs: F.max_pool1d(x, return_indices=True, **attrs),
            (distinct(*shape),),
            lambda x, attrs=attrs: tuple(
                a.reshape(*x.shape[:-1], -1)
                for a in max_pool(
                    x[..., None, :],
                    **{k: v if k == "ceil_mode" else (0 if k == "padding" else 1, v) for k, v in attrs.items()},
                )
            ),
        )
        for shape, attrs in [
            ((2, 3, 33), {"kernel_size": 2}),
            ((3, 40), {"kernel_size": 3, "stride": 2, "padding": 1}),
            ((1, 2, 20), {"kernel_size": 3, "stride": 4, "dilation": 2, "ceil_mode": True}),
        ]
    ),
    *(
        Case(
            f"avg_pool1d {attrs}",
            lambda x, attrs=attrs: F.avg_pool1d(x, **attrs),
            (shape,),
            lambda x, attrs=attrs: avg_pool(
                x[..., None, :],
                **{k: v if k.startswith("c") else (0 if k == "padding" else 1, v) for k, v in attrs.items()},
            )[..., 0, :],
        )
        for shape, attrs in [
            ((2, 3, 33), {"kernel_size": 2}),
            ((3, 40), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
            ((1, 2, 20), {"kernel_size": 20}),
        ]
    ),
    *(
        Case(
            "adaptive_avg_pool2d",
            lambda x, size=size: F.adaptive_avg_pool2d(x, size),
            (shape,),
            lambda x, size=size: adaptive(x, pair(size), np.mean),
        )
        for shape, size in [
            ((2, 3, 7, 7), 1),
            ((2, 10, 33), (3, 7)),
            ((1, 2, 5, 4), (8, 9)),
            ((1, 2, 12, 12), 4),
            ((0, 2, 3, 3), 2),
            ((2, 6, 31), (2, 1)),
        ]
    ),
    Case(
        "adaptive_avg_pool2d",
        lambda x: F.adaptive_avg_pool2d(x, (None, 2)),
        ((2, 3, 5),),
        lambda x: adaptive(x, (3, 2), np.mean),
    ),
    Case(
        "adaptive_avg_pool1d",
        lambda x: F.adaptive_avg_pool1d(x, 5),
        ((2, 3, 33),),
        lambda x: adaptive(x[..., None, :], (1, 5), np.mean)[..., 0, :],
    ),
    *(
        Case(
            "adaptive_max_pool2d",
            lambda x, size=size: F.adaptive_max_pool2d(x, size),
            (distinct(*shape),),
            lambda x, size=size: adaptive(x, pair(size), np.max),
        )
        for shape, size in [((2, 3, 7, 7), 1), ((2, 10, 33), (3, 7)), ((1, 2, 5, 4), (8, 9)), ((0, 2, 3, 3), 2)]
    ),
    Case(
        "adaptive_max_pool2d ties",
        lambda x: F.adaptive_max_pool2d(x, 4, return_indices=True),
        (few(2, 12, 8),),
        lambda x: max_pool(x, (3, 2)),
        orders=0,
        exact=True,
    ),
    Case(
        "adaptive_max_pool1d",
        lambda x: F.adaptive_max_pool1d(x, 5),
        (distinct(2, 3, 33),),
        lambda x: adaptive(x[..., None, :], (1, 5), np.max)[..., 0, :],
    ),
]
