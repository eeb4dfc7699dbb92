"""Scaled dot-product attention with masks, in memory that grows with the length and not with its square."""

from __future__ import annotations

import math

import numpy as np

from ..backend import empty, empty_like
from ..op import op
from ..random import default_generator
from ..tensor import Tensor
from .dropout import _dropout
from .elementwise import INF
from .join import repeat_interleave

# fmt: off
__all__ = ["scaled_dot_product_attention"]
# fmt: on


@op
def _attention(q, k, v, mask, *, scale, causal, dropout, seed, offset):
    """softmax(scale q kᵀ + mask) v; a query that sees no key gives zeros.

    q (B, H, L, E), k (B, G, S, E), v (B, G, S, D): head h reads group h // (H / G). mask (B, H, L, S): bool (true: visible)
    or added to the scores, or None; causal: query i sees keys 0 to i.
    """
    if k.shape[1] != q.shape[1]:
        k, v = (repeat_interleave(x, q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = q @ k.transpose(-1, -2) * scale
    if causal:
        scores = scores.masked_fill(Tensor(np.triu(np.ones(scores.shape[-2:], bool), 1)), -INF)
    if mask is not None:
        scores = scores.masked_fill(~mask, -INF) if mask.dtype.kind == "b" else scores + mask
    largest = scores.detach().amax(-1, keepdim=True)
    weights = (scores - largest.masked_fill(largest == -INF, 0.0)).exp()
    total = weights.sum(-1, keepdim=True)
    weights = weights / total.masked_fill(total == 0.0, 1.0)
    if dropout > 0.0:
        weights = _dropout(weights, p=dropout, seed=seed, offset=offset)
    return weights @ v


@_attention.forward
def _(kernels, q, k, v, mask, *, scale, causal, dropout, seed, offset):
    y, lse = empty((*q.shape[:3], v.shape[3]), q.dtype), empty(q.shape[:3], q.dtype)
    kernels.attention_forward(q, k, v, mask, y, lse, scale, causal, dropout, seed, offset)
    return y, (q, k, v, mask, y, lse)


@_attention.backward
def _(kernels, saved, gy, *, scale, causal, dropout, seed, offset):
    q, k, v, mask, y, lse = saved
    gq, gk, gv = map(empty_like, (q, k, v))
    kernels.attention_backward(q, k, v, mask, y, lse, gy, gq, gk, gv, scale, causal, dropout, seed, offset)
    return gq, gk, gv, None


def _four_axes(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    """(*lead, ·, ·) with the leading axes stretched to `lead` and brought to two."""
    x = x.expand(*lead, *x.shape[-2:])
    return x if len(lead) == 2 else x.reshape(math.prod(lead[:-1]), lead[-1] if lead else 1, *x.shape[-2:])


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale · query keyᵀ + mask) value, with dropout on the weights. Source: Vaswani et al. 2017; Dao et al. 2022.

    query (*, L, E), key (*, S, E), value (*, S, D) to (*, L, D); attn_mask broadcasts to (*, L, S): bool, true where a key is
    visible, or floating, added to the scores. is_causal: query i sees keys 0 to i. scale: 1/√E by default. enable_gqa: axis
    -3 of key and value may divide that of query. A query that sees no key gives zeros, with zero gradients.
    """
    for name, x in (("key", key), ("value", value)):
        if x.dtype != query.dtype or query.dtype.kind != "f":
            raise RuntimeError(
                f"scaled_dot_product_attention: query is {query.dtype}, {name} is {x.dtype}; expected one floating dtype"
            )
    if (
        min(query.ndim, key.ndim, value.ndim) < 2
        or query.shape[-1] != key.shape[-1]
        or key.shape[-2] != value.shape[-2]
    ):
        raise RuntimeError(
            "scaled_dot_product_attention: expected query (*, L, E), key (*, S, E), value (*, S, D), "
            f"got {query.shape}, {key.shape}, {value.shape}"
        )
    if not 0.0 <= dropout_p <= 1.0:
        raise ValueError(f"scaled_dot_product_attention: dropout_p must be in [0, 1], got {dropout_p}")
    if attn_mask is not None and is_causal:
        raise RuntimeError("scaled_dot_product_attention: attn_mask must not be given with is_causal=True")
    groups = key.shape[-3] if key.ndim > 2 else 1
    if enable_gqa:
        heads = query.shape[-3]
        if groups == 0 or heads % groups or value.shape[-3] != groups:
            raise RuntimeError(
                f"scaled_dot_product_attention: {heads} query heads are not a multiple of {groups} key and "
                f"{value.shape[-3]} value heads"
            )
        batch = np.broadcast_shapes(query.shape[:-3], key.shape[:-3], value.shape[:-3])
        lead, key_lead = (*batch, heads), (*batch, groups)
    else:
        lead = key_lead = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    length, keys = query.shape[-2], key.shape[-2]
    mask = attn_mask
    if mask is not None:
        if mask.dtype.kind != "b" and mask.dtype != query.dtype:
            raise RuntimeError(
                f"scaled_dot_product_attention: attn_mask is {mask.dtype}, expected bool or query's {query.dtype}"
            )
        mask = _four_axes(mask.expand(*(mask.shape[:-2] or ()), length, keys), lead)
    q, k, v = _four_axes(query, lead), _four_axes(key, key_lead), _four_axes(value, key_lead)
    seed = offset = 0
    if dropout_p > 0.0:
        seed, offset = default_generator.take(-(-q.shape[0] * q.shape[1] * length * keys // 4))
    attend = _attention.reference if mask is not None and mask.requires_grad else _attention
    if keys == 0:
        attend = _nothing_to_see
    y = attend(
        q, k, v, mask, scale=1.0 / math.sqrt(query.shape[-1]) if scale is None else float(scale), causal=is_causal,
        dropout=float(dropout_p), seed=seed, offset=offset,
    )  # fmt: skip
    return y.reshape(*lead, length, value.shape[-1])


def _nothing_to_see(q, k, v, mask, **attrs):
    return q @ k.transpose(-1, -2) @ v  # zeros, with the right history
