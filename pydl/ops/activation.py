"""Activation functions: the scalar rules stand in csrc/functors.h, their slopes as tensor ops stand here."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..grad_mode import mode
from ..op import Primitive
from ..tensor import Tensor, method
from .compare import where
from .elementwise import _floating, abs, as_tensor, clamp, erfc, exp, reciprocal, tanh, unary_op

# fmt: off
__all__ = [
    "celu", "elu", "elu_", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "leaky_relu", "leaky_relu_", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_", "selu", "selu_", "sigmoid",
    "silu", "softplus", "softshrink", "softsign", "tanhshrink", "threshold", "threshold_",
]
# fmt: on

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _choose(condition: Tensor, a, b, like: Tensor) -> Tensor:
    """a where condition holds, else b; numbers take the dtype of `like`."""
    return where(condition, as_tensor(a, like.dtype), as_tensor(b, like.dtype))


def _apply(op: Primitive, input: Tensor, inplace: bool, a: float = 0.0, b: float = 0.0) -> Tensor:
    if not inplace:
        return op(_floating(input, op.name), a=a, b=b)
    if not mode.recording:
        return input._write(op(input, a=a, b=b))
    source = input._alias()
    # A slope that reads x would find the result in x's place.
    return input._write(op(source.clone() if op._reads[0] and source._requires_grad else source, a=a, b=b))


def _activation(name: str, formula: str, **derivative: Callable) -> Callable:
    """The function `name(input, inplace=False)` of the rule of that name."""
    op = unary_op(name, **derivative)

    def function(input: Tensor, inplace: bool = False) -> Tensor:
        return _apply(op, input, inplace)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, elementwise. Any shape; inplace writes the result into input."
    return function


def _written(function: Callable) -> Callable:
    """`<name>_`: the function in place."""

    def write(input: Tensor, *args, **kwargs) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    write.__name__ = write.__qualname__ = f"{function.__name__}_"
    write.__doc__ = f"In-place `{function.__name__}`."
    return write


# ---- piecewise linear

_relu = unary_op("relu", y=lambda y, a, b: (y <= 0.0).logical_not().to(y.dtype))


@method
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), elementwise; slope 0 at 0. Any shape and dtype. Source: Nair, Hinton 2010."""
    if input.data.dtype.kind != "f":
        result = Tensor(np.maximum(input.data, 0))
        return input._write(result) if inplace else result
    return _apply(_relu, input, inplace)


relu_ = method(_written(relu))
relu6 = _activation("relu6", "min(max(x, 0), 6)", x=lambda x, a, b: ((x > 0.0) & (x < 6.0)).to(x.dtype))
_leaky_relu = unary_op("leaky_relu", x=lambda x, a, b: _choose(x > 0.0, 1.0, a, x))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x. Any shape. Source: Maas, Hannun, Ng 2013."""
    return _apply(_leaky_relu, input, inplace, float(negative_slope))


leaky_relu_ = _written(leaky_relu)


@method
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight · x; input (N, C, *), weight (C,) or (1,). Source: He et al. 2015."""
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(f"prelu: weight has shape {weight.shape}, expected (1,) or ({channels},) for {input.shape}")
    w = weight.reshape((-1,) + (1,) * max(input.ndim - 2, 0)) if input.ndim else weight.reshape(())
    return where(input > 0.0, input, w * input)


_hardtanh = unary_op("hardtanh", x=lambda x, a, b: ((x > a) & (x < b)).to(x.dtype))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """min(max(x, min_val), max_val); slope 0 on the bounds. Any shape."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is larger than max_val {max_val}")
    return _apply(_hardtanh, input, inplace, float(min_val), float(max_val))


hardtanh_ = _written(hardtanh)
hardsigmoid = _activation(
    "hardsigmoid", "min(max(x + 3, 0), 6) / 6", x=lambda x, a, b: _choose(abs(x) < 3.0, 1.0 / 6.0, 0.0, x)
)
hardswish = _activation(
    "hardswish",
    "x · min(max(x + 3, 0), 6) / 6",
    x=lambda x, a, b: _choose(x <= -3.0, 0.0, _choose(x >= 3.0, 1.0, x / 3.0 + 0.5, x), x),
)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value. Any shape."""
    source = input._alias() if inplace and mode.recording else input
    result = source.masked_fill(source <= threshold, value)
    return input._write(result) if inplace else result


threshold_ = _written(threshold)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x - lambd where x > lambd, x + lambd where x < -lambd, else 0. Any shape."""
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambd must be at least 0, got {lambd}")
    return input - clamp(input, -lambd, lambd)


@method
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where |x| <= lambd, else x. Any shape."""
    return input.masked_fill(abs(input) <= lambd, 0.0)


# ---- smooth

sigmoid_op = unary_op("sigmoid", y=lambda y, a, b: y * (1.0 - y))


@method
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x), elementwise. Any shape."""
    return _apply(sigmoid_op, input, False)


@method
def sigmoid_(input: Tensor) -> Tensor:
    """In-place `sigmoid`."""
    return _apply(sigmoid_op, input, True)


_logsigmoid = unary_op("log_sigmoid", x=lambda x, a, b: sigmoid(-x))


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + e^-x)) without overflow, elementwise. Any shape."""
    return _apply(_logsigmoid, input, False)


_softplus = unary_op("softplus", x=lambda x, a, b: _choose(x * a > b, 1.0, sigmoid(x * a), x))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta·x)) / beta, and x itself where beta · x > threshold. Any shape."""
    return _apply(_softplus, input, False, float(beta), float(threshold))


_softsign = _activation("softsign", "x / (1 + |x|)", x=lambda x, a, b: reciprocal((1.0 + abs(x)).square()))


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|), elementwise. Any shape."""
    return _softsign(input)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh x, elementwise. Any shape."""
    return input - tanh(input)


def _exp_below_zero(x: Tensor) -> Tensor:
    """e^min(x, 0): what the branch x > 0 of a slope discards must not overflow, for 0 · ∞ is NaN in its derivative."""
    return exp(clamp(x, max=0.0))


_elu = unary_op("elu", x=lambda x, a, b: _choose(x > 0.0, 1.0, a * _exp_below_zero(x), x))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (e^x - 1). Any shape. Source: Clevert, Unterthiner, Hochreiter 2016."""
    return _apply(_elu, input, inplace, float(alpha))


elu_ = _written(elu)
selu = _activation(
    "selu",
    "scale · elu(x, alpha), scale ≈ 1.0507, alpha ≈ 1.6733 (Klambauer et al. 2017)",
    x=lambda x, a, b: SELU_SCALE * _choose(x > 0.0, 1.0, SELU_ALPHA * _exp_below_zero(x), x),
)
selu_ = _written(selu)
_celu = unary_op("celu", x=lambda x, a, b: _choose(x > 0.0, 1.0, exp(clamp(x, max=0.0) / a), x))


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (e^(x/alpha) - 1). Any shape. Source: Barron 2017."""
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0")
    return _apply(_celu, input, inplace, float(alpha))


def _silu_slope(x, a, b):
    s = sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


silu = _activation("silu", "x · sigmoid(x), also called swish", x=_silu_slope)


def _mish_slope(x, a, b):
    # tanh(softplus(x)) = w / (w + 2), w = e (e + 2), e = e^x: the slope without the cancellation in 1 - tanh²
    x = clamp(x, max=20.0)  # beyond it the slope is 1
    e = exp(x)
    w = e * (e + 2.0)
    r = reciprocal(w + 2.0)
    return w * r + x * (4.0 * e * (1.0 + e) * r * r)


mish = _activation("mish", "x · tanh(softplus(x)) (Misra 2019)", x=_mish_slope)


def _gelu_slope(x, a, b):
    distribution = 0.5 * erfc(x * -math.sqrt(0.5))
    return distribution + x * exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _gelu_tanh_slope(x, a, b):
    c = math.sqrt(8.0 / math.pi)
    s = sigmoid(c * (x + 0.044715 * x * x * x))
    return s + x * s * (1.0 - s) * (c * (1.0 + 3 * 0.044715 * x * x))


_gelu = {"none": unary_op("gelu", x=_gelu_slope), "tanh": unary_op("gelu_tanh", x=_gelu_tanh_slope)}


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x), Φ the distribution function of the standard normal; any shape. Source: Hendrycks, Gimpel 2016.

    approximate="tanh": x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))), the form of GPT-2.
    """
    if approximate not in _gelu:
        raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return _apply(_gelu[approximate], input, False)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · sigmoid(b), a and b the halves of input along dim. Source: Dauphin et al. 2017."""
    n = input.shape[dim] if input.ndim else 1
    if n % 2:
        raise RuntimeError(f"glu: axis {dim} must have even length, got {n} of {input.shape}")
    return input.narrow(dim, 0, n // 2) * sigmoid(input.narrow(dim, n // 2, n // 2))
