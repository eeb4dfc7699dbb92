"""Normalization over features and over batches."""

from __future__ import annotations

import math

from ..backend import empty, empty_like
from ..op import op
from ..tensor import Tensor

# fmt: off
__all__ = [
    "layer_norm",
]
# fmt: on


@op
def _layer_norm(x, weight, bias, *, eps):
    """(x - mean) / √(var + eps) · weight + bias over the last axis of x (..., C); biased variance; weight, bias (C,) or None."""
    centred = x - x.mean(-1, keepdim=True)
    y = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@_layer_norm.forward
def _(k, x, weight, bias, *, eps):
    y, mean, rstd = empty_like(x), empty(x.shape[:-1], x.dtype), empty(x.shape[:-1], x.dtype)
    k.layer_norm_forward(x, weight, bias, y, mean, rstd, eps)
    return y, (x, weight, bias, mean, rstd)


@_layer_norm.backward
def _(k, saved, gy, *, eps):
    x, weight, bias, mean, rstd = saved
    gx = empty_like(x)
    gweight, gbias = (None if p is None else empty_like(p) for p in (weight, bias))
    k.layer_norm_backward(x, weight, mean, rstd, gy, gx, gweight, gbias)
    return gx, gweight, gbias


def layer_norm(
    input: Tensor, normalized_shape, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / √(var + eps) · weight + bias, mean and biased variance over the last axes `normalized_shape`.

    input (*, *normalized_shape); weight, bias normalized_shape or None. Source: Ba, Kiros, Hinton 2016.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise RuntimeError(f"layer_norm: input {input.shape} does not end in normalized_shape {shape}")
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and p.shape != shape:
            raise RuntimeError(f"layer_norm: {name} has shape {p.shape}, expected {shape}")
    features = math.prod(shape)
    flat = [None if p is None else p.reshape(features) for p in (weight, bias)]
    return _layer_norm(input.reshape(*input.shape[: -len(shape)], features), *flat, eps=eps).reshape(input.shape)
