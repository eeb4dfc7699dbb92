"""Functions of functions, as in torch.func: a module as a function of its parameters, gradients as functions.

Arguments and results may be nested tuples, lists and dicts of tensors (a dict of parameters, say). The transformations
nest: what they return can be differentiated again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .autograd import Node
from .derivatives import block, jacobian, pull, variables
from .derivatives import hessian as _hessian_at
from .grad_mode import enable_grad, mode
from .tensor import Tensor

# fmt: off
__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacobian", "jacrev", "jvp", "vjp",
]
# fmt: on


# ---- a module with other parameters


@contextlib.contextmanager
def _swapped(module, tensors: dict[str, Tensor]) -> Iterator[None]:
    """Inside, the parameters and buffers named in `tensors` are these; afterwards the old ones are back."""
    before = []
    for name in tensors:
        owner: Any = module
        *path, last = name.split(".")
        for part in path:
            owner = owner._modules.get(part) if owner is not None else None
        table = owner and next((t for t in (owner._parameters, owner._buffers) if last in t), None)
        if table is None:
            raise KeyError(f"functional_call: {type(module).__name__} has no parameter or buffer {name!r}")
        before.append((table, last, table[last], tensors[name]))
    try:
        for table, last, _, new in before:
            table[last] = new
        yield
    finally:
        for table, last, old, _ in before:
            table[last] = old


def functional_call(module, parameter_and_buffer_dicts, args=(), kwargs=None, *, strict: bool = False):
    """module(*args, **kwargs) with the parameters and buffers of the dict (or of several) in place of its own.

    Those that no dict names stay; with strict all must be named. Afterwards, also after an error, all is as before.
    """
    dicts = parameter_and_buffer_dicts
    tensors: dict[str, Tensor] = {}
    for given in dicts if isinstance(dicts, tuple | list) else (dicts,):
        if repeated := tensors.keys() & given.keys():
            raise ValueError(f"functional_call: {sorted(repeated)} given more than once")
        tensors |= given
    if strict:
        own = {name for name, _ in [*module.named_parameters(), *module.named_buffers()]}
        if missing := own - tensors.keys():
            raise RuntimeError(f"functional_call: strict=True, but {sorted(missing)} are not given")
    args = args if isinstance(args, tuple) else (args,)
    with _swapped(module, tensors):
        return module(*args, **(kwargs or {}))


# ---- nested arguments


def _leaves(tree) -> list:
    """The tensors of a nested structure, in order."""
    if isinstance(tree, dict):
        return [leaf for key in tree for leaf in _leaves(tree[key])]
    if isinstance(tree, tuple | list):
        return [leaf for branch in tree for leaf in _leaves(branch)]
    return [tree] if isinstance(tree, Tensor) else []


def _rebuilt(tree, leaves: Iterator):
    """The structure with the next leaves in place of its tensors."""
    if isinstance(tree, dict):
        return {key: _rebuilt(branch, leaves) for key, branch in tree.items()}
    if isinstance(tree, tuple | list):
        branches = [_rebuilt(branch, leaves) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return next(leaves) if isinstance(tree, Tensor) else tree


def _loose(results: list[Tensor], own: list[Tensor]) -> list[Tensor]:
    """The results, without their history where it leads to nothing but `own`, the starting points made here."""
    mine = {id(t) for t in own}
    seen: set[Node] = set()
    stack = [t._edge[0] for t in results if t._edge is not None]
    if any(t._edge is None and t._requires_grad and id(t) not in mine for t in results):
        return results
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for edge in node.edges:
            if isinstance(edge, Tensor) and id(edge) not in mine:
                return results
            if type(edge) is tuple:
                stack.append(edge[0])
    return [t.detach() for t in results]


def _evaluated(func: Callable, args: tuple, argnums, has_aux: bool, kwargs: dict, name: str):
    """(tree of chosen arguments, their variables, output tree, aux)"""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"{name}: argnums {argnums} does not fit {len(args)} positional arguments")
    chosen = tuple(args[n] for n in numbers)
    xs = variables(_leaves(chosen), mode.recording)
    given = list(args)
    for n, value in zip(numbers, _rebuilt(chosen, iter(xs)), strict=True):
        given[n] = value
    with enable_grad():
        output = func(*given, **kwargs)
    output, aux = output if has_aux else (output, None)
    return chosen[0] if isinstance(argnums, int) else chosen, xs, output, aux


# ---- gradients as functions


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that returns (gradient, value) of func, or (gradient, (value, aux)) with has_aux; see `grad`."""

    def function(*args, **kwargs):
        outer = mode.recording
        chosen, xs, y, aux = _evaluated(func, args, argnums, has_aux, kwargs, "grad")
        if not isinstance(y, Tensor) or y.numel() != 1 or y.ndim:
            raise RuntimeError(f"grad: the function must return a 0-d tensor, got {getattr(y, 'shape', type(y))}")
        with enable_grad():
            gs = pull([y], xs, [Tensor(np.ones((), y.dtype))], outer)
        *gs, y = _loose([*gs, y], xs) if outer else [t.detach() for t in (*gs, y)]
        return _rebuilt(chosen, iter(gs)), (y, aux) if has_aux else y

    return function


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The gradient, as a function, of func, which returns a 0-d tensor; with has_aux func returns (value, aux).

    argnums: the argument, or arguments, to differentiate by; each may be a nested structure of tensors.
    """
    both = grad_and_value(func, argnums, has_aux)

    def function(*args, **kwargs):
        g, y = both(*args, **kwargs)
        return (g, y[1]) if has_aux else g

    return function


def vjp(func: Callable, *primals, has_aux: bool = False) -> tuple:
    """(output, pull): pull(v), with v like the output, is a tuple of products vᵀ J, one a primal; aux comes last."""
    outer = mode.recording
    _, xs, output, aux = _evaluated(func, primals, tuple(range(len(primals))), has_aux, {}, "vjp")

    def pull_back(*v) -> tuple:
        seeds = _leaves(v)
        ys = _leaves(output)
        if [t.shape for t in seeds] != [y.shape for y in ys]:
            raise RuntimeError(f"vjp: v has shapes {[t.shape for t in seeds]}, the output {[y.shape for y in ys]}")
        with enable_grad():
            gs = pull(ys, xs, seeds, outer)
        return _rebuilt(primals, iter(_loose(gs, xs) if outer else [g.detach() for g in gs]))

    ys = _leaves(output)
    shown = _rebuilt(output, iter(_loose(ys, xs) if outer else [y.detach() for y in ys]))
    return (shown, pull_back, aux) if has_aux else (shown, pull_back)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, has_aux: bool = False) -> tuple:
    """(output, J · tangents): how the output moves when the primals move along the tangents. Aux comes last."""
    outer = mode.recording
    primals, tangents = tuple(primals), tuple(tangents)
    _, xs, output, aux = _evaluated(func, primals, tuple(range(len(primals))), has_aux, {}, "jvp")
    directions, ys = _leaves(tangents), _leaves(output)
    if [t.shape for t in directions] != [x.shape for x in xs]:
        raise RuntimeError(f"jvp: tangents {[t.shape for t in directions]} do not fit primals {[x.shape for x in xs]}")
    with enable_grad():
        dummies = [Tensor(np.zeros(y.shape, y.dtype), True) for y in ys]
        moved = pull(pull(ys, xs, dummies, True), dummies, directions, outer)
    made = _loose([*ys, *moved], [*xs, *dummies]) if outer else [t.detach() for t in (*ys, *moved)]
    results = _rebuilt(output, iter(made[: len(ys)])), _rebuilt(output, iter(made[len(ys) :]))
    return (*results, aux) if has_aux else results


def jacrev(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The Jacobian, as a function: for each tensor y of func's result the blocks dy/dx, y.shape + x.shape, by row."""

    def function(*args, **kwargs):
        outer = mode.recording
        chosen, xs, output, aux = _evaluated(func, args, argnums, has_aux, kwargs, "jacrev")
        with enable_grad():
            blocks = [b for y in _leaves(output) for b in block(y, xs, outer)]
        made = iter(_loose(blocks, xs) if outer else blocks)
        result = _rebuilt(output, iter([_rebuilt(chosen, made) for _ in _leaves(output)]))
        return (result, aux) if has_aux else result

    return function


def jacfwd(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """As `jacrev`: there is one way to the same numbers here."""
    return jacrev(func, argnums, has_aux)


def hessian(func: Callable, argnums: Any = 0):
    """The Hessian of func, which returns one number, as a function; or, given tensors for argnums, its value there."""
    if isinstance(argnums, Tensor) or (isinstance(argnums, tuple) and argnums and isinstance(argnums[0], Tensor)):
        return _hessian_at(func, argnums)
    return jacrev(grad(func, argnums), argnums)
