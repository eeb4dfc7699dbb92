"""Estimators of linear regression, their bias and variance, relative frequencies: closed forms, not differentiated.

The symbols are those of the linear model Y = X·θ + ε with X (n, d) fixed and independent noise of variance σ². With the
singular values s and right singular vectors V of X, every formula here is diagonal in the basis V.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .tensor import Tensor

__all__ = [
    "BiasVariance", "bias_variance", "ols", "ols_covariance", "prediction_variance", "probability", "ridge",
    "ridge_bias", "ridge_covariance", "zero_one_loss",
]  # fmt: skip


def probability(event: Tensor, given: Tensor | None = None) -> float:
    """Relative frequency of `event` among the observations where `given` holds (all by default); both bool (n,).

    The plug-in estimate of P(event | given). Raises ValueError where no observation remains.
    """
    for name, t in (("event", event), ("given", given)):
        if t is not None and (t.dtype.kind != "b" or t.shape != event.shape or t.ndim != 1):
            raise ValueError(
                f"probability: {name} must be a bool tensor of shape (n,), got {t.dtype} {t.shape}, event {event.shape}"
            )
    seen = event.data if given is None else event.data[given.data]
    if not seen.size:
        raise ValueError(f"probability: no observation to condition on (event {event.shape})")
    return float(seen.mean())


def zero_one_loss(prediction: Tensor, target: Tensor, reduction: str = "sum"):
    """Σ_i [prediction_i ≠ target_i]: errors counted ("sum"), as a rate ("mean"), or each ("none"); equal shapes."""
    if prediction.shape != target.shape:
        raise ValueError(f"zero_one_loss: prediction {prediction.shape} and target {target.shape} differ in shape")
    wrong = prediction.data != target.data
    if reduction == "none":
        return Tensor(wrong.astype(np.int64))
    if reduction not in ("sum", "mean"):
        raise ValueError(f"zero_one_loss: reduction must be 'none', 'sum' or 'mean', got {reduction!r}")
    return Tensor(np.asarray(wrong.sum() if reduction == "sum" else wrong.mean()))


def _basis(X: Tensor, penalty: float, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U (n, r), s (r,), V (r, d) of X = U·diag(s)·V in float64; raises where the estimator is not unique."""
    if X.ndim != 2 or not X.is_floating_point():
        raise ValueError(f"{name}: X must be a floating (n, d) matrix, got {X.dtype} {X.shape}")
    if not penalty >= 0:
        raise ValueError(f"{name}: penalty must be >= 0, got {penalty}")
    if not np.isfinite(X.numpy()).all():
        raise ValueError(f"{name}: X {X.shape} contains NaN or infinity")
    U, s, V = np.linalg.svd(X.numpy().astype(np.float64), full_matrices=False)
    n, d = X.shape
    rank = int((s > s.max(initial=0.0) * max(n, d) * np.finfo(X.dtype).eps).sum())
    if not penalty and rank < d:
        raise ValueError(f"{name}: X {X.shape} has rank {rank}, {d} is needed for a unique estimate; use a penalty > 0")
    return U, s, V


def ridge(X: Tensor, Y: Tensor, penalty: float) -> Tensor:
    """θ̃ = (XᵀX + λI)⁻¹XᵀY, the minimizer of ‖Y - Xθ‖² + λ‖θ‖². X (n, d), Y (n,) or (n, m); θ̃ (d,) or (d, m).

    λ = `penalty` is not scaled by n. Raises ValueError where λ = 0 and X has no full column rank.
    """
    return _estimate(X, Y, penalty, "ridge")


def ols(X: Tensor, Y: Tensor) -> Tensor:
    """θ̂ = (XᵀX)⁻¹XᵀY, ordinary least squares: `ridge` without penalty."""
    return _estimate(X, Y, 0.0, "ols")


def _estimate(X: Tensor, Y: Tensor, penalty: float, name: str) -> Tensor:
    U, s, V = _basis(X, penalty, name)
    if Y.ndim not in (1, 2) or Y.shape[0] != X.shape[0]:
        raise ValueError(
            f"{name}: Y must be (n,) or (n, m) with the n = {X.shape[0]} rows of X {X.shape}, got {Y.shape}"
        )
    projected = (U.T @ Y.numpy()).T * (s / (s * s + penalty) if penalty else 1 / s)
    return Tensor(np.ascontiguousarray((projected @ V).T, X.dtype))


def ridge_covariance(X: Tensor, penalty: float, noise_variance: float = 1.0) -> Tensor:
    """Cov(θ̃) = σ²(XᵀX + λI)⁻¹XᵀX(XᵀX + λI)⁻¹ (d, d): σ²·s²/(s² + λ)² along each right singular vector of X."""
    _, s, V = _basis(X, penalty, "ridge_covariance")
    spread = noise_variance * (s / (s * s + penalty) if penalty else 1 / s) ** 2
    return Tensor(np.asarray((V.T * spread) @ V, X.dtype))


def ols_covariance(X: Tensor, noise_variance: float = 1.0) -> Tensor:
    """Cov(θ̂) = σ²(XᵀX)⁻¹ (d, d)."""
    return ridge_covariance(X, 0.0, noise_variance)


def ridge_bias(X: Tensor, theta: Tensor, penalty: float) -> Tensor:
    """E[θ̃] - θ = (XᵀX + λI)⁻¹XᵀXθ - θ (d,) where θ is the truth; zero for λ = 0."""
    _, s, V = _basis(X, penalty, "ridge_bias")
    if theta.shape != X.shape[1:]:
        raise ValueError(f"ridge_bias: theta must have the {X.shape[1]} columns of X {X.shape}, got {theta.shape}")
    kept = V.T @ (s * s / (s * s + penalty) * (V @ theta.numpy())) if penalty else theta.numpy()
    return Tensor(np.asarray(kept - theta.numpy(), X.dtype))


def prediction_variance(x: Tensor, covariance: Tensor) -> Tensor:
    """Var(xᵀθ̂) = xᵀ·Cov(θ̂)·x for each row of x (..., d), covariance (d, d)."""
    d = x.shape[-1:]
    if not d or covariance.shape != d + d:
        raise ValueError(
            f"prediction_variance: x {x.shape} and covariance {covariance.shape}; expected (..., d), (d, d)"
        )
    return Tensor(np.asarray(np.einsum("...i,ij,...j->...", x.numpy(), covariance.numpy(), x.numpy())))


class BiasVariance(NamedTuple):
    """Parts of the mean squared error at each test input: mse = variance + bias² + noise."""

    mse: Tensor
    bias: Tensor
    variance: Tensor
    noise: Tensor


def bias_variance(predictions: Tensor, targets: Tensor) -> BiasVariance:
    """Splits E[(Y - f_D(x))²] into Var_D(f_D(x)) + Bias² + Var(Y | x), bias = E[f_D(x) - Y], separately for each x.

    predictions (D, ...): row i by the model trained on the i-th of D drawn training sets; targets (T, ...): T fresh
    draws of Y at the same inputs, independent of the training sets. All D·T pairs are averaged, so the parts add up.
    """
    if predictions.shape[1:] != targets.shape[1:] or not predictions.ndim or not predictions.numel() * targets.numel():
        raise ValueError(
            f"bias_variance: predictions {predictions.shape}, targets {targets.shape}; expected (D, ...), (T, ...)"
        )
    f, y = predictions.numpy(), targets.numpy()
    bias, variance, noise = f.mean(0) - y.mean(0), f.var(0), y.var(0)
    return BiasVariance(*(Tensor(np.asarray(a)) for a in (variance + bias**2 + noise, bias, variance, noise)))
