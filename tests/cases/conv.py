import math

import numpy as np

import pydl.nn.functional as F
from pydl.testing import Case


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def _pairs(kernel, size, stride, padding, dilation):
    """(output position, tap, input position) of one axis, for those that lie inside the input."""
    for r in range((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1):
        for i in range(kernel):
            if 0 <= r * stride + i * dilation - padding < size:
                yield r, i, r * stride + i * dilation - padding


def _axes(kernel, size, stride, padding, dilation):
    """Output sizes, and the triples of both axes."""
    args = list(zip(kernel, size, pair(stride), pair(padding), pair(dilation), strict=True))
    sizes = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for k, n, s, p, d in args]
    return sizes, [list(_pairs(*a)) for a in args]


def _grouped(f, x, w, groups, x_axis=1):
    parts = zip(np.split(x, groups, 1), np.split(w, groups, 0), strict=True)
    return np.concatenate([f(a, b) for a, b in parts], 1)


def _conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    def one(x, w):
        (rows, columns), (vertical, horizontal) = _axes(w.shape[2:], x.shape[2:], stride, padding, dilation)
        y = np.zeros((len(x), len(w), rows, columns), x.dtype)
        for r, i, h in vertical:
            for q, j, v in horizontal:
                y[:, :, r, q] += x[:, :, h, v] @ w[:, :, i, j].T
        return y

    return _grouped(one, x, w, groups) + (0 if b is None else b[:, None, None])


def _conv_transpose2d(x, w, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    def one(x, w):
        size = [
            (n - 1) * s - 2 * p + d * (k - 1) + e + 1
            for n, k, s, p, d, e in zip(
                x.shape[2:], w.shape[2:], *map(pair, (stride, padding, dilation, output_padding)), strict=True
            )
        ]
        y = np.zeros((len(x), w.shape[1], *size), x.dtype)
        _, (vertical, horizontal) = _axes(w.shape[2:], size, stride, padding, dilation)
        for r, i, h in vertical:
            for q, j, v in horizontal:
                if r < x.shape[2] and q < x.shape[3]:
                    y[:, :, h, v] += x[:, :, r, q] @ w[:, :, i, j]
        return y

    return _grouped(one, x, w, groups) + (0 if b is None else b[:, None, None])


def _flat(f):
    """A function of images on images of height 1."""

    def on_rows(x, w, b=None, stride=1, padding=0, **attrs):
        attrs = {k: v if k == "groups" else (0 if k == "output_padding" else 1, v) for k, v in attrs.items()}
        return f(x[:, :, None], w[:, :, None], b, (1, stride), (0, padding), **attrs)[:, :, 0]

    return on_rows


def _same(x, w):
    """Kernel (3, 4), dilation (1, 2): 1 + 1 rows and 3 + 3 columns of zeros."""
    return _conv2d(np.pad(x, ((0, 0), (0, 0), (1, 1), (3, 3))), w, dilation=(1, 2))


def _same_even(x, w):
    """Kernel 2: the zeros are after."""
    return _conv2d(np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1))), w)


def _unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    kh, kw = pair(kernel_size)
    (rows, columns), (vertical, horizontal) = _axes((kh, kw), x.shape[2:], stride, padding, dilation)
    y = np.zeros((*x.shape[:2], kh, kw, rows, columns), x.dtype)
    for r, i, h in vertical:
        for q, j, v in horizontal:
            y[:, :, i, j, r, q] = x[:, :, h, v]
    return y.reshape(len(x), -1, rows * columns)


def _fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    kh, kw = pair(kernel_size)
    (rows, columns), (vertical, horizontal) = _axes((kh, kw), output_size, stride, padding, dilation)
    x = x.reshape(len(x), -1, kh, kw, rows, columns)
    y = np.zeros((*x.shape[:2], *output_size), x.dtype)
    for r, i, h in vertical:
        for q, j, v in horizontal:
            y[:, :, h, v] += x[:, :, i, j, r, q]
    return y


def infinite(rng):
    x = rng.standard_normal((2, 3, 9, 17))
    x[0, 1, 2, 16], x[1, 0, 8, 0], x[1, 2, 0, 3] = np.inf, -np.inf, np.nan
    return x


def cases(name, function, oracle, *rows):
    return [Case(name, function, shapes, oracle, attrs=attrs) for *shapes, attrs in rows for shapes in [tuple(shapes)]]


ACTIVATIONS = {
    "relu": lambda y: np.maximum(y, 0),
    "gelu": lambda y: y * 0.5 * (1 + np.vectorize(math.erf, otypes=[y.dtype])(y / math.sqrt(2))),
    "tanh": np.tanh,
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
}

CASES = [
    *cases(
        "conv2d", F.conv2d, _conv2d,
        ((2, 3, 9, 8), (4, 3, 3, 3), (4,), {}),
        ((1, 1, 1, 1), (1, 1, 1, 1), {}),
        ((3, 1, 12, 28), (6, 1, 5, 5), (6,), {"padding": 2}),
        ((3, 6, 14, 14), (16, 6, 5, 5), (16,), {}),
        ((2, 17, 7, 7), (33, 17, 3, 3), {"padding": 1}),
        ((2, 3, 11, 33), (5, 3, 4, 2), {"stride": (2, 3), "padding": (1, 0)}),
        ((1, 2, 13, 10), (3, 2, 3, 2), (3,), {"stride": 2, "padding": (4, 3), "dilation": (2, 3)}),
        ((2, 6, 5, 9), (9, 2, 3, 3), (9,), {"groups": 3, "padding": 1}),
        ((2, 5, 6, 70), (5, 1, 3, 3), (5,), {"groups": 5, "padding": 1}),
        ((2, 4, 9, 8), (4, 1, 3, 2), {"groups": 4, "stride": 2}),
        ((2, 8, 12, 11), (19, 8, 1, 1), (19,), {}),
        ((2, 3, 8, 8), (4, 3, 1, 1), {"stride": 3}),
        ((1, 2, 3, 3), (2, 2, 2, 2), {"padding": 5}),
        ((0, 2, 5, 5), (3, 2, 3, 3), (3,), {}),
        ((1, 40, 3, 33), (31, 40, 3, 3), {"padding": 1}),
    ),
    Case("conv2d", lambda x, w: F.conv2d(x, w), ((3, 5, 6), (4, 3, 2, 2)), lambda x, w: _conv2d(x[None], w)[0]),
    Case("conv2d valid", lambda x, w: F.conv2d(x, w, padding="valid"), ((2, 3, 5, 6), (4, 3, 2, 2)), _conv2d),
    Case("conv2d same", lambda x, w: F.conv2d(x, w, None, 1, "same", (1, 2)), ((2, 3, 6, 9), (4, 3, 3, 4)), _same),
    Case("conv2d same", lambda x, w: F.conv2d(x, w, padding="same"), ((2, 3, 6, 9), (4, 3, 2, 2)), _same_even),
    *(
        Case(
            f"conv2d {name}",
            lambda x, w, b=None, name=name, **a: F.conv2d(x, w, b, activation=name, **a),
            shapes,
            lambda x, w, b=None, f=f, **a: f(_conv2d(x, w, b, **a)),
            attrs=attrs,
            peer=False,
        )
        for name, f in ACTIVATIONS.items()
        for *shapes, attrs in [
            ((2, 3, 6, 17), (5, 3, 3, 3), (5,), {"padding": 1}),
            ((2, 17, 6, 7), (33, 17, 3, 3), {}),
            ((2, 4, 6, 9), (4, 1, 3, 3), (4,), {"groups": 4}),
            ((2, 3, 12, 11), (5, 3, 1, 1), (5,), {}),
        ]
    ),
    Case("conv2d", F.conv2d, (infinite, (4, 3, 3, 3)), _conv2d, orders=0),
    *cases(
        "conv1d", F.conv1d, _flat(_conv2d),
        ((2, 3, 33), (4, 3, 5), (4,), {}),
        ((2, 4, 20), (6, 2, 3), (6,), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
    ),
    *cases(
        "conv_transpose2d", F.conv_transpose2d, _conv_transpose2d,
        ((2, 3, 5, 6), (3, 4, 3, 3), (4,), {}),
        ((2, 4, 4, 5), (4, 3, 3, 2), (6,), {"stride": (2, 3), "padding": 1, "output_padding": (1, 2), "groups": 2}),
        ((1, 2, 4, 3), (2, 3, 3, 3), {"stride": 2, "padding": 1, "dilation": (3, 2), "output_padding": (2, 1)}),
        ((2, 16, 7, 7), (16, 17, 4, 4), {"stride": 2, "padding": 1}),
        ((1, 3, 5, 5), (3, 2, 1, 1), (2,), {"stride": 3}),
        ((2, 3, 12, 11), (3, 5, 1, 1), (5,), {}),
    ),
    *cases(
        "conv_transpose1d", F.conv_transpose1d, _flat(_conv_transpose2d),
        ((2, 3, 9), (3, 4, 4), (4,), {"stride": 2, "padding": 1, "output_padding": 1}),
    ),
    *cases(
        "unfold", F.unfold, _unfold,
        ((2, 3, 5, 6), {"kernel_size": 3}),
        ((2, 3, 7, 6), {"kernel_size": (2, 3), "stride": 2, "padding": (1, 2), "dilation": (2, 1)}),
    ),
    *cases(
        "fold", F.fold, _fold,
        ((2, 12, 20), {"output_size": (5, 6), "kernel_size": 2}),
        (
            (2, 18, 16),
            {"output_size": (7, 6), "kernel_size": (2, 3), "dilation": (2, 1), "padding": (1, 2), "stride": 2},
        ),
    ),
]  # fmt: skip
