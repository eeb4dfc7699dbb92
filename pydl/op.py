"""The op contract: what an operation means, which kernels compute it, and how it is differentiated.

    @primitive                                   @op
    def exp(k, x): ...      # forward kernel     def layer_norm(x, weight, bias, *, eps): ...   # the meaning, in tensor ops
    exp.backward(x=lambda g, y: g * y)           @layer_norm.forward
                                                 def _(k, x, weight, bias, *, eps): ... return y, saved
                                                 @layer_norm.backward
                                                 def _(k, saved, gy, *, eps): ... return gx, gweight, gbias

Positional parameters are tensors (or None), keyword-only ones are attributes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np

from . import backend
from .autograd import Node, check_forward, edges_of, grad
from .grad_mode import enable_grad, mode
from .tensor import Tensor

REGISTRY: dict[str, Op] = {}  # every op by name: the tests run over it


def kept_outputs(outputs) -> list:
    """(array, version counter, version) of outputs that a derivative reads; not the tensors, which would be a cycle."""
    return [(t.data, t._versions, t._version) for t in outputs]


def _describe(arrays) -> str:
    return ", ".join("None" if a is None else f"{a.dtype} {a.shape}" for a in arrays)


class Op:
    """Runs a forward and puts the result on the tape. Subclasses say how it is differentiated."""

    kernel: (
        Callable | None
    )  # kernel(k, *arrays, **attrs) -> array or tuple of arrays, with `saves`: (that, saved arrays)
    saves = False
    owns_gradients = True  # the gradients it computes are memory of their own, or views that say so

    def __init__(self, meaning: Callable, inputs: list[str], name: str | None = None):
        self.name = name or meaning.__name__.strip("_")
        self.inputs = inputs
        self.__doc__ = meaning.__doc__
        self.__name__ = self.name
        REGISTRY[self.name] = self

    def __repr__(self):
        return f"<op {self.name}({', '.join(self.inputs)})>"

    def input_name(self, i: int) -> str:
        return self.inputs[i] if i < len(self.inputs) else f"input {i}"

    def __call__(self, *inputs, **attrs):
        arrays = [None if t is None else t.data for t in inputs]
        saved = ()
        try:
            results = self.kernel(backend.kernels(arrays[0]), *arrays, **attrs)
            if self.saves:
                results, saved = results
        except (TypeError, ValueError, IndexError) as error:  # the kernel's reason, and what it was given
            raise type(error)(f"{self.name}: {_reason(error)}; got {_describe(arrays)}") from error
        many = type(results) is tuple
        outputs = tuple(map(Tensor, results)) if many else Tensor(results)
        if mode.recording:
            for t in inputs:
                if t is not None and t._requires_grad:
                    self._record(inputs, attrs, arrays, outputs if many else (outputs,), saved)
                    break
        return outputs

    def _record(self, inputs, attrs, arrays, outputs, saved) -> None:
        if mode.anomaly:
            check_forward(self.name, inputs, outputs)
        for t in inputs:
            if t is not None and t._versions is None:
                raise RuntimeError(
                    f"{self.name}: a tensor made in inference_mode cannot take part in a recorded operation"
                )
        node = self._node(inputs, attrs, arrays, outputs, saved)
        for i, t in enumerate(outputs):
            if t.data.dtype.kind == "f":
                t._edge, t._requires_grad = (node, i), True

    def _node(self, inputs, attrs, arrays, outputs, saved) -> Node:
        raise NotImplementedError

    def differentiate(self, node: Node, gs: list, needs: list[bool]) -> list:
        """One gradient tensor an input (None where not needed), from those of the outputs (None: zero)."""
        raise NotImplementedError


def _positional(function: Callable) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def _reason(error: Exception) -> str:
    text = str(error)
    return (
        "its kernel takes arrays of one dtype, float32 or float64 (labels and indices int64), with at most 16 axes"
        if "incompatible function arguments" in text
        else text
    )


class Primitive(Op):
    """A forward kernel and, for each input, the gradient as a formula of tensor ops: closed under differentiation.

    The parameters of a formula say what it reads: `g` (the output's gradient; `gs` the list for several outputs), `y` (the
    output), the inputs and attributes by name, `<input>_shape`. Nothing else is kept for the backward pass.
    """

    def __init__(self, forward: Callable, *, broadcast: bool = False, name: str | None = None):
        super().__init__(forward, _positional(forward)[1:], name)
        self.kernel, self.broadcast = forward, broadcast
        self.formulas: list = [None] * len(self.inputs)
        self._reads: list[frozenset[int]] = [frozenset()] * len(self.inputs)
        self._reads_y = [False] * len(self.inputs)

    def backward(self, **formulas: Callable) -> None:
        """Gradient of each input that has one."""
        for input_name, formula in formulas.items():
            i = self.inputs.index(input_name)
            names = list(inspect.signature(formula).parameters)
            self.formulas[i] = (formula, names)
            self._reads[i] = frozenset(self.inputs.index(n) for n in names if n in self.inputs)
            self._reads_y[i] = "y" in names

    def _node(self, inputs, attrs, arrays, outputs, saved):
        edges = edges_of(inputs)
        reads: frozenset[int] = frozenset()
        reads_y = False
        for i, edge in enumerate(edges):
            if edge is not None:
                reads |= self._reads[i]
                reads_y |= self._reads_y[i]
        return Node(
            self, edges, tuple(t if i in reads else None for i, t in enumerate(inputs)), attrs,
            tuple((t.data.shape, t.data.dtype) for t in outputs),
            tuple(None if a is None else a.shape for a in arrays),
            kept_outputs(outputs) if reads_y else (),
        )  # fmt: skip

    def differentiate(self, node, gs, needs):
        results: list = [None] * len(needs)
        for i, need in enumerate(needs):
            if not need:
                continue
            if self.formulas[i] is None:
                raise RuntimeError(f"{self.name}: not differentiable with respect to {self.inputs[i]}")
            formula, names = self.formulas[i]
            gradient = formula(*(self._value(node, name, gs) for name in names))
            if gradient is not None and gradient.shape != node.shapes[i]:
                if not self.broadcast:
                    raise AssertionError(f"{self.name}: gradient {gradient.shape} for input of shape {node.shapes[i]}")
                gradient = gradient.sum_to_size(node.shapes[i])
            results[i] = gradient
        return results

    def _value(self, node, name, gs):
        if name == "g":
            return gs[0] if gs[0] is not None else zeros(*node.outputs[0])
        if name == "gs":
            return [zeros(*out) if g is None else g for g, out in zip(gs, node.outputs, strict=True)]
        if name == "y":
            node.check_outputs()
            y = Tensor(node.values[0][0])
            y._edge, y._requires_grad = (node, 0), True
            return y
        if name in node.attrs:
            return node.attrs[name]
        if name.endswith("_shape"):
            return node.shapes[self.inputs.index(name[:-6])]
        return node.input(self.inputs.index(name))


class Fused(Op):
    """A meaning in tensor ops (the definition, the oracle, every derivative above the first) plus optional kernels."""

    saves = True

    def __init__(self, reference: Callable, name: str | None = None):
        super().__init__(reference, _positional(reference), name)
        self.reference = reference
        self.kernel = None
        self.gradient: _Gradient | None = None

    def forward(self, kernel: Callable) -> Callable:
        """Registers `kernel(k, *arrays, **attrs) -> (result or tuple of results, saved arrays)`."""
        self.kernel = kernel
        return kernel

    def backward(self, kernel: Callable) -> Callable:
        """Registers `kernel(k, saved, *output gradients, **attrs) -> gradient or tuple of gradients`, one an input."""
        self.gradient = _Gradient(self, kernel)
        return kernel

    def __call__(self, *inputs, **attrs):
        if self.kernel is None:
            return self.reference(*inputs, **attrs)
        return super().__call__(*inputs, **attrs)

    def _node(self, inputs, attrs, arrays, outputs, saved):
        return Node(
            self, edges_of(inputs), inputs, attrs, tuple((t.data.shape, t.data.dtype) for t in outputs),
            values=kept_outputs(t for t in outputs if any(t.data is a for a in saved)), saved=saved,
        )  # fmt: skip

    def differentiate(self, node, gs, needs):
        node.check_outputs()
        inputs = [node.input(i) for i in range(len(node.inputs))]
        if self.gradient is None:
            _, gradients = self.reference_gradient(inputs, node.attrs, gs, needs, mode.recording)
            return gradients
        gs = [zeros(*out) if g is None and out[1].kind == "f" else g for g, out in zip(gs, node.outputs, strict=True)]
        gradients = self.gradient(node.saved, inputs, gs, node.attrs)
        return [g if need else None for g, need in zip(gradients, needs, strict=True)]

    def reference_gradient(self, inputs, attrs, gs, needs, create_graph: bool) -> tuple[list, list]:
        """Aliases of the inputs, and the gradients of the reference with respect to those that are needed.

        The reference sees an alias of each input, at which the gradient stops: an input that is a function of another
        would be counted twice otherwise.
        """
        with enable_grad():
            aliases = [identity(t) if t is not None and t._requires_grad else t for t in inputs]
            outputs = self.reference(*aliases, **attrs)
            outputs = outputs if type(outputs) is tuple else (outputs,)
            used = [(y, g) for y, g in zip(outputs, gs, strict=True) if y._requires_grad and g is not None]
            targets = [t for t, need in zip(aliases, needs, strict=True) if need]
            found = iter(
                grad([y for y, _ in used], targets, [g for _, g in used], create_graph=create_graph, allow_unused=True)
                if used
                else [None] * len(targets)
            )
        return aliases, [next(found) if need else None for need in needs]


class _Gradient(Op):
    """The gradient of a fused op as a node: its value by kernel, its own derivative by differentiating the reference."""

    def __init__(self, fused: Fused, kernel: Callable):
        self.fused, self.kernel = fused, kernel
        self.name, self.inputs = f"{fused.name} backward", [*fused.inputs, "gradient"]

    def __call__(self, saved, inputs, gs, attrs):
        given = [None if g is None else g.data for g in gs]
        results = self.kernel(backend.kernels(given[0]), saved, *given, **attrs)
        results = results if type(results) is tuple else (results,)
        outputs = [None if a is None else Tensor(a) for a in results]
        everything = (*inputs, *gs)
        if mode.recording and any(t is not None and t._requires_grad for t in everything):
            shapes = tuple(((), np.dtype(bool)) if a is None else (a.shape, a.dtype) for a in results)
            node = Node(self, edges_of(everything), everything, attrs, shapes)
            for i, t in enumerate(outputs):
                if t is not None:
                    t._edge, t._requires_grad = (node, i), True
        return outputs

    def differentiate(self, node, ggs, needs):
        everything = [node.input(i) for i in range(len(node.inputs))]
        n, create_graph = len(self.fused.inputs), mode.recording
        with enable_grad():
            gs = [identity(t) if t is not None and t._requires_grad else t for t in everything[n:]]
        wanted = [gg is not None for gg in ggs]
        xs, gxs = self.fused.reference_gradient(everything[:n], node.attrs, gs, wanted, True)
        pairs = [(gx, gg) for gx, gg in zip(gxs, ggs, strict=True) if gx is not None and gx._requires_grad]
        targets = [t for t, need in zip([*xs, *gs], needs, strict=True) if need]
        if not pairs:
            return [None] * len(needs)
        outputs, ggs = zip(*pairs, strict=True)
        found = iter(grad(outputs, targets, ggs, create_graph=create_graph, allow_unused=True))
        return [next(found) if need else None for need in needs]


def op(reference: Callable) -> Fused:
    """Decorates the meaning of a fused op, written in tensor ops."""
    return Fused(reference)


def primitive(forward: Callable | None = None, **options):
    """Decorates the forward kernel of a primitive; options: broadcast (gradients are summed to the inputs' shapes)."""
    if forward is None:
        return lambda f: Primitive(f, **options)
    return Primitive(forward)


def zeros(shape: tuple, dtype: np.dtype) -> Tensor:
    return Tensor(np.zeros(shape, dtype))


@primitive
def identity(k, x):
    return x


identity.backward(x=lambda g: g)
