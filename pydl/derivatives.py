"""Derivatives of functions of tensors, `pydl.autograd.functional`: Jacobian, Hessian and products with them.

`inputs` is a tensor or a tuple of tensors, which the function gets as its arguments; results have the same form. With
create_graph the result can itself be differentiated with respect to the inputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import autograd
from .grad_mode import enable_grad
from .op import identity
from .tensor import Tensor

# fmt: off
__all__ = [
    "hessian", "hvp", "jacobian", "jvp", "vjp",
]
# fmt: on


def variables(tensors, create_graph: bool) -> list[Tensor]:
    """The tensors as starting points of differentiation, connected to where they come from only with create_graph."""
    result = []
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"input {i} is {type(t).__name__}, expected a Tensor")
        connected = create_graph and t._requires_grad
        result.append(identity(t) if connected else t.detach().requires_grad_())
    return result


def _called(function: Callable, xs: list[Tensor], name: str) -> tuple[list[Tensor], bool]:
    """The outputs, and whether the function returned a tuple of them."""
    outputs = function(*xs)
    many = isinstance(outputs, tuple | list)
    outputs = list(outputs) if many else [outputs]
    for i, y in enumerate(outputs):
        if not isinstance(y, Tensor):
            raise TypeError(f"{name}: the function returned {type(y).__name__} as output {i}, expected a Tensor")
    return outputs, many


def _tuple_of(x) -> tuple:
    return tuple(x) if isinstance(x, tuple | list) else (x,)


def _like(results, given):
    return tuple(results) if isinstance(given, tuple | list) else results[0]


def pull(outputs, xs, seeds, create_graph: bool, strict: bool = False) -> list[Tensor]:
    """The gradients of outputs · seeds at xs; zeros where nothing depends on an x, an error with strict."""
    pairs = [(y, g) for y, g in zip(outputs, seeds, strict=True) if y._requires_grad]
    if pairs:
        ys, gs = zip(*pairs, strict=True)
        found = autograd.grad(ys, xs, gs, retain_graph=True, create_graph=create_graph, allow_unused=True)
    else:
        found = (None,) * len(xs)
    if strict and any(g is None for g in found):
        i = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(f"the outputs of the function do not depend on input {i}, which strict=True does not allow")
    return [Tensor(np.zeros(x.shape, x.dtype)) if g is None else g for x, g in zip(xs, found, strict=True)]


def _directions(v, like: list[Tensor], name: str) -> list[Tensor]:
    """v, which must have the form of `like`; ones where like is one number and v is None."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{name}: v may only be None where there is one number to go with it")
        return [Tensor(np.ones(like[0].shape, like[0].dtype))]
    given = list(_tuple_of(v))
    shapes = [t.shape for t in like]
    if [t.shape for t in given] != shapes:
        raise RuntimeError(f"{name}: v has shapes {[t.shape for t in given]}, expected {shapes}")
    return given


def vjp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(outputs, vᵀ J): the product of v, shaped like the outputs, with the Jacobian of func at inputs."""
    with enable_grad():
        xs = variables(_tuple_of(inputs), create_graph)
        outputs, many = _called(func, xs, "vjp")
        products = pull(outputs, xs, _directions(v, outputs, "vjp"), create_graph, strict)
    outputs = outputs if create_graph else [y.detach() for y in outputs]
    return tuple(outputs) if many else outputs[0], _like(products, inputs)


def jvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(outputs, J v): the product of the Jacobian of func at inputs with v, shaped like the inputs.

    vᵀ J is linear in v, so that its derivative with respect to v along a direction is J · direction.
    """
    with enable_grad():
        xs = variables(_tuple_of(inputs), create_graph)
        outputs, many = _called(func, xs, "jvp")
        directions = _directions(v, xs, "jvp")
        dummies = [Tensor(np.zeros(y.shape, y.dtype), True) for y in outputs]
        products = pull(outputs, xs, dummies, True, strict)
        products = pull(products, dummies, directions, create_graph, strict)
    outputs = outputs if create_graph else [y.detach() for y in outputs]
    return (tuple(outputs), tuple(products)) if many else (outputs[0], products[0])


def block(y: Tensor, xs: list[Tensor], create_graph: bool, strict: bool = False) -> list[Tensor]:
    """dy/dx for each x, of shape y.shape + x.shape: row by row."""
    from .ops.join import stack

    rows = []
    for i in range(y.numel()):
        seed = np.zeros(y.shape, y.dtype)
        seed.reshape(-1)[i] = 1.0
        rows.append(pull([y], xs, [Tensor(seed)], create_graph, strict))
    return [
        stack([row[j] for row in rows]).reshape(*y.shape, *x.shape)
        if rows
        else Tensor(np.zeros((*y.shape, *x.shape), x.dtype))
        for j, x in enumerate(xs)
    ]


def jacobian(func: Callable, inputs, create_graph: bool = False, strict: bool = False, *, layout: str = "numerator"):
    """dy/dx of y = func(x) at inputs: a tensor, a tuple for several inputs, a tuple of tuples for several outputs.

    layout "numerator" (PyTorch's): entry [i, j] is dy_i/dx_j, shape y.shape + x.shape. layout "denominator", its
    transpose: entry [j, i] is dy_i/dx_j, shape x.shape + y.shape; the gradient of a scalar then is a column.
    """
    if layout not in ("numerator", "denominator"):
        raise ValueError(f"jacobian: layout must be 'numerator' or 'denominator', got {layout!r}")
    with enable_grad():
        xs = variables(_tuple_of(inputs), create_graph)
        outputs, many = _called(func, xs, "jacobian")
        blocks = []
        for y in outputs:
            row = block(y, xs, create_graph, strict)
            if layout == "denominator":
                row = [j.permute(*range(y.ndim, j.ndim), *range(y.ndim)) for j in row]
            blocks.append(_like(row, inputs))
    return tuple(blocks) if many else blocks[0]


def _gradient_of(func: Callable, name: str, strict: bool) -> Callable:
    """The gradient of a function that returns one number, as a function that can be differentiated again."""

    def gradient(*xs):
        outputs, many = _called(func, xs, name)
        if many or outputs[0].numel() != 1:
            raise RuntimeError(f"{name}: the function must return one number, got {[y.shape for y in outputs]}")
        seed = [Tensor(np.ones(outputs[0].shape, outputs[0].dtype))]
        return tuple(pull(outputs, list(xs), seed, True, strict))

    return gradient


def hessian(func: Callable, inputs, create_graph: bool = False, strict: bool = False):
    """d²y/dx dx' of one number y = func(x): shape x.shape + x.shape; for several inputs a tuple of tuples of blocks."""
    blocks = jacobian(_gradient_of(func, "hessian", strict), inputs, create_graph, strict)
    return blocks if isinstance(inputs, tuple | list) else blocks[0]


def hvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(y, H v): the product of the Hessian of one number y = func(x) with v, shaped like the inputs."""
    with enable_grad():
        xs = variables(_tuple_of(inputs), create_graph)
        gradients = list(_gradient_of(func, "hvp", strict)(*xs))
        products = pull(gradients, xs, _directions(v, xs, "hvp"), create_graph, strict)
        y = func(*xs)
    return y if create_graph else y.detach(), _like(products, inputs)
