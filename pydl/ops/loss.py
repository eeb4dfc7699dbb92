"""Losses. `reduction`: "none" (one value an element or label), "mean" or "sum".

Options are given by name: PyTorch has two obsolete parameters between them.
"""

from __future__ import annotations

import math
import warnings

from .. import backend, dtypes
from ..backend import empty, empty_like
from ..op import op
from ..tensor import Tensor
from .activation import logsigmoid
from .compare import where
from .elementwise import abs, clamp, exp, log
from .softmax import log_softmax

# fmt: off
__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "kl_div",
    "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss",
]
# fmt: on

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}  # the numbers that the kernels know


def _reduction(name: str, reduction: str) -> int:
    try:
        return REDUCTIONS[reduction]
    except (KeyError, TypeError):
        raise ValueError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}") from None


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


# ---- class labels


def _class_weights(target: Tensor, weight: Tensor | None, ignore_index: int, dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Of each label: itself or 0 where it is ignored, the weight of its class or 0 there, and whether it is ignored."""
    ignored = target == ignore_index
    label = target.masked_fill(ignored, 0)
    w = (~ignored).to(dtype)
    return label, w if weight is None else w * weight[label], ignored


def _picked(logp: Tensor, label: Tensor, ignored: Tensor) -> Tensor:
    """logp (N, C, ...) at each label (N, ...), 0 where it is ignored."""
    return logp.gather(1, label.unsqueeze(1)).squeeze(1).masked_fill(ignored, 0.0)


@op
def _cross_entropy(x, target, weight, *, ignore_index, label_smoothing, reduction):
    """-Σ_c w[c] q[c] log_softmax(x)[c] of each label t, q[c] = (1 - e) [c = t] + e / C with e the label smoothing.

    The mean is divided by Σ w[t]. x (N, C, ...); target (N, ...) int64, those equal to ignore_index count nothing.
    """
    logp = log_softmax(x, 1)
    label, w, ignored = _class_weights(target, weight, ignore_index, x.dtype)
    loss = _picked(logp, label, ignored) * w * (label_smoothing - 1.0)
    if label_smoothing:
        weighted = logp if weight is None else logp * weight.reshape(1, -1, *[1] * (x.ndim - 2))
        loss = loss - weighted.sum(1).masked_fill(ignored, 0.0) * (label_smoothing / x.shape[1])
    return loss.sum() / w.sum() if reduction == "mean" else _reduce(loss, reduction)


@_cross_entropy.forward
def _(k, x, target, weight, *, ignore_index, label_smoothing, reduction):
    loss = empty(target.shape if reduction == "none" else (), x.dtype)
    largest, log_sum, total_weight = empty(target.shape, x.dtype), empty(target.shape, x.dtype), empty((), x.dtype)
    k.cross_entropy_forward(
        x, target, weight, loss, largest, log_sum, total_weight, ignore_index, label_smoothing, REDUCTIONS[reduction]
    )
    return loss, (x, target, weight, largest, log_sum, total_weight)


@_cross_entropy.backward
def _(k, saved, gy, *, ignore_index, label_smoothing, reduction):
    gx = empty_like(saved[0])
    k.cross_entropy_backward(*saved, gy, gx, ignore_index, label_smoothing, REDUCTIONS[reduction])
    return gx, None, None


def _labelled(name: str, input: Tensor, target: Tensor, weight: Tensor | None) -> tuple:
    """input (N, C, ...), target (N, ...) int64 and weight, checked."""
    if input.ndim < 1 or input.dtype.kind != "f":
        raise RuntimeError(
            f"{name}: expected a floating input (C,), (N, C) or (N, C, ...), got {input.dtype} {input.shape}"
        )
    if target.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: class labels must be integers, got {target.dtype} {target.shape}")
    expected = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if target.shape != expected:
        kind = ValueError if target.shape[:1] != expected[:1] else RuntimeError
        raise kind(f"{name}: target has shape {target.shape}, expected {expected} for input {input.shape}")
    classes = input.shape[1 if input.ndim > 1 else 0]
    if weight is not None and (weight.shape != (classes,) or weight.dtype != input.dtype):
        raise RuntimeError(
            f"{name}: weight is {weight.dtype} {weight.shape}, expected {input.dtype} ({classes},), one element a class"
        )
    if input.ndim == 1:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    return input, target.to(dtypes.int64), None if weight is None else weight.detach()


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-ln softmax(input)[target], in nats, over logits input (C,), (N, C) or (N, C, ...).

    target: labels (N, ...) in [0, C) or `ignore_index`, or probabilities like input. weight (C,): a factor a class.
    The mean of labels is divided by the sum of their weights. label_smoothing e mixes the target with the uniform
    distribution: (1 - e) target + e / C (Szegedy et al. 2016). A label out of range raises IndexError.
    """
    _reduction("cross_entropy", reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}")
    if target.dtype.kind == "f":
        return _cross_entropy_of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    flat, labels, weight = _labelled("cross_entropy", input, target, weight)
    loss = _cross_entropy(
        flat, labels, weight, ignore_index=ignore_index, label_smoothing=float(label_smoothing), reduction=reduction
    )
    return loss.reshape(()) if input.ndim == 1 and reduction == "none" else loss


def _cross_entropy_of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing) -> Tensor:
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index has no meaning for a target of probabilities")
    if target.shape != input.shape:
        raise RuntimeError(f"cross_entropy: a target of probabilities has shape {target.shape}, expected {input.shape}")
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    q = target * (1.0 - label_smoothing) + label_smoothing / classes if label_smoothing else target
    logp = log_softmax(input, axis)
    if weight is not None:
        logp = logp * weight.reshape([-1 if i == axis else 1 for i in range(input.ndim)])
    loss = -(logp * q).sum(axis)
    return loss.sum() / (math.prod(input.shape) // classes) if reduction == "mean" else _reduce(loss, reduction)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-weight[target] · input[target] for log-probabilities input (C,), (N, C) or (N, C, ...) and labels (N, ...).

    The mean is divided by the sum of the labels' weights. A label out of range raises IndexError.
    """
    _reduction("nll_loss", reduction)
    x, labels, weight = _labelled("nll_loss", input, target, weight)
    k = backend.kernels(labels.data)
    try:
        k.check_labels(labels.data, x.shape[1], ignore_index)
    except IndexError as error:
        raise IndexError(f"nll_loss: {error}") from None
    label, w, ignored = _class_weights(labels, weight, ignore_index, x.dtype)
    loss = -_picked(x, label, ignored) * w
    if reduction == "mean":
        return loss.sum() / w.sum()
    return loss.sum() if reduction == "sum" else loss.reshape(target.shape)


# ---- element by element


def _smooth_absolute(x, t, a):
    d = abs(x - t)
    return where(d < a, d.square() * (0.5 / a), d - 0.5 * a) if a else d


def _huber(x, t, a):
    d = abs(x - t)
    return where(d <= a, d.square() * 0.5, (d - 0.5 * a) * a)


POINTWISE = {  # in the order of the kernels' numbers
    "squared": lambda x, t, a: (x - t).square(),
    "absolute": lambda x, t, a: abs(x - t),
    "smooth_absolute": _smooth_absolute,
    "huber": _huber,
    "logistic_cross_entropy": lambda x, t, a: (1.0 - t) * x - logsigmoid(x),
}
NUMBERS = {rule: i for i, rule in enumerate(POINTWISE)}


@op
def _pointwise_loss(x, target, *, rule, a, reduction):
    """One of the rules above, reduced; a is its threshold. The target is a constant."""
    return _reduce(POINTWISE[rule](x, target, a), reduction)


@_pointwise_loss.forward
def _(k, x, target, *, rule, a, reduction):
    loss = empty(x.shape if reduction == "none" else (), x.dtype)
    k.pointwise_loss_forward(x, target, loss, NUMBERS[rule], a, REDUCTIONS[reduction])
    return loss, (x, target)


@_pointwise_loss.backward
def _(k, saved, gy, *, rule, a, reduction):
    gx = empty_like(saved[0])
    k.pointwise_loss_backward(*saved, gy, gx, NUMBERS[rule], a, REDUCTIONS[reduction])
    return gx, None


def _pointwise(name: str, rule: str, input: Tensor, target: Tensor, reduction: str, a: float = 0.0) -> Tensor:
    _reduction(name, reduction)
    if input.shape != target.shape:
        warnings.warn(f"{name}: target has shape {target.shape}, input {input.shape}: they broadcast", stacklevel=3)
    elif input.dtype == target.dtype and not target.requires_grad:
        return _pointwise_loss(input, target, rule=rule, a=float(a), reduction=reduction)
    return _reduce(POINTWISE[rule](input, target, a), reduction)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(input - target)²"""
    return _pointwise("mse_loss", "squared", input, target, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|input - target|"""
    return _pointwise("l1_loss", "absolute", input, target, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d² / (2 beta) where d = |input - target| < beta, else d - beta / 2 (Girshick 2015)."""
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    return _pointwise("smooth_l1_loss", "smooth_absolute", input, target, reduction, beta)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d² / 2 where d = |input - target| <= delta, else delta (d - delta / 2) (Huber 1964)."""
    if delta <= 0:
        raise RuntimeError(f"huber_loss: delta must be positive, got {delta}")
    return _pointwise("huber_loss", "huber", input, target, reduction, delta)


# ---- distributions


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-weight · (t ln p + (1 - t) ln(1 - p)) of probabilities p = input in [0, 1]; the logarithms are at least -100."""
    _reduction("binary_cross_entropy", reduction)
    if input.shape != target.shape:
        raise ValueError(f"binary_cross_entropy: target has shape {target.shape}, expected {input.shape}")
    if not ((input.data >= 0) & (input.data <= 1)).all():
        raise RuntimeError("binary_cross_entropy: all elements of input must be between 0 and 1")
    loss = -(target * _bounded_log(input) + (1.0 - target) * _bounded_log(1.0 - input))
    return _reduce(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input) without its rounding: -weight · (p t ln σ(x) + (1 - t) ln σ(-x)).

    pos_weight p (broadcasts to input, often one number a class) counts the positive targets more.
    """
    _reduction("binary_cross_entropy_with_logits", reduction)
    if input.shape != target.shape:
        raise ValueError(f"binary_cross_entropy_with_logits: target has shape {target.shape}, expected {input.shape}")
    if pos_weight is None:
        inner = reduction if weight is None else "none"
        loss = _pointwise("binary_cross_entropy_with_logits", "logistic_cross_entropy", input, target, inner)
        return loss if weight is None else _reduce(loss * weight, reduction)
    loss = (1.0 - target) * input - logsigmoid(input) * (1.0 + (pos_weight - 1.0) * target)
    return _reduce(loss if weight is None else loss * weight, reduction)


def _bounded_log(p: Tensor) -> Tensor:
    """max(ln p, -100), with slope 0 below the bound; p = 0 is kept from the logarithm, whose slope there is inf."""
    zero = p == 0.0
    return clamp(log(p.masked_fill(zero, 1.0)).masked_fill(zero, -math.inf), -100.0)


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target · (ln target - input): input and, with log_target, target are log-probabilities.

    reduction "batchmean" is the sum divided by input.shape[0]: the mean Kullback-Leibler divergence of a sample.
    """
    if reduction != "batchmean":
        _reduction("kl_div", reduction)
    if log_target:
        loss = exp(target) * (target - input)
    else:
        loss = target * (log(target.masked_fill(target == 0.0, 1.0)) - input)
    return loss.sum() / input.shape[0] if reduction == "batchmean" else _reduce(loss, reduction)
