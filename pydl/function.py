"""`Function`: an operation of one's own, with its derivative written by hand."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable

import numpy as np

from .autograd import Node, edges_of
from .grad_mode import mode, no_grad
from .op import Op, zeros
from .tensor import Tensor


class Context:
    """What `forward` leaves for `backward`: saved tensors, and any attributes of one's own."""

    def __init__(self, needs_input_grad: tuple[bool, ...]):
        self.needs_input_grad = needs_input_grad
        self._given: tuple = ()
        self._node: weakref.ref | None = None
        self._materialize = True
        self._plain: tuple = ()

    def save_for_backward(self, *tensors) -> None:
        """Keeps tensors (inputs, outputs, intermediates, or None) for `saved_tensors` in backward."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward: expected tensors or None, got {type(t).__name__}")
        self._given = tensors

    @property
    def saved_tensors(self) -> tuple:
        """What was saved; raises where one of them has been modified in place since."""
        node = None if self._node is None else self._node()
        if node is None:
            return self._given
        if node.freed:
            raise RuntimeError(
                f"{node.op.name}: its saved tensors are already freed; pass retain_graph=True to the first backward pass"
            )
        return tuple(None if kept is None else kept.restore(node) for kept in node.saved)

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These outputs get no history."""
        self._plain += outputs

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward gets None, not zeros, for an output that has no gradient."""
        self._materialize = value


class _Kept:
    """A saved tensor with its version; an output without its history, which would be a reference cycle."""

    __slots__ = ("output", "tensor", "version")

    def __init__(self, tensor: Tensor, outputs: list):
        self.version = tensor._version
        self.output = next((i for i, y in enumerate(outputs) if y is tensor), None)
        self.tensor = tensor
        if self.output is not None:
            self.tensor = Tensor(tensor.data)
            self.tensor._versions = tensor._versions

    def restore(self, node: Node) -> Tensor:
        t = self.tensor
        if t._version != self.version:
            raise RuntimeError(
                f"{node.op.name}: a tensor saved for its gradient ({t.dtype} {t.shape}) was modified by an in-place "
                f"operation after it was saved: it is at version {t._version}, saved at version {self.version}"
            )
        if self.output is not None and node.outputs[self.output][1].kind == "f":
            restored = Tensor(t.data)
            restored._versions, restored._edge, restored._requires_grad = t._versions, (node, self.output), True
            return restored
        return t


class _Applied(Op):
    """One use of a Function on the tape."""

    owns_gradients = False  # a backward may return what it saved, or one array twice

    def __init__(self, function: type[Function], context: Context):
        self.function, self.context, self.name, self.inputs = function, context, function.__name__, []

    def differentiate(self, node, gs, needs):
        if self.context._materialize:
            gs = [zeros(*out) if g is None else g for g, out in zip(gs, node.outputs, strict=True)]
        results = self.function.backward(self.context, *gs)
        results = results if isinstance(results, tuple) else (results,)
        n = len(needs)
        if len(results) < n or any(r is not None for r in results[n:]):
            raise RuntimeError(
                f"{self.name}: backward returned {len(results)} gradients, expected {n}: one an argument"
            )
        return [
            self._fitting(g, i, node) if need else None for i, (g, need) in enumerate(zip(results, needs, strict=False))
        ]

    def _fitting(self, g, i: int, node):
        shape = node.shapes[i]
        if g is None or g.shape == shape:
            return g
        try:
            return g.sum_to_size(shape)
        except RuntimeError:
            raise RuntimeError(
                f"{self.name}: backward returned a gradient of shape {g.shape} for argument {i} of shape {shape}"
            ) from None


class Function:
    """Base of custom operations: write `forward(ctx, *args)` and `backward(ctx, *gradients)` as static methods, use `apply`.

    forward runs unrecorded on tensors and any other arguments and returns a tensor or a tuple; backward gets one gradient
    an output and returns one an argument (None where there is none). Written in tensor operations it can be differentiated
    again. `setup_context(ctx, inputs, output)` may do the saving, then forward takes no ctx.
    """

    @staticmethod
    def forward(*args):
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx, *gradients):
        raise NotImplementedError("a Function needs a static method backward(ctx, *gradients) to be differentiated")

    @classmethod
    def apply(cls, *args):
        """Runs forward and records it."""
        tensors = tuple(a if isinstance(a, Tensor) else None for a in args)
        needs = tuple(t is not None and t._requires_grad for t in tensors)
        context = Context(needs)
        setup = getattr(cls, "setup_context", None)
        with no_grad():
            result = cls.forward(*args) if setup else cls.forward(context, *args)
            if setup:
                setup(context, args, result)
        many = isinstance(result, tuple)
        outputs = list(result) if many else [result]
        for i, y in enumerate(outputs):
            if not isinstance(y, Tensor):
                raise TypeError(f"{cls.__name__}: forward returned {type(y).__name__} as output {i}, expected a Tensor")
            if any(y is t for t in tensors):  # an input handed through: its history must not be replaced
                outputs[i] = y._alias()
                outputs[i]._edge, outputs[i]._requires_grad = None, False
        if mode.recording and any(needs):
            cls._record(context, tensors, outputs)
        return tuple(outputs) if many else outputs[0]

    @classmethod
    def _record(cls, context: Context, tensors: tuple, outputs: list) -> None:
        node = Node(
            _Applied(cls, context), edges_of(tensors), (None,) * len(tensors), {},
            tuple((y.shape, y.dtype) for y in outputs), tuple(None if t is None else t.shape for t in tensors),
            saved=tuple(None if t is None else _Kept(t, outputs) for t in context._given),
        )  # fmt: skip
        context._node, context._given = weakref.ref(node), ()
        for i, y in enumerate(outputs):
            y._base = None  # a view made in forward has this node for its history, not its base's
            if y.dtype.kind == "f" and not any(y is p for p in context._plain):
                y._edge, y._requires_grad = (node, i), True
        context._plain = ()


class _Once(Op):
    """Stands for the derivative of a backward that cannot be differentiated again."""

    def __init__(self, name: str):
        self.name, self.inputs = name, []

    def differentiate(self, node, gs, needs):
        raise RuntimeError(
            f"{self.name}: its backward is marked once_differentiable and cannot be differentiated again"
        )


def once_differentiable(backward: Callable) -> Callable:
    """Decorates a backward that uses more than tensor operations: differentiating its result raises instead of being wrong."""

    @functools.wraps(backward)
    def wrapped(ctx, *gradients):
        with no_grad():
            results = backward(ctx, *gradients)
        given = [g for g in gradients if isinstance(g, Tensor)]
        if not mode.recording or not given:
            return results
        many = results if isinstance(results, tuple) else (results,)
        made = [None if g is None else Tensor(g.data) for g in many]
        node = Node(
            _Once(getattr(backward, "__qualname__", "backward")), tuple(Tensor(g.data, True) for g in given),
            (None,) * len(given), {}, tuple(((), np.dtype(bool)) if g is None else (g.shape, g.dtype) for g in made),
        )  # fmt: skip
        for i, g in enumerate(made):
            if g is not None:
                g._edge, g._requires_grad = (node, i), True
        return tuple(made) if isinstance(results, tuple) else made[0]

    return wrapped
