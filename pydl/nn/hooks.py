"""Hooks of a module: functions that see, and may replace, what goes into and comes out of it, forward and backward."""

from __future__ import annotations

from collections.abc import Callable

from ..autograd import Node, edges_of
from ..grad_mode import mode
from ..tensor import RemovableHandle, Tensor


class Hooks:
    """The hooks of one module. The keys of each dict are in the order in which its functions are called."""

    def __init__(self):
        self.pre_forward: dict[int, tuple[Callable, bool]] = {}  # (function, wants keyword arguments)
        self.forward: dict[int, tuple[Callable, bool, bool]] = {}  # (function, wants keyword arguments, also on errors)
        self.pre_backward: dict[int, Callable] = {}
        self.backward: dict[int, Callable] = {}


def add(hooks: dict, hook, prepend: bool) -> RemovableHandle:
    """Puts `hook` last, or first."""
    before = dict(hooks)
    handle = RemovableHandle(hooks, hook)
    if prepend:
        for key, other in before.items():  # moved behind the new one
            del hooks[key]
            hooks[key] = other
    return handle


def call(module, args: tuple, kwargs: dict):
    """`module.forward` between the module's hooks."""
    hooks: Hooks = module._hooks
    for hook, with_kwargs in list(hooks.pre_forward.values()):
        changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if changed is None:
            continue
        if with_kwargs:
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), got {changed!r}"
                )
            args, kwargs = changed
        else:
            args = changed if isinstance(changed, tuple) else (changed,)
    backward = None
    if mode.recording and (hooks.backward or hooks.pre_backward):
        backward = _Backward(module, hooks)
        args = backward.enter(args)
    called: list = []
    try:
        result = module.forward(*args, **kwargs)
        for hook, with_kwargs, _ in list(hooks.forward.values()):
            called.append(hook)
            changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            result = result if changed is None else changed
    except Exception:
        for hook, with_kwargs, always in list(hooks.forward.values()):
            if always and hook not in called:
                hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        raise
    return result if backward is None else backward.leave(result)


class _Crossing:
    """The identity on several tensors as one node: `function` gets all gradients at once, returns what goes on."""

    owns_gradients = False  # a hook may return a tensor that someone else holds

    def __init__(self, name: str, function: Callable):
        self.name, self.function = name, function

    def __call__(self, tensors: list[Tensor]) -> list[Tensor]:
        node = Node(self, edges_of(tensors), (), {}, tuple((t.data.shape, t.data.dtype) for t in tensors))
        results = []
        for i, t in enumerate(tensors):
            result = Tensor(t.data)
            result._versions = t._versions
            if t._requires_grad:
                result._edge, result._requires_grad = (node, i), True
            results.append(result)
        return results

    def differentiate(self, node, gs, needs):
        return [g if need else None for g, need in zip(self.function(gs), needs, strict=True)]


class _Backward:
    """One call's backward hooks: they see the gradients of its outputs coming in, those of its inputs going out."""

    def __init__(self, module, hooks: Hooks):
        self.module, self.hooks = module, hooks
        self.places: list[int] = []  # positions of tensors among the arguments
        self.n_inputs = self.n_outputs = 0
        self.crossed = False
        self.output_gradients: tuple = ()

    def enter(self, args: tuple) -> tuple:
        self.n_inputs = len(args)
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        tensors = [args[i] for i in self.places]
        if not any(t._requires_grad for t in tensors):
            return args
        self.crossed = True
        replaced = list(args)
        for i, t in zip(self.places, _Crossing("module inputs", self._leaving)(tensors), strict=True):
            replaced[i] = t
        return tuple(replaced)

    def leave(self, result):
        outputs = result if isinstance(result, tuple | list) else (result,)
        self.n_outputs = len(outputs)
        places = [i for i, y in enumerate(outputs) if isinstance(y, Tensor)]
        tensors = [outputs[i] for i in places]
        if not any(t._requires_grad for t in tensors):
            return result

        def arriving(gs):
            return self._arriving(gs, places)

        replaced = list(outputs)
        for i, t in zip(places, _Crossing("module outputs", arriving)(tensors), strict=True):
            replaced[i] = t
        if not isinstance(result, tuple | list):
            return replaced[0]
        if hasattr(result, "_fields"):
            return type(result)(*replaced)
        return type(result)(replaced)

    def _arriving(self, gs: list, places: list[int]) -> list:
        whole: list = [None] * self.n_outputs
        for i, g in zip(places, gs, strict=True):
            whole[i] = g
        given = tuple(whole)
        for hook in list(self.hooks.pre_backward.values()):
            changed = hook(self.module, given)
            if changed is not None:
                given = _tuple_of(changed, self.n_outputs, "full backward pre-hook")
        self.output_gradients = given
        if not self.crossed:
            for hook in list(self.hooks.backward.values()):
                if hook(self.module, (None,) * self.n_inputs, given) is not None:
                    raise RuntimeError(
                        "full backward hook: gradients for inputs were returned where no input requires grad"
                    )
        return [given[i] for i in places]

    def _leaving(self, gs: list) -> list:
        whole: list = [None] * self.n_inputs
        for i, g in zip(self.places, gs, strict=True):
            whole[i] = g
        given = tuple(whole)
        for hook in list(self.hooks.backward.values()):
            changed = hook(self.module, given, self.output_gradients)
            if changed is not None:
                given = _tuple_of(changed, self.n_inputs, "full backward hook")
        self.output_gradients = ()
        return [given[i] for i in self.places]


def _tuple_of(changed, n: int, what: str) -> tuple:
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != n:
        raise RuntimeError(f"{what}: returned {len(changed)} gradients, expected {n}")
    return changed
