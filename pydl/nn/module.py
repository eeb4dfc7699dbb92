"""Module: a layer or a model, a tree of modules that holds parameters and buffers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import RemovableHandle, Tensor
from . import hooks, state
from .errors import locate
from .parameter import Parameter


class Module:
    """Base of all layers and models, as PyTorch's. Subclasses write `__init__` (calling this one first) and `forward`.

    Parameters, modules and, by `register_buffer`, tensors that are no parameters become part of it when assigned to
    attributes. `module(x)` runs `forward` and the hooks; an error in it names the layer by its path.
    """

    training: bool
    _hooks: hooks.Hooks | None = None

    def __init__(self):
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_non_persistent_buffers_set", set())
        object.__setattr__(self, "training", True)

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args, **kwargs):
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return hooks.call(self, args, kwargs)
        except Exception as error:
            locate(error, self)
            raise

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        if isinstance(value, Parameter):
            self._remove(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._check_initialized("module")
            self._remove(name, "_buffers", "_parameters")
            attributes["_modules"][name] = value
        elif name in attributes.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {type(value).__name__} as parameter '{name}' (Parameter or None expected)"
                )
            attributes["_parameters"][name] = None
        elif name in attributes.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {type(value).__name__} as child module '{name}' (Module or None expected)"
                )
            attributes["_modules"][name] = None
        elif name in attributes.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(f"cannot assign {type(value).__name__} as buffer '{name}' (Tensor or None expected)")
            attributes["_buffers"][name] = value
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:  # where the instance has no such attribute
        attributes = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            held = attributes.get(kind)
            if held is not None and name in held:
                return held[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(kind, ()):
                self._remove(name, kind)
                return
        object.__delattr__(self, name)

    def __dir__(self):
        return sorted({*object.__dir__(self), *self._parameters, *self._buffers, *self._modules})

    def _check_initialized(self, what: str) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _remove(self, name: str, *kinds: str) -> None:
        attributes = self.__dict__
        attributes.pop(name, None)
        for kind in kinds:
            if kind in attributes:
                attributes[kind].pop(name, None)
        if "_buffers" in kinds:
            attributes.get("_non_persistent_buffers_set", set()).discard(name)

    def _check_name(self, name: str, what: str, held: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string, got {type(name).__name__}")
        if name == "" or "." in name:
            raise KeyError(f"{what} name must not be empty nor contain '.', got {name!r}")
        if name not in held and (
            name in self.__dict__ or name in self._parameters or name in self._buffers or name in self._modules
        ):
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or with None the name of one that this module goes without."""
        self._check_initialized("parameter")
        self._check_name(name, "parameter", self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign {type(param).__name__} as parameter '{name}' (Parameter or None expected)")
        if param is not None and param._edge is not None:
            raise ValueError(f"cannot assign a result of operations as parameter '{name}': it must be a leaf")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is no parameter, running statistics say; in the state_dict unless persistent=False."""
        self._check_initialized("buffer")
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign {type(tensor).__name__} as buffer '{name}' (Tensor or None expected)")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Adds a child module."""
        self._check_initialized("module")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        self._modules[name] = module

    add_module = register_module

    # ---- walks over the tree

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct children, each module once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and all below, each once (unless remove_duplicate=False)."""
        memo = set() if memo is None else memo
        if remove_duplicate and self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below."""
        return (module for _, module in self.named_modules())

    def _named_members(
        self, held: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        walk = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in walk:
            for name, member in getattr(module, held).items():
                if member is None or (remove_duplicate and id(member) in seen):
                    continue
                seen.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter), a shared one under its first name only."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and (recurse) all below, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer), a shared one under its first name only."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and (recurse) all below, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "features.3"; "" is this one."""
        module: Module = self
        for name in target.split(".") if target else []:
            found = getattr(module, name, None)
            if found is None:
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            if not isinstance(found, Module):
                raise AttributeError(f"`{name}` is not a Module")
            module = found
        return module

    def _member(self, target: str, held: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in getattr(module, held):
            raise AttributeError(f"{type(module).__name__} has no {what} `{name}`")
        return getattr(module, held)[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "features.3.weight"."""
        return self._member(target, "_parameters", "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as "features.4.running_mean"."""
        return self._member(target, "_buffers", "buffer")

    # ---- state

    def state_dict(
        self, destination: dict | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Parameters and persistent buffers by path, over the same storage; detached unless keep_vars."""
        found = {} if destination is None else destination
        for path, module in self.named_modules(remove_duplicate=False):
            start = prefix + (f"{path}." if path else "")
            for name, t in (*module._parameters.items(), *module._buffers.items()):
                if t is not None and name not in module._non_persistent_buffers_set:
                    found[start + name] = t if keep_vars else t.detach()
        return found

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False) -> state.IncompatibleKeys:
        """Copies tensors (or arrays) by path into the parameters and buffers; assign=True puts them in their place.

        Raises RuntimeError that lists missing and unexpected keys (strict) and wrong shapes; then nothing was changed.
        """
        return state.load(self, state_dict, strict, assign)

    # ---- all of the tree at once

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Calls fn(module) on every module, children first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """Sets `training` everywhere: dropout drops and batch norm uses the batch's statistics."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Module:
        """`train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Sets requires_grad of every parameter."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or (set_to_none=False) sets them to zero."""
        for p in self.parameters():
            if p.grad is not None:
                p.grad = None if set_to_none else Tensor(np.zeros_like(p.grad.data))

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Module:
        """Replaces the storage of every parameter, its gradient and every buffer; parameters stay the same objects."""
        for module in self.modules():
            for t in (*module._parameters.values(), *module._buffers.values()):
                for held in (t, t.grad) if t is not None else ():
                    if held is not None and (fresh := fn(held.detach()).data) is not held.data:
                        held.data = fresh
                        if held._versions is not None:
                            held._versions[0] += 1  # a graph that was recorded before does not see the new storage
        return self

    def to(self, *args, dtype=None, device=None, non_blocking: bool = False) -> Module:
        """Floating parameters and buffers in another dtype, all of them on another device: as `Tensor.to`."""
        for arg in args:
            if isinstance(arg, Tensor):
                dtype, device = arg.dtype, arg.device
            elif isinstance(arg, np.dtype | type) and not isinstance(arg, bool):
                dtype = np.dtype(arg)
            elif not isinstance(arg, bool):
                device = arg
        if dtype is not None and np.dtype(dtype).kind != "f":
            raise TypeError(f"Module.to only accepts floating point dtypes, but got {np.dtype(dtype)}")
        return self._apply(lambda t: t.to(device=device, dtype=dtype if t.is_floating_point() else None))

    def float(self) -> Module:
        """Floating parameters and buffers become float32."""
        return self.to(dtypes.float32)

    def double(self) -> Module:
        """Floating parameters and buffers become float64."""
        return self.to(dtypes.float64)

    def half(self) -> Module:
        """Floating parameters and buffers become float16."""
        return self.to(dtypes.float16)

    def cpu(self) -> Module:
        """Parameters and buffers move to the CPU."""
        return self.to("cpu")

    # ---- hooks

    def _all_hooks(self) -> hooks.Hooks:
        found = self._hooks
        if found is None:
            found = hooks.Hooks()
            object.__setattr__(self, "_hooks", found)
        return found

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """hook(module, args[, kwargs]) before forward; what it returns takes the place of the arguments."""
        return hooks.add(self._all_hooks().pre_forward, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """hook(module, args[, kwargs], output) after forward; what it returns takes the place of the output."""
        return hooks.add(self._all_hooks().forward, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """hook(module, grad_output) when the gradients of the outputs are known; may return others."""
        return hooks.add(self._all_hooks().pre_backward, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """hook(module, grad_input, grad_output) when the inputs' gradients are known; may return others for them."""
        return hooks.add(self._all_hooks().backward, hook, prepend)

    # ---- how it looks

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        lines = [f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()]
        if not lines and len(extra) <= 1:
            head = f"{self._get_name()}({''.join(extra)})"
        else:
            head = f"{self._get_name()}(\n  " + "\n  ".join(extra + lines) + "\n)"
        own = [f"{n} {p.shape}{f' {p.init}' if p.init else ''}" for n, p in self._parameters.items() if p is not None]
        return head + (f"  # {', '.join(own)}" if own else "")


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
