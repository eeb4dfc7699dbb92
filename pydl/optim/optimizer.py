"""Optimizer: what all optimizers share. Each is one kernel call a group, and the same in tensor ops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..grad_mode import enable_grad
from ..tensor import Tensor


class Optimizer:
    """Base of all optimizers. `param_groups`: dicts of "params" and their options; `state`: what is kept by parameter.

    Subclasses set `OPTIONS`, their defaults, and write `_update` (kernel) and `_reference` (in tensor ops).
    """

    OPTIONS: ClassVar[dict[str, Any]] = {}

    def __init__(self, params, defaults: dict[str, Any]):
        if isinstance(params, Tensor | Mapping):
            raise TypeError(
                f"params should be an iterable of tensors or of dicts of groups, got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], Mapping) else [{"params": groups}]:
            self.add_param_group(dict(group))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own: {"params": [...], "lr": 0.01, ...}."""
        if not isinstance(param_group, Mapping):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        given = param_group["params"]
        given = [given] if isinstance(given, Tensor) else list(given)
        if given and isinstance(given[0], tuple):  # (name, parameter), as module.named_parameters() has them
            param_group["param_names"] = [name for name, _ in given]
            given = [p for _, p in given]
        known = {p for group in self.param_groups for p in group["params"]}
        for p in given:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor: it is the result of operations")
            if p in known:
                raise ValueError("some parameters appear in more than one place in the optimizer's groups")
            known.add(p)
        unknown = param_group.keys() - self.defaults.keys() - {"params", "param_names", "initial_lr"}
        if unknown:
            raise TypeError(f"{type(self).__name__}: unknown options {sorted(unknown)} in a parameter group")
        group = {"params": given, **self.defaults, **{k: v for k, v in param_group.items() if k != "params"}}
        self._check(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or (set_to_none=False) sets them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else Tensor(np.zeros_like(p.grad.data))

    def step(self, closure: Callable | None = None):
        """Updates the parameters that have a gradient; `closure` first computes the loss that is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            for same in _by_dtype(params):
                self._update(same, [p.grad.data for p in same], group)
                for p in same:
                    if p._versions:  # a graph recorded before this step must not use the new values
                        p._versions[0] += 1
        return loss

    # ---- for subclasses

    def _check(self, group: dict[str, Any]) -> None:
        """Raises ValueError for options out of their range."""
        for name in ("lr", "weight_decay", "eps", "momentum", "alpha", "lr_decay", "beta"):
            if name in group and not float(group[name]) >= 0.0:
                label = {"lr": "learning rate", "eps": "epsilon"}.get(name, name)
                raise ValueError(f"Invalid {label} value: {group[name]}")
        for i, beta in enumerate(group.get("betas", ())):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")

    def _update(self, params: list, grads: list, group: dict[str, Any]) -> None:
        """One kernel call for `params`, all of one dtype."""
        raise NotImplementedError

    def _states(self, params: list, name: str, initial: float = 0.0) -> list[np.ndarray]:
        """The state arrays `name`, made where there are none."""
        arrays = []
        for p in params:
            state = self.state[p]
            if name not in state:
                state[name] = Tensor(np.full(p.data.shape, initial, p.data.dtype))
            arrays.append(state[name].data)
        return arrays

    def _count(self, params: list) -> list[float]:
        """The number of this step, from 1, of each parameter."""
        steps = []
        for p in params:
            state = self.state[p]
            state["step"] = step = state.get("step", 0) + 1
            steps.append(step)
        return steps

    # ---- the same without side effects

    @staticmethod
    def _reference(param: Tensor, grad: Tensor, state: dict[str, Any], **options) -> tuple[Tensor, dict[str, Any]]:
        raise NotImplementedError

    @classmethod
    def functional(cls, params, grads, state=None, **options):
        """One step as a function in tensor ops, differentiable: (new params, new state).

        params, grads: lists or dicts of tensors (a gradient may be None); state: None at first, then what the last step
        returned; options as those of the class, of which lr may be a tensor that requires grad.
        """
        unknown = options.keys() - cls.OPTIONS.keys()
        if unknown:
            raise TypeError(f"{cls.__name__}.functional: unknown options {sorted(unknown)}")
        options = {**cls.OPTIONS, **options}
        keys = list(params) if isinstance(params, Mapping) else range(len(params))
        state = {k: {} for k in keys} if state is None else state
        results = {}
        for k in keys:
            results[k] = (params[k], state[k]) if grads[k] is None else cls._reference(
                params[k], grads[k], state[k], **options
            )  # fmt: skip
        if isinstance(params, Mapping):
            return {k: p for k, (p, _) in results.items()}, {k: s for k, (_, s) in results.items()}
        return [p for p, _ in results.values()], [s for _, s in results.values()]

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """{"state": {i: {...}}, "param_groups": [{..., "params": [i, ...]}]}, parameters by number."""
        number = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        state = {
            number[p]: {
                name: Tensor(np.array(value, np.float32)) if name == "step" else value for name, value in s.items()
            }
            for p, s in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping) -> None:
        """Takes over what `state_dict` (this class's or PyTorch's) returned: copies, in the parameters' dtypes."""
        saved, groups = state_dict["param_groups"], self.param_groups
        if len(groups) != len(saved):
            raise ValueError(f"loaded state dict has {len(saved)} parameter groups, the optimizer has {len(groups)}")
        sizes, wanted = [len(g["params"]) for g in saved], [len(g["params"]) for g in groups]
        if sizes != wanted:
            raise ValueError(
                f"loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                f"{sizes} parameters in the groups, expected {wanted}"
            )
        params = [p for group in groups for p in group["params"]]
        places = dict(zip((i for g in saved for i in g["params"]), params, strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for i, values in state_dict["state"].items():
            if i not in places:
                raise ValueError(f"loaded state dict has state for parameter {i}, which is in none of its groups")
            state[places[i]] = {name: _restored(name, v, i, places[i]) for name, v in values.items()}
        self.state = state
        for group, old in zip(groups, saved, strict=True):
            group.update({k: tuple(v) if k == "betas" else v for k, v in old.items() if k != "params"})

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if not name.startswith("param")]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def _by_dtype(params: list) -> list[list]:
    """The parameters as lists of one dtype each: what a kernel takes."""
    if not params:
        return []
    dtype = params[0].data.dtype
    for p in params:
        if p.data.dtype != dtype:
            same = [p for p in params if p.data.dtype == dtype]
            return [same, *_by_dtype([p for p in params if p.data.dtype != dtype])]
    return [params]


def _restored(name: str, value, i, p: Tensor):
    if name == "step":
        return int(float(value))
    if value is None:
        return None
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if array.shape != p.shape:
        raise ValueError(f"loaded state '{name}' of parameter {i} has shape {array.shape}, the parameter has {p.shape}")
    return Tensor(np.array(array, p.dtype, order="C"))


def run(kernel: Callable, written: list[list[np.ndarray]], read: list[list[np.ndarray]], *scalars) -> None:
    """kernel(written[0], *read, *written[1:], *scalars); arrays that are not contiguous go through copies."""
    try:
        kernel(written[0], *read, *written[1:], *scalars)
    except TypeError:
        _explain(kernel, written[0], read[0] if read else [])
        copies = [[np.ascontiguousarray(a).reshape(a.shape) for a in arrays] for arrays in written]
        kernel(copies[0], *([np.ascontiguousarray(a) for a in b] for b in read), *copies[1:], *scalars)
        for arrays, changed in zip(written, copies, strict=True):
            for a, b in zip(arrays, changed, strict=True):
                if a is not b:
                    np.copyto(a, b)
    except ValueError:
        _explain(kernel, written[0], read[0] if read else [])
        raise


def _explain(kernel: Callable, params: list, grads: list) -> None:
    for i, (p, g) in enumerate(zip(params, grads, strict=False)):
        if p.shape != g.shape or p.dtype != g.dtype:
            raise ValueError(
                f"{kernel.__name__}: gradient {i} is {g.dtype} {g.shape}, its parameter is {p.dtype} {p.shape}"
            ) from None
        if not p.flags.writeable:
            raise ValueError(f"{kernel.__name__}: parameter {i} {p.shape} is read-only") from None


def root(x: Tensor) -> Tensor:
    """√x with derivative 0 at 0, where a moment that no gradient has reached yet would make it infinite."""
    nothing = x == 0.0
    return x.masked_fill(nothing, 1.0).sqrt().masked_fill(nothing, 0.0)


def decayed(param: Tensor, grad: Tensor, weight_decay, maximize: bool) -> Tensor:
    """The gradient as optimizers take it: -grad to maximize, plus the gradient of weight_decay/2 · |param|²."""
    grad = -grad if maximize else grad
    return grad if isinstance(weight_decay, float | int) and weight_decay == 0 else grad + weight_decay * param
