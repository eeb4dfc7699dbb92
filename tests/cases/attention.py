import numpy as np

import pydl.nn.functional as F
from pydl.testing import Case


def attention(q, k, v, mask=None, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    s = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        s = np.where(np.tril(np.ones(s.shape[-2:], bool)), s, -np.inf)
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    top = s.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(s - np.where(np.isinf(top), 0, top))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total) @ v


def sdpa(name="", peer=True, **attrs):
    def case(*shapes):
        return Case(
            f"scaled_dot_product_attention {name}".strip(), F.scaled_dot_product_attention, shapes, attention, attrs=attrs,
            peer=peer,
        )  # fmt: skip

    return case


def visible(*shape):
    """A random mask in which every query sees its first key."""

    def make(rng):
        mask = rng.random(shape) > 0.4
        mask[..., 0] = True
        return mask

    return make


def some_rows_hidden(*shape):
    def make(rng):
        mask = rng.random(shape) > 0.4
        mask[..., ::2, :] = False
        return mask

    return make


CASES = [
    *(
        sdpa()((b, h, n, e), (b, h, s, e), (b, h, s, d))
        for b, h, n, s, e, d in [(2, 3, 5, 7, 4, 6), (1, 1, 1, 1, 1, 1), (1, 2, 65, 257, 8, 33), (2, 1, 129, 31, 17, 5)]
    ),
    sdpa("causal", is_causal=True)((1, 2, 70, 8), (1, 2, 70, 8), (1, 2, 70, 8)),
    sdpa("causal", is_causal=True)((2, 1, 33, 8), (2, 1, 300, 8), (2, 1, 300, 8)),
    sdpa("causal", is_causal=True)((1, 1, 40, 4), (1, 1, 9, 4), (1, 1, 9, 4)),
    sdpa("scale", scale=0.3)((1, 2, 5, 4), (1, 2, 6, 4), (1, 2, 6, 4)),
    sdpa("bool mask")((2, 3, 9, 4), (2, 3, 11, 4), (2, 3, 11, 4), visible(2, 1, 9, 11)),
    sdpa("bool mask")((2, 3, 9, 4), (2, 3, 11, 4), (2, 3, 11, 4), visible(9, 11)),
    sdpa("padding")((2, 3, 9, 4), (2, 3, 300, 4), (2, 3, 300, 4), visible(2, 1, 1, 300)),
    sdpa("hidden rows", peer=False)((2, 3, 9, 4), (2, 3, 11, 4), (2, 3, 11, 4), some_rows_hidden(2, 1, 9, 11)),
    sdpa("added mask")((2, 3, 9, 4), (2, 3, 11, 4), (2, 3, 11, 4), (3, 9, 11)),
    sdpa("grouped", enable_gqa=True)((2, 4, 7, 8), (2, 2, 9, 8), (2, 2, 9, 8)),
    sdpa("grouped", enable_gqa=True, is_causal=True)((1, 6, 70, 8), (1, 1, 70, 8), (1, 1, 70, 8)),
    sdpa("three axes")((3, 5, 4), (3, 6, 4), (3, 6, 4)),
    sdpa("two axes")((5, 4), (6, 4), (6, 3)),
    sdpa("five axes")((2, 1, 3, 5, 4), (2, 2, 3, 6, 4), (2, 2, 3, 6, 4)),
    sdpa("empty")((0, 2, 5, 4), (0, 2, 6, 4), (0, 2, 6, 4)),
    sdpa("no keys", peer=False)((1, 2, 5, 4), (1, 2, 0, 4), (1, 2, 0, 3)),
]
