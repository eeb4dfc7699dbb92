"""Normalization over features and over batches."""

from __future__ import annotations

import math

import numpy as np

from ..backend import empty, empty_like
from ..grad_mode import no_grad
from ..op import op
from ..tensor import Tensor

# fmt: off
__all__ = [
    "batch_norm", "layer_norm",
]
# fmt: on


# ---- layer norm


@op
def _layer_norm(x, weight, bias, *, eps):
    """(x - mean) / √(var + eps) · weight + bias over the last axis of x (..., C), with the biased variance."""
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
    if len(shape) == 1:
        return _layer_norm(input, weight, bias, eps=eps)
    features = math.prod(shape)
    flat = [None if p is None else p.reshape(features) for p in (weight, bias)]
    return _layer_norm(input.reshape(*input.shape[: -len(shape)], features), *flat, eps=eps).reshape(input.shape)


# ---- batch norm


def _affine(x: Tensor, centre: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """(x - centre) / √(var + eps) · weight + bias with parameters (C,) on axis 1 of x."""
    shape = (1, -1, *[1] * (x.ndim - 2))
    y = (x - centre.reshape(shape)) / (var.reshape(shape) + eps).sqrt()
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


@op
def _batch_norm(x, weight, bias, *, eps):
    """The normalized x (N, C, ...) and the mean and biased variance (C,) over all axes but C that normalized it."""
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes)
    var = (x - mean.reshape(1, -1, *[1] * (x.ndim - 2))).square().mean(axes)
    return _affine(x, mean, var, weight, bias, eps), mean, var


@_batch_norm.forward
def _(k, x, weight, bias, *, eps):
    y, mean, var = empty_like(x), empty(x.shape[1:2], x.dtype), empty(x.shape[1:2], x.dtype)
    k.batch_norm_forward(x, weight, bias, y, mean, var, eps)
    return (y, mean, var), (x, weight, bias, mean, var)


@_batch_norm.backward
def _(k, saved, gy, gmean, gvar, *, eps):
    x, weight, bias, mean, var = saved
    gx, gweight, gbias = empty_like(x), empty_like(mean), empty_like(mean)
    k.batch_norm_backward(x, weight, mean, var, gy, gmean, gvar, gx, gweight, gbias, eps)
    return gx, None if weight is None else gweight, None if bias is None else gbias


@op
def _batch_norm_eval(x, mean, var, weight, bias, *, eps):
    """x (N, C, ...) normalized by given statistics (C,)."""
    return _affine(x, mean, var, weight, bias, eps)


@_batch_norm_eval.forward
def _(k, x, mean, var, weight, bias, *, eps):
    y = empty_like(x)
    k.batch_norm_eval_forward(x, mean, var, weight, bias, y, eps)
    return y, (x, mean, var, weight, bias)


@_batch_norm_eval.backward
def _(k, saved, gy, *, eps):
    x, mean, var, weight, bias = saved
    gx, (gmean, gvar, gweight, gbias) = empty_like(x), (empty_like(mean) for _ in range(4))
    k.batch_norm_eval_backward(x, mean, var, weight, gy, gx, gmean, gvar, gweight, gbias, eps)
    return gx, gmean, gvar, None if weight is None else gweight, None if bias is None else gbias


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(var + eps) · weight + bias for each channel of input (N, C, *); parameters and statistics (C,).

    training: mean and biased variance of the batch, and the running statistics, where given, move towards the batch's
    mean and unbiased variance: running += momentum · (batch - running). Else the running statistics normalize.
    Source: Ioffe, Szegedy 2015.
    """
    if input.ndim < 2:
        raise RuntimeError(f"batch_norm: expected an input with at least 2 axes (N, C, ...), got shape {input.shape}")
    channels = input.shape[1]
    for p, name in (running_mean, "running_mean"), (running_var, "running_var"), (weight, "weight"), (bias, "bias"):
        if p is None:
            continue
        if p.shape != (channels,):
            raise RuntimeError(
                f"batch_norm: {name} has shape {p.shape}, expected ({channels},) for input {input.shape}"
            )
        if p.dtype != input.dtype:
            raise RuntimeError(f"batch_norm: {name} is {p.dtype}, input {input.dtype}")
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: running_mean and running_var must be given in evaluation mode")
        return _batch_norm_eval(input, running_mean, running_var, weight, bias, eps=eps)
    n = math.prod(input.shape) // channels if channels else 0
    if n == 1:
        raise ValueError(f"batch_norm: expected more than 1 value per channel when training, got input {input.shape}")
    y, mean, var = _batch_norm(input, weight, bias, eps=eps)
    if n and (running_mean is not None or running_var is not None):
        with no_grad():
            _move(running_mean, mean.data, momentum)
            _move(running_var, var.data * (n / (n - 1)), momentum)
    return y


def _move(running: Tensor | None, value: np.ndarray, momentum: float) -> None:
    if running is not None:
        running.add_(Tensor((value - running.data) * np.asarray(momentum, value.dtype)))
