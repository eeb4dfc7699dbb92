"""How parameters begin. Each function fills a tensor in place, returns it, and notes on a Parameter what it did.

Gradients of a layer keep their size where Var(W) ≈ 1/fan: `fan_in` is the number of inputs of one output, `fan_out`
the number of outputs that one input has a part in. `generator` makes the numbers; default is that of `pydl.random`.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..grad_mode import no_grad
from ..ops.elementwise import erf
from ..tensor import Tensor
from .parameter import Parameter


def _uniform(tensor: Tensor, low: float, high: float, generator) -> None:
    with no_grad():
        tensor.uniform_(low, high, generator=generator)


def _normal(tensor: Tensor, mean: float, std: float, generator) -> None:
    with no_grad():
        tensor.normal_(mean, std, generator=generator)


def _write(tensor: Tensor, values) -> None:
    with no_grad():
        tensor.copy_(Tensor(np.asarray(values)))


def _note(tensor: Tensor, how: str) -> Tensor:
    if isinstance(tensor, Parameter):
        tensor.init = how
    return tensor


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much the standard deviation of a layer's weights grows to make up for what its activation takes away."""
    if nonlinearity in ("linear", "conv1d", "conv2d", "conv3d", "sigmoid") or nonlinearity.startswith("conv_transpose"):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, int | float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _fans(tensor: Tensor, name: str) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ValueError(f"{name}: fan in and fan out need at least 2 axes, got shape {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    return _fans(tensor, "init")


# ---- constants


def constant_(tensor: Tensor, val: float) -> Tensor:
    """val everywhere."""
    _write(tensor, val)
    return _note(tensor, f"constant({val:g})")


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return _note(constant_(tensor, 0.0), "zeros")


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return _note(constant_(tensor, 1.0), "ones")


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: a linear layer passes on what it gets."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: only tensors with 2 axes are supported, got shape {tensor.shape}")
    _write(tensor, np.eye(tensor.shape[0], tensor.shape[1]))
    return _note(tensor, "eye")


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight (out, in, *kernel) that passes on its input channels, as far as there are outputs."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: only tensors with 3, 4 or 5 axes are supported, got shape {tensor.shape}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dirac_: dim 0 ({tensor.shape[0]}) must be divisible by groups ({groups})")
    values = np.zeros(tensor.shape)
    each = tensor.shape[0] // groups
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for i in range(min(each, tensor.shape[1])):
            place = (group * each + i, i, *centre)
            values[place] = 1.0
    _write(tensor, values)
    return _note(tensor, "dirac")


# ---- random numbers of a given spread


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator=None) -> Tensor:
    """Uniform in [a, b)."""
    _uniform(tensor, a, b, generator)
    return _note(tensor, f"uniform(±{b:.3g})" if a == -b else f"uniform({a:.3g}, {b:.3g})")


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator=None) -> Tensor:
    """Normal with that mean and standard deviation."""
    _normal(tensor, mean, std, generator)
    return _note(tensor, f"normal({mean:.3g}, {std:.3g})")


def _erfinv(y: np.ndarray) -> np.ndarray:
    """The x with erf(x) = y, |y| < 1: Winitzki's guess, then Newton's steps, which double the digits each time."""
    t = np.log1p(-y * y)
    u = 2 / (math.pi * 0.147) + t / 2
    x = np.copysign(np.sqrt(np.sqrt(u * u - t / 0.147) - u), y)
    for _ in range(3):
        x -= (erf(Tensor(x)).data - y) * (math.sqrt(math.pi) / 2) * np.exp(x * x)
    return x


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator=None
) -> Tensor:
    """Normal with that mean and standard deviation, restricted to [a, b]."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: mean {mean} is more than 2 std from [{a}, {b}]; the distribution may be incorrect",
            stacklevel=2,
        )
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2.0))) for bound in (a, b))
    drawn = Tensor(np.empty(tensor.shape))
    _uniform(drawn, low, high, generator)
    inside = 1 - 2.0**-53
    values = mean + std * math.sqrt(2.0) * _erfinv(np.clip(drawn.data, -inside, inside))
    _write(tensor, np.clip(values, a, b))
    return _note(tensor, f"trunc_normal({mean:.3g}, {std:.3g}, {a:.3g}, {b:.3g})")


# ---- scaled to the layer's size


def _xavier_std(tensor: Tensor, gain: float, mode: str, name: str) -> float:
    fan_in, fan_out = _fans(tensor, name)
    if mode not in ("fan_avg", "fan_in"):
        raise ValueError(f"{name}: mode must be 'fan_avg' or 'fan_in', got {mode!r}")
    fan = fan_in if mode == "fan_in" else (fan_in + fan_out) / 2
    return gain / math.sqrt(max(fan, 1))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator=None, *, mode: str = "fan_avg") -> Tensor:
    """Uniform, variance gain² · 2 / (fan_in + fan_out); mode="fan_in": gain² / fan_in. Source: Glorot, Bengio 2010."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain, mode, "xavier_uniform_")
    _uniform(tensor, -bound, bound, generator)
    return _note(tensor, f"xavier_uniform(±{bound:.3g})")


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator=None, *, mode: str = "fan_avg") -> Tensor:
    """Normal, variance gain² · 2 / (fan_in + fan_out); mode="fan_in": gain² / fan_in. Source: Glorot, Bengio 2010."""
    std = _xavier_std(tensor, gain, mode, "xavier_normal_")
    _normal(tensor, 0.0, std, generator)
    return _note(tensor, f"xavier_normal(std {std:.3g})")


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str, name: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan = _fans(tensor, name)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
) -> Tensor:
    """Uniform with variance gain² / fan, gain of `nonlinearity` (a: slope of leaky_relu). Source: He et al. 2015."""
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    _uniform(tensor, -bound, bound, generator)
    return _note(tensor, f"kaiming_uniform(±{bound:.3g})")


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
) -> Tensor:
    """Normal with variance gain² / fan, gain of `nonlinearity` (a: slope of leaky_relu). Source: He et al. 2015."""
    std = _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_")
    _normal(tensor, 0.0, std, generator)
    return _note(tensor, f"kaiming_normal(std {std:.3g})")


def orthogonal_(tensor: Tensor, gain: float = 1, generator=None) -> Tensor:
    """gain times a matrix with orthonormal rows or columns, whichever are fewer. Source: Saxe et al. 2014."""
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: only tensors with 2 or more axes are supported, got shape {tensor.shape}")
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = Tensor(np.empty((max(rows, columns), min(rows, columns))))
    _normal(drawn, 0.0, 1.0, generator)
    q, r = np.linalg.qr(drawn.data)
    q *= np.sign(np.diag(r))  # else the distribution would not be uniform
    _write(tensor, (gain * (q if rows >= columns else q.T)).reshape(tensor.shape))
    return _note(tensor, f"orthogonal(gain {gain:.3g})")


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator=None) -> Tensor:
    """Normal with that standard deviation, but a share `sparsity` of each column is 0. Source: Martens 2010."""
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: only tensors with 2 axes are supported, got shape {tensor.shape}")
    order = Tensor(np.empty(tensor.shape))
    _normal(tensor, 0.0, std, generator)
    _uniform(order, 0.0, 1.0, generator)
    zeros = math.ceil(sparsity * tensor.shape[0])
    _write(tensor, np.where(order.data.argsort(0).argsort(0) < zeros, 0.0, tensor.data))
    return _note(tensor, f"sparse({sparsity:.3g}, std {std:.3g})")
