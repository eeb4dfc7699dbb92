"""Elementwise functions: every scalar rule stands in csrc/functors.h, its derivative as tensor ops stands here."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..backend import empty, empty_like, kernels
from ..grad_mode import mode
from ..op import Fused, Primitive
from ..tensor import Tensor, in_place, method

# fmt: off
__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "clamp", "cos", "cosh", "div",
    "erf", "erfc", "exp", "exp2", "expm1", "floor", "floor_divide", "fmod", "hypot", "log", "log1p", "log2",
    "log10", "maximum", "minimum", "mul", "neg", "pow", "reciprocal", "remainder", "round", "rsqrt", "sign", "sin",
    "sinh", "sqrt", "square", "sub", "tan", "tanh", "trunc",
]
# fmt: on

INF = math.inf


def as_tensor(value, dtype=None) -> Tensor:
    """`value` itself where it is a tensor, else a 0-d (or array) tensor of it."""
    if isinstance(value, Tensor):
        return value if dtype is None or value.data.dtype == dtype else value.to(dtype)
    if isinstance(value, np.ndarray) and value.ndim:
        return Tensor(np.asarray(value, dtype))
    return Tensor(np.array(value, dtype if dtype is not None else dtypes.of_number(value)))


def _floating(x: Tensor, name: str) -> Tensor:
    """Integers become the default floating type, as PyTorch's functions of real numbers do."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(x).__name__}")
    return x if x.data.dtype.kind == "f" else x.to(dtypes.get_default_dtype())


def unary_op(name: str, *, x: Callable | None = None, y: Callable | None = None) -> Primitive:
    """The primitive `name` with parameters a, b; its derivative is `x(x, a, b)` or `y(y, a, b)`, one of the two given."""
    slope = x or y

    def forward(k, x, *, a=0.0, b=0.0):
        result = empty_like(x)
        getattr(k, name)(x, result, a, b)
        return result

    def reference(v, g, *, a, b):
        return g * slope(v, a, b)

    def gradient(k, v, g, *, a, b):
        result = empty_like(g)
        getattr(k, f"{name}_backward")(v, g, result, a, b)
        return result, ()

    function = Primitive(forward, name=name)
    times_slope = Fused(reference, f"{name}_backward")
    times_slope.forward(gradient)
    if x:
        function.backward(x=lambda g, x, a, b: times_slope(x, g, a=a, b=b))
    else:
        function.backward(x=lambda g, y, a, b: times_slope(y, g, a=a, b=b))
    return function


def _unary(name: str, formula: str, *, keeps_integers: Callable | None = None, **derivative) -> Callable:
    """A function and method `name(input)`, also in place. `keeps_integers`: numpy's function for integer tensors."""
    op = unary_op(name, **derivative)

    def function(input: Tensor) -> Tensor:
        if keeps_integers is not None and isinstance(input, Tensor) and input.data.dtype.kind != "f":
            return Tensor(keeps_integers(input.data))
        return op(_floating(input, name), a=0.0, b=0.0)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, elementwise. Any shape; integers become the default floating type."
    if keeps_integers:
        function.__doc__ = f"{formula}, elementwise. Any shape and dtype."
    return in_place(method(function))


def _zero(v, a, b):
    return v * 0.0


# ---- exponentials, roots, signs

neg = _unary("neg", "-x", keeps_integers=np.negative, x=lambda x, a, b: as_tensor(-1.0, x.dtype))
abs = _unary("abs", "|x|", keeps_integers=np.abs, x=lambda x, a, b: sign(x))
sign = _unary("sign", "-1, 0 or 1", keeps_integers=np.sign, x=_zero)
exp = _unary("exp", "e^x", y=lambda y, a, b: y)
expm1 = _unary("expm1", "e^x - 1, exact near 0", x=lambda x, a, b: exp(x))
exp2 = _unary("exp2", "2^x", y=lambda y, a, b: y * math.log(2.0))
log = _unary("log", "ln x", x=lambda x, a, b: reciprocal(x))
log1p = _unary("log1p", "ln(1 + x), exact near 0", x=lambda x, a, b: reciprocal(x + 1.0))
log2 = _unary("log2", "log2 x", x=lambda x, a, b: reciprocal(x * math.log(2.0)))
log10 = _unary("log10", "log10 x", x=lambda x, a, b: reciprocal(x * math.log(10.0)))
sqrt = _unary("sqrt", "√x", y=lambda y, a, b: 0.5 / y)
rsqrt = _unary("rsqrt", "1/√x", y=lambda y, a, b: -0.5 * y * y * y)
square = _unary("square", "x²", keeps_integers=np.square, x=lambda x, a, b: 2.0 * x)
reciprocal = _unary("reciprocal", "1/x", y=lambda y, a, b: -y * y)

# ---- trigonometric and hyperbolic

sin = _unary("sin", "sin x (radians)", x=lambda x, a, b: cos(x))
cos = _unary("cos", "cos x (radians)", x=lambda x, a, b: -sin(x))
tan = _unary("tan", "tan x (radians)", y=lambda y, a, b: 1.0 + y * y)
asin = _unary("asin", "arcsin x (radians)", x=lambda x, a, b: rsqrt(1.0 - x * x))
acos = _unary("acos", "arccos x (radians)", x=lambda x, a, b: -rsqrt(1.0 - x * x))
atan = _unary("atan", "arctan x (radians)", x=lambda x, a, b: reciprocal(1.0 + x * x))
sinh = _unary("sinh", "sinh x", x=lambda x, a, b: cosh(x))
cosh = _unary("cosh", "cosh x", x=lambda x, a, b: sinh(x))
asinh = _unary("asinh", "arsinh x", x=lambda x, a, b: rsqrt(x * x + 1.0))
acosh = _unary("acosh", "arcosh x", x=lambda x, a, b: rsqrt(x * x - 1.0))
atanh = _unary("atanh", "artanh x", x=lambda x, a, b: reciprocal(1.0 - x * x))
tanh = _unary("tanh", "tanh x", y=lambda y, a, b: 1.0 - y * y)
erf = _unary("erf", "2/√π ∫₀ˣ e^(-t²) dt", x=lambda x, a, b: exp(-x * x) * (2.0 / math.sqrt(math.pi)))
erfc = _unary("erfc", "1 - erf x", x=lambda x, a, b: exp(-x * x) * (-2.0 / math.sqrt(math.pi)))

# ---- rounding (derivative 0 everywhere)

floor = _unary("floor", "largest integer <= x", keeps_integers=np.copy, x=_zero)
ceil = _unary("ceil", "smallest integer >= x", keeps_integers=np.copy, x=_zero)
round = _unary("round", "nearest integer, halves to the even one", keeps_integers=np.copy, x=_zero)
trunc = _unary("trunc", "integer part of x", keeps_integers=np.copy, x=_zero)


# ---- binary, with broadcasting


def broadcast_shapes(shape: tuple, other: tuple, name: str) -> tuple:
    """PyTorch's (and numpy's) rule: axes match from the right, an axis of 1 stretches."""
    if shape == other or not other:
        return shape
    if not shape:
        return other
    n = max(len(shape), len(other))
    result = []
    for p, q in zip((1,) * (n - len(shape)) + shape, (1,) * (n - len(other)) + other, strict=True):
        if p != q and p != 1 and q != 1:
            raise RuntimeError(f"{name}: shapes {shape} and {other} do not broadcast: {p} against {q}")
        result.append(q if p == 1 else p)
    return tuple(result)


def stretched(a: np.ndarray, shape: tuple) -> np.ndarray:
    return a if a.shape == shape else np.broadcast_to(a, shape)


def binary_op(name: str, *, integers: Callable, result_dtype=None, **formulas: Callable) -> Primitive:
    """The primitive `name(a, b)`; `integers` is numpy's function for dtypes without a kernel."""

    def forward(k, a, b):
        shape = a.shape
        if shape != b.shape:
            shape = broadcast_shapes(shape, b.shape, name)
            a, b = stretched(a, shape), stretched(b, shape)
        if a.dtype.char not in "fd":
            return divided(integers, a, b, name) if name in ("fmod", "remainder") else np.asarray(integers(a, b))
        result = empty(shape, result_dtype or a.dtype)
        getattr(k, name)(a, b, result)
        return result

    function = Primitive(forward, name=name, broadcast=True)
    function.backward(**formulas)
    return function


def divided(function: Callable, a: np.ndarray, b: np.ndarray, name: str) -> np.ndarray:
    """A division by numpy; integers have no quotient by 0."""
    if a.dtype.kind in "iu" and not b.all():
        raise RuntimeError(f"{name}: integer division by zero")
    with np.errstate(all="ignore"):
        return np.asarray(function(a, b))


def pair(a, b, name: str) -> tuple[Tensor, Tensor]:
    """Both operands as tensors of their common dtype."""
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.data.dtype == b.data.dtype:
        return a, b
    if isinstance(b, int | float) and isinstance(a, Tensor) and a.data.dtype.kind == "f":
        return a, Tensor(np.array(b, a.data.dtype))  # the common case, without the rules of promotion
    a, b = (Tensor(x) if isinstance(x, np.ndarray) else x for x in (a, b))
    try:
        dtype = dtypes.promote(a, b)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    return as_tensor(a, dtype), as_tensor(b, dtype)


_add = binary_op("add", integers=np.add, a=lambda g: g, b=lambda g: g)
_sub = binary_op("sub", integers=np.subtract, a=lambda g: g, b=lambda g: -g)
_mul = binary_op("mul", integers=np.multiply, a=lambda g, b: g * b, b=lambda g, a: g * a)
_div = binary_op("div", integers=np.divide, a=lambda g, b: g / b, b=lambda g, a, b: -g * a / (b * b))
_pow = binary_op(
    "pow",
    integers=np.power,
    a=lambda g, a, b: g * (b * _pow(a, b - 1.0)).masked_fill(b == 0.0, 0.0),
    b=lambda g, a, b, y: g * (y * log(a)).masked_fill((a == 0.0) & (b >= 0.0), 0.0),
)
_maximum = binary_op(
    "maximum",
    integers=np.maximum,
    a=lambda g, a, b: g * _first_share(a, b, a > b),
    b=lambda g, a, b: g * _first_share(a, b, b > a),
)
_minimum = binary_op(
    "minimum",
    integers=np.minimum,
    a=lambda g, a, b: g * _first_share(a, b, a < b),
    b=lambda g, a, b: g * _first_share(a, b, b < a),
)
_atan2 = binary_op(
    "atan2", integers=np.arctan2, a=lambda g, a, b: g * b / (a * a + b * b), b=lambda g, a, b: -g * a / (a * a + b * b)
)
_fmod = binary_op("fmod", integers=np.fmod, a=lambda g: g, b=lambda g, a, b: -g * trunc(a / b))
_remainder = binary_op("remainder", integers=np.remainder, a=lambda g: g, b=lambda g, a, b: -g * floor(a / b))
_hypot = binary_op("hypot", integers=np.hypot, a=lambda g, a, y: g * a / y, b=lambda g, b, y: g * b / y)


def _first_share(a, b, wins):
    """1 where an operand of maximum or minimum wins, 1/2 where both are equal (PyTorch's convention), else 0."""
    return wins.to(a.dtype) + 0.5 * (a == b).to(a.dtype)


@in_place
@method
def add(input, other, *, alpha=1) -> Tensor:
    """input + alpha · other, with broadcasting."""
    return _add(*pair(input, other if alpha == 1 else mul(other, alpha), "add"))


@in_place
@method
def sub(input, other, *, alpha=1) -> Tensor:
    """input - alpha · other, with broadcasting."""
    return _sub(*pair(input, other if alpha == 1 else mul(other, alpha), "sub"))


@in_place
@method
def mul(input, other) -> Tensor:
    """input · other, elementwise with broadcasting."""
    return _mul(*pair(input, other, "mul"))


@in_place
@method
def div(input, other, *, rounding_mode: str | None = None) -> Tensor:
    """input / other with broadcasting; rounding_mode "floor" or "trunc" rounds the quotient. Integers divide to floats."""
    if rounding_mode not in (None, "floor", "trunc"):
        raise RuntimeError(f"div: rounding_mode must be None, 'floor' or 'trunc', got {rounding_mode!r}")
    a, b = pair(input, other, "div")
    if rounding_mode == "floor":
        return _floor_divide(a, b)
    if a.data.dtype.kind != "f":
        a, b = _floating(a, "div"), _floating(b, "div")
        if rounding_mode == "trunc":
            return trunc(_div(a, b)).to(dtypes.int64)
    quotient = _div(a, b)
    return quotient if rounding_mode is None else trunc(quotient)


def _floor_quotient(k, a, b):
    broadcast_shapes(a.shape, b.shape, "floor_divide")
    return divided(np.floor_divide, a, b, "floor_divide")


_floor_divide = Primitive(_floor_quotient, name="floor_divide", broadcast=True)
_floor_divide.backward(a=lambda g: g * 0.0, b=lambda g: g * 0.0)


@in_place
@method
def floor_divide(input, other) -> Tensor:
    """⌊input / other⌋ with broadcasting, by Python's rule: 6 // 0.1 is 59, for 0.1 is a little more than a tenth."""
    return div(input, other, rounding_mode="floor")


_pow_scalar = unary_op("pow_scalar", x=lambda x, a, b: _zero(x, a, b) if a == 0 else pow(x, a - 1.0) * a)


@in_place
@method
def pow(input, exponent) -> Tensor:
    """input ^ exponent with broadcasting; either may be a number."""
    if isinstance(input, Tensor) and not isinstance(exponent, Tensor | np.ndarray):
        if input.data.dtype.kind == "f":
            return _pow_scalar(input, a=float(exponent), b=0.0)
        if isinstance(exponent, int):
            if exponent < 0:
                raise RuntimeError("pow: integers to negative integer powers are not allowed")
            return Tensor(np.power(input.data, exponent))
    return _pow(*pair(input, exponent, "pow"))


def _binary(op: Primitive, name: str, formula: str) -> Callable:
    def function(input, other) -> Tensor:
        return op(*pair(input, other, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, elementwise with broadcasting."
    return in_place(method(function))


maximum = _binary(_maximum, "maximum", "max(input, other); NaN wins; at a tie each side gets half of the gradient")
minimum = _binary(_minimum, "minimum", "min(input, other); NaN wins; at a tie each side gets half of the gradient")
fmod = _binary(_fmod, "fmod", "remainder with the sign of input (C's fmod)")
remainder = _binary(_remainder, "remainder", "remainder with the sign of other (Python's %)")
atan2 = _binary(_atan2, "atan2", "angle of the point (other, input) in radians")
hypot = _binary(_hypot, "hypot", "√(input² + other²)")


_clamp = unary_op("clamp", x=lambda x, a, b: ((x >= a) & (x <= b)).to(x.dtype))


@in_place
@method
def clamp(input, min=None, max=None) -> Tensor:
    """min(max(input, min), max); bounds are numbers, tensors (with broadcasting) or None. The gradient at a bound is 1."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given")
    if isinstance(min, Tensor) or isinstance(max, Tensor) or input.data.dtype.kind != "f":
        bounded = input if min is None else maximum(input, min)
        return bounded if max is None else minimum(bounded, max)
    return _clamp(input, a=-INF if min is None else float(min), b=INF if max is None else float(max))


def _directly(name: str) -> None:
    """`name_` without the detour over a new array, where nothing is recorded and the operands lie right."""
    usual = getattr(Tensor, f"{name}_")

    def write(self, other, **options) -> Tensor:
        a, plain = self.data, isinstance(other, int | float)
        if not plain and not isinstance(other, Tensor):
            return usual(self, other, **options)
        recorded = mode.recording and (self._requires_grad or (not plain and other._requires_grad))
        b = np.array(other, a.dtype) if plain else other.data
        apart = b.dtype == a.dtype and (
            not b.ndim or (b.shape == a.shape and (b is a or not np.may_share_memory(a, b)))
        )
        if options or recorded or not apart or a.dtype.char not in "fd" or not a.flags.c_contiguous:
            return usual(self, other, **options)
        self._open(recorded=False)
        getattr(kernels(a), name)(a, stretched(b, a.shape), a)
        return self._close(None)

    write.__name__, write.__doc__ = usual.__name__, usual.__doc__
    setattr(Tensor, f"{name}_", write)


for _name in ("add", "sub", "mul", "div"):
    _directly(_name)

for _name, _function in {
    "__neg__": neg, "__abs__": abs, "__add__": add, "__radd__": add, "__sub__": sub, "__mul__": mul, "__rmul__": mul,
    "__truediv__": div, "__floordiv__": floor_divide, "__mod__": remainder, "__pow__": pow,
    "__rsub__": lambda self, other: sub(other, self), "__rtruediv__": lambda self, other: div(other, self),
    "__rpow__": lambda self, other: pow(as_tensor(other, dtypes.promote(self, other)), self),
    "__rfloordiv__": lambda self, other: floor_divide(other, self),
    "__rmod__": lambda self, other: remainder(other, self),
    "__iadd__": Tensor.add_, "__isub__": Tensor.sub_, "__imul__": Tensor.mul_, "__itruediv__": Tensor.div_,
    "__ipow__": Tensor.pow_,
}.items():  # fmt: skip
    setattr(Tensor, _name, _function)
