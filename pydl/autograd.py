"""The tape: nodes that remember how a tensor was made, and the sweep that walks them backwards.

A tensor that was computed from one with `requires_grad` has an `edge` `(node, i)`: it is the i-th output of `node`. A leaf
has none. A node holds the edges of its inputs, never its outputs, so a graph has no reference cycle and is freed with its
last tensor. Gradients are tensors; with `create_graph` the code that computes them is recorded, nothing else changes.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence

import numpy as np

from .grad_mode import Switch, mode
from .grad_mode import detect_anomaly as detect_anomaly
from .grad_mode import enable_grad as enable_grad
from .grad_mode import inference_mode as inference_mode
from .grad_mode import no_grad as no_grad
from .grad_mode import set_detect_anomaly as set_detect_anomaly
from .grad_mode import set_grad_enabled as set_grad_enabled

_sequence = itertools.count()


def _stack() -> list[str]:
    import traceback  # slow to load, and only needed here

    return traceback.format_stack()[:-4]


class Node:
    """One recorded operation.

    `op` knows the derivative; `edges` lead to the inputs (None: no gradient wanted, a Tensor: a leaf); `inputs` are the
    input tensors that the derivative reads, each with the version it had (None: not read); `outputs` are (shape, dtype)
    of the results; `values` are the result arrays that the derivative reads; `saved` is what a forward kernel kept.
    """

    __slots__ = (
        "__weakref__", "attrs", "edges", "freed", "hooks", "inputs", "number", "op", "outputs", "retained", "saved",
        "shapes", "trace", "values", "versions",
    )  # fmt: skip

    def __init__(self, op, edges, inputs, attrs, outputs, shapes=(), values=(), saved=()):
        self.op, self.edges, self.inputs, self.attrs = op, edges, inputs, attrs
        self.outputs, self.shapes, self.values, self.saved = outputs, shapes, values, saved
        self.versions = [None if t is None else t._version for t in inputs]
        self.number = next(_sequence)
        self.hooks = self.retained = None
        self.freed = False
        self.trace = _stack() if mode.anomaly else None

    def name(self) -> str:
        return f"{self.op.name} backward"

    __repr__ = name

    def input(self, i: int):
        """The i-th input as it was when the operation ran; raises where it has been modified since."""
        t = self.inputs[i]
        if t is not None and t._version != self.versions[i]:
            raise RuntimeError(
                f"{self.op.name}: one of the tensors needed for its gradient ({self.op.input_name(i)}, {t.dtype} "
                f"{t.shape}) was modified by an in-place operation after it was saved: it is at version {t._version}, "
                f"saved at version {self.versions[i]}"
            )
        return t

    def check_outputs(self) -> None:
        """Raises where an output that the derivative reads has been modified since."""
        for array, versions, version in self.values:
            if versions is not None and versions[0] != version:
                raise RuntimeError(
                    f"{self.op.name}: its output ({array.dtype} {array.shape}), which its gradient needs, was modified by "
                    f"an in-place operation after it was saved: it is at version {versions[0]}, saved at version {version}"
                )

    def release(self) -> None:
        """Drops what was kept for the derivative; the edges stay."""
        if self.saved or self.values or any(t is not None for t in self.inputs):
            self.freed = True
            self.inputs, self.values, self.saved = (None,) * len(self.inputs), (), ()


def moment() -> int:
    """A number that later nodes exceed."""
    return next(_sequence)


def keep_old_values(result, since: int, written) -> None:
    """Before `result` is written into the tensor `written`: what the nodes recorded `since` read of its memory is copied.

    So `x.mul_(w)` can be differentiated with respect to w, although x is overwritten.
    """
    stack, seen = [result._edge[0]] if result._edge is not None else [], set()
    while stack:
        node = stack.pop()
        if node.number <= since or node in seen:
            continue
        seen.add(node)
        node.inputs = tuple(
            t._frozen() if t is not None and t._versions is written._versions else t for t in node.inputs
        )
        node.versions = [None if t is None else t._version for t in node.inputs]
        node.saved = tuple(
            a.copy() if isinstance(a, np.ndarray) and np.may_share_memory(a, written.data) else a for a in node.saved
        )
        stack += [edge[0] for edge in node.edges if type(edge) is tuple]


def edges_of(inputs: Sequence) -> tuple:
    """Where the gradients of `inputs` go: an edge, a leaf tensor, or None."""
    edges: list = []
    for t in inputs:
        if t is not None and t._base is not None:
            t._refresh()
        if t is None or not t._requires_grad:
            edges.append(None)
        else:
            edges.append(t if t._edge is None else t._edge)
    return tuple(edges)


def _topological(roots: list[Node]) -> list[Node]:
    """Every node behind `roots`, users before what they use: the order of creation, reversed."""
    seen, stack = set(roots), list(roots)
    while stack:
        for edge in stack.pop().edges:
            if type(edge) is tuple and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])
    return sorted(seen, key=lambda n: -n.number)


def _key(t):
    return t._edge if t._edge is not None else id(t)


def _seed(t, g, i: int, what: str):
    """The gradient that the sweep starts from at output t."""
    from .tensor import Tensor

    if not t._requires_grad:
        raise RuntimeError(
            f"{what}: output {i} ({t.dtype} {t.shape}) does not require grad: none of the tensors that it was computed "
            "from has requires_grad, or it was computed under no_grad or detached"
        )
    if g is None:
        if t.data.size != 1:
            raise RuntimeError(f"{what}: grad can be implicitly created only for scalar outputs, got shape {t.shape}")
        return Tensor(np.ones(t.data.shape, t.data.dtype))
    if not isinstance(g, Tensor):
        raise TypeError(f"{what}: the gradient of output {i} must be a Tensor or None, got {type(g).__name__}")
    if g.shape != t.shape:
        raise RuntimeError(f"{what}: gradient {i} has shape {g.shape}, its output has shape {t.shape}")
    return g


class _Sum:
    """Adds up the gradients that arrive at one place, and knows whether the result is ours alone."""

    __slots__ = ("shared", "total")

    def __init__(self):
        self.total, self.shared = None, False

    def add(self, g, shared: bool) -> None:
        if self.total is None:
            self.total, self.shared = g, shared
        else:
            self.total, self.shared = self.total + g, False


def _sweep(outputs, seeds, targets, keep: bool, create_graph: bool) -> dict:
    """Sums of gradients by leaf id, or by the key of each of `targets` where given (then only what they need is computed)."""
    sums: dict = {}
    pending: dict[Node, list] = {}
    retained: list = []  # (tensor, its gradient), stored when all has gone well

    def arrive(edge, g, shared):
        if type(edge) is tuple:
            node, i = edge
            slots = pending.get(node)
            if slots is None:
                slots = pending[node] = [None] * len(node.outputs)
            if slots[i] is None:
                slots[i] = _Sum()
            slots[i].add(g, shared)
        elif edge is not None:
            key = id(edge)
            if targets is None or key in targets:
                if key not in sums:
                    sums[key] = (edge, _Sum())
                sums[key][1].add(g, shared)

    roots = []
    for t, g in zip(outputs, seeds, strict=True):
        edge = edges_of((t,))[0]
        if type(edge) is tuple:
            roots.append(edge[0])
        arrive(edge, g, True)
    order = _topological(roots)

    needed = None
    if targets is not None:  # the nodes behind which a target lies
        needed = set()
        for node in reversed(order):
            if any((type(e) is tuple and (e in targets or e[0] in needed)) or id(e) in targets for e in node.edges):
                needed.add(node)

    def wanted(edge) -> bool:
        if edge is None:
            return False
        if targets is None:
            return True
        return edge in targets or edge[0] in needed if type(edge) is tuple else id(edge) in targets

    with Switch(recording=create_graph):
        for node in order:
            slots = pending.pop(node, None)
            if slots is None:
                continue
            for i, slot in enumerate(slots):
                if slot is None:
                    continue
                if node.hooks and i in node.hooks:
                    slot.total = run_hooks(node.hooks[i], slot.total)
                    slot.shared = True
                if node.retained and i in node.retained and (t := node.retained[i]()) is not None:
                    retained.append((t, slot.total))
                if targets is not None and (node, i) in targets:
                    sums[(node, i)] = (None, slot)
            if needed is not None and node not in needed:
                continue
            if node.freed:
                raise RuntimeError(
                    f"{node.op.name}: trying to backward through the graph a second time, but what it had saved is already "
                    "freed; pass retain_graph=True to the first backward or grad call"
                )
            gs = [slot and slot.total for slot in slots]
            needs = [wanted(e) for e in node.edges]
            if not any(needs):
                continue
            results = node.op.differentiate(node, gs, needs)
            if mode.anomaly:
                _check_gradients(node, gs, results)
            for i, (edge, g) in enumerate(zip(node.edges, results, strict=True)):
                if g is not None and needs[i]:
                    shared = (
                        not node.op.owns_gradients
                        or g._base is not None
                        or any(g is other for other in gs)
                        or _repeats(g, results)
                    )
                    arrive(edge, g, shared)
            if not keep:
                node.release()
        for t, g in retained:
            t._accumulate(g, True, create_graph)
    return sums


def _repeats(g, results) -> bool:
    return sum(g is other for other in results) > 1


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away."""

    _numbers = itertools.count()

    def __init__(self, hooks: dict, hook: Callable):
        self._hooks, self._id = hooks, next(self._numbers)
        hooks[self._id] = hook

    def remove(self) -> None:
        self._hooks.pop(self._id, None)


def run_hooks(hooks: dict, g):
    """The gradient after every hook has seen it, and perhaps replaced it."""
    for hook in list(hooks.values()):
        changed = hook(g)
        if changed is not None:
            if changed.shape != g.shape:
                raise RuntimeError(f"gradient hook returned shape {changed.shape}, expected {g.shape}")
            g = changed
    return g


def _has_nan(t) -> bool:
    return t is not None and t.data.dtype.kind == "f" and bool(np.isnan(t.data).any())


def _check_gradients(node: Node, gs, results) -> None:
    if any(map(_has_nan, results)) and not any(map(_has_nan, gs)):
        where = "".join(node.trace or ["  (recorded before detect_anomaly was on)\n"])
        raise RuntimeError(f"{node.op.name}: its backward made a NaN from gradients without one; recorded at:\n{where}")


def check_forward(name: str, inputs, outputs) -> None:
    """In anomaly mode: raises where an operation made a NaN from inputs without one."""
    if any(map(_has_nan, outputs)) and not any(map(_has_nan, inputs)):
        raise RuntimeError(f"{name}: made a NaN from inputs without one")


def _sequence_of(x) -> tuple:
    return tuple(x) if isinstance(x, list | tuple) else (x,)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None) -> None:
    """Adds d(sum of tensors · grad_tensors)/d(leaf) to the `.grad` of every leaf that requires it, or of `inputs` only.

    Nothing is added anywhere if the pass fails. Raises RuntimeError where an output needs an explicit gradient.
    """
    tensors = _sequence_of(tensors)
    given = (None,) * len(tensors) if grad_tensors is None else _sequence_of(grad_tensors)
    if len(given) != len(tensors):
        raise RuntimeError(f"backward: got {len(tensors)} tensors and {len(given)} gradients")
    seeds = [_seed(t, g, i, "backward") for i, (t, g) in enumerate(zip(tensors, given, strict=True))]
    only = None if inputs is None else _sequence_of(inputs)
    targets = None if only is None else {_key(t) for t in only}
    keep = create_graph if retain_graph is None else retain_graph
    sums = _sweep(tensors, seeds, targets, keep, create_graph)
    places = [(leaf, total) for leaf, total in sums.values() if leaf is not None]
    if only is not None:
        places = [(t, sums[_key(t)][1]) for t in only if _key(t) in sums and not _is_retained(t)]
    with Switch(recording=create_graph):
        for leaf, total in places:
            leaf._accumulate(total.total, total.shared, create_graph)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    allow_unused=None,
    materialize_grads=False,
) -> tuple:
    """d(sum of outputs · grad_outputs)/d(inputs), one tensor an input; `.grad` of no leaf changes.

    An input that no output depends on raises, or gives None with allow_unused, or zeros with materialize_grads.
    """
    from .tensor import Tensor

    outputs, inputs = _sequence_of(outputs), _sequence_of(inputs)
    given = (None,) * len(outputs) if grad_outputs is None else _sequence_of(grad_outputs)
    if len(given) != len(outputs):
        raise RuntimeError(f"grad: got {len(outputs)} outputs and {len(given)} gradients")
    for i, t in enumerate(inputs):
        if not t._requires_grad:
            raise RuntimeError(f"grad: input {i} ({t.dtype} {t.shape}) does not require grad")
    edges_of(inputs)
    seeds = [_seed(t, g, i, "grad") for i, (t, g) in enumerate(zip(outputs, given, strict=True))]
    keys = [_key(t) for t in inputs]
    keep = create_graph if retain_graph is None else retain_graph
    sums = _sweep(outputs, seeds, set(keys), keep, create_graph)
    results = []
    for i, (t, key) in enumerate(zip(inputs, keys, strict=True)):
        if key in sums:
            leaf, total = sums[key]
            g = total.total
            if leaf is not None and leaf._hooks:
                with Switch(recording=create_graph):
                    g = run_hooks(leaf._hooks, g)
        elif materialize_grads:
            g = Tensor(np.zeros(t.data.shape, t.data.dtype))
        elif allow_unused:
            g = None
        else:
            raise RuntimeError(
                f"grad: input {i} ({t.dtype} {t.shape}) was not used to compute the outputs; pass allow_unused=True to get None"
            )
        results.append(g)
    return tuple(results)


def watch(node: Node, i: int, tensor) -> None:
    """Remembers that the gradient of output i is wanted in `tensor.grad` (retain_grad)."""
    if node.retained is None:
        node.retained = {}
    node.retained[i] = weakref.ref(tensor)


def _is_retained(tensor) -> bool:
    """Whether the sweep itself puts the gradient into `tensor.grad`."""
    edge = tensor._edge
    return bool(edge and edge[0].retained and edge[1] in edge[0].retained and edge[0].retained[edge[1]]() is tensor)
