"""Clipping of gradients, and parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from .. import backend
from ..grad_mode import no_grad
from ..ops.join import cat
from ..tensor import Tensor
from .optimizer import _by_dtype, run

# fmt: off
__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "parameters_to_vector",
    "vector_to_parameters",
]
# fmt: on


def _gradients(parameters) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(tensors: Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Tensor:
    """(Σ |x|^norm_type)^(1 / norm_type) over all elements of all tensors; norm_type inf: the largest |x|.

    Squares are summed in float64 in a fixed order. RuntimeError where it is NaN or infinite and error_if_nonfinite.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    total = 0.0
    if norm_type == 2.0:
        for same in _by_dtype(tensors):
            result = np.empty(1)
            backend.cpu.sum_of_squares([np.ascontiguousarray(t.data) for t in same], result)
            total += float(result[0])
        total = math.sqrt(total) if not math.isnan(total) else total
    else:
        arrays = [np.abs(t.data.astype(np.float64)) for t in tensors if t.data.size]
        if math.isinf(norm_type):
            total = float(np.max([a.max() for a in arrays], initial=0.0))
        else:
            total = sum(float((a**norm_type).sum()) for a in arrays) ** (1.0 / norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    dtype = np.result_type(*(t.dtype for t in tensors)) if tensors else np.float32
    with np.errstate(over="ignore"):
        return Tensor(np.array(total, np.float64).astype(dtype))


def clip_grads_with_norm_(parameters, max_norm: float, total_norm: Tensor) -> None:
    """Multiplies all gradients by max_norm / total_norm where that is below 1."""
    coefficient = float(max_norm) / (float(total_norm) + 1e-6)
    if coefficient >= 1.0:
        return
    for same in _by_dtype(_gradients(parameters)):
        run(backend.cpu.scale_all, [[g.data for g in same]], [], coefficient)
        for g in same:
            if g._versions:
                g._versions[0] += 1


def clip_grad_norm_(
    parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Scales all gradients together, in place, so that their norm is at most max_norm; returns the norm before.

    Source: Pascanu, Mikolov, Bengio 2013.
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(parameters, clip_value: float, foreach: bool | None = None) -> None:
    """Brings every element of every gradient into [-clip_value, clip_value], in place."""
    with no_grad():
        for g in _gradients(parameters):
            g.clamp_(-float(clip_value), float(clip_value))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters in one vector; differentiable."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Writes one vector's elements into the parameters, in their order."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor, but got: {type(vec).__name__}")
    at = 0
    with no_grad():
        for p in parameters:
            p.copy_(Tensor(vec.data[at : at + p.numel()].reshape(p.shape)))
            at += p.numel()
