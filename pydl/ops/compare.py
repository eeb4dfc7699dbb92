"""Comparisons, logic on bools, and the choice between two tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..backend import empty
from ..op import primitive
from ..tensor import Tensor, in_place, method
from .elementwise import as_tensor, binary_op, broadcast_shapes, pair, stretched

# fmt: off
__all__ = [
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "eq", "ge", "gt", "isfinite", "isinf", "isnan", "le",
    "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_fill", "ne", "where",
]
# fmt: on


def _comparison(name: str, symbol: str, other_dtypes: Callable) -> Callable:
    op = binary_op(name, integers=other_dtypes, result_dtype=dtypes.bool)

    def function(input, other) -> Tensor:
        return op(*pair(input, other, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"input {symbol} other as a bool tensor, elementwise with broadcasting."
    return method(function)


eq = _comparison("eq", "==", np.equal)
ne = _comparison("ne", "!=", np.not_equal)
lt = _comparison("lt", "<", np.less)
le = _comparison("le", "<=", np.less_equal)
gt = _comparison("gt", ">", np.greater)
ge = _comparison("ge", ">=", np.greater_equal)


def _logical(name: str, formula: str, function: np.ufunc) -> Callable:
    def operation(input, *other) -> Tensor:
        return Tensor(np.asarray(function(input.data, *(getattr(o, "data", o) for o in other))))

    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = f"{formula}, elementwise with broadcasting."
    return method(operation)


logical_not = _logical("logical_not", "not input", np.logical_not)
logical_and = _logical("logical_and", "input and other", np.logical_and)
logical_or = _logical("logical_or", "input or other", np.logical_or)
logical_xor = _logical("logical_xor", "input xor other", np.logical_xor)
bitwise_not = _logical("bitwise_not", "~input", np.bitwise_not)
bitwise_and = _logical("bitwise_and", "input & other (integers, bools)", np.bitwise_and)
bitwise_or = _logical("bitwise_or", "input | other (integers, bools)", np.bitwise_or)
bitwise_xor = _logical("bitwise_xor", "input ^ other (integers, bools)", np.bitwise_xor)
isnan = _logical("isnan", "whether input is NaN", np.isnan)
isinf = _logical("isinf", "whether input is infinite", np.isinf)
isfinite = _logical("isfinite", "whether input is neither NaN nor infinite", np.isfinite)


@primitive(broadcast=True)
def _where(k, condition, a, b):
    shape = broadcast_shapes(broadcast_shapes(condition.shape, a.shape, "where"), b.shape, "where")
    if a.dtype.char not in "fd":
        return np.where(condition, a, b)
    result = empty(shape, a.dtype)
    k.where(stretched(condition, shape), stretched(a, shape), stretched(b, shape), result)
    return result


_where.backward(
    a=lambda g, condition: _where(condition, g, as_tensor(0.0, g.dtype)),
    b=lambda g, condition: _where(condition, as_tensor(0.0, g.dtype), g),
)


def where(condition, input=None, other=None):
    """input where condition (bool) is true, else other; with broadcasting; alone: `nonzero(as_tuple=True)`."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition.data.dtype != dtypes.bool:
        raise RuntimeError(f"where: condition must be a bool tensor, got {condition.dtype}")
    return _where(condition, *pair(input, other, "where"))


@in_place
@method
def masked_fill(input, mask, value) -> Tensor:
    """value (a number or 0-d tensor) where mask (bool, broadcasts to input) is true, else input."""
    if mask.data.dtype != dtypes.bool:
        raise RuntimeError(f"masked_fill: mask must be a bool tensor, got {mask.dtype}")
    return _where(mask, as_tensor(value, input.dtype), input)


def _or_identity(comparison: Callable) -> Callable:
    """The operator leaves what is no number, None say, to Python: equal only to itself."""
    return lambda self, other: NotImplemented if other is None or isinstance(other, str) else comparison(self, other)


for _name, _function in {
    "__eq__": _or_identity(eq), "__ne__": _or_identity(ne), "__lt__": lt, "__le__": le, "__gt__": gt, "__ge__": ge,
    "__and__": bitwise_and, "__or__": bitwise_or, "__xor__": bitwise_xor, "__invert__": bitwise_not,
}.items():  # fmt: skip
    setattr(Tensor, _name, _function)
