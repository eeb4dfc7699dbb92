"""Modules that hold others: in a row, in a list, by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter


class _List(Module):
    """What Sequential and ModuleList share: modules named "0", "1", ... as in a list."""

    def _fill(self, modules: Iterable) -> None:
        kept = list(modules)
        for name in list(self._modules):
            del self._modules[name]
        for i, module in enumerate(kept):
            self.add_module(str(i), module)

    def _index(self, i) -> int:
        n = len(self._modules)
        if not -n <= int(i) < n:
            raise IndexError(f"{type(self).__name__}: index {i} is out of range for {n} modules")
        return int(i) % n

    def _name(self, i) -> str:
        return next(itertools.islice(self._modules, self._index(i), None))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __contains__(self, module) -> bool:
        return any(m is module for m in self)

    def __setitem__(self, i, module: Module) -> None:
        self.register_module(self._name(i), module)

    def __delitem__(self, i) -> None:
        names = list(self._modules)[i] if isinstance(i, slice) else [self._name(i)]
        self._fill([m for name, m in self._modules.items() if name not in names])

    def append(self, module: Module):
        """Adds a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable):
        """Adds modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module):
        """Adds a module before the one at `index`."""
        n = len(self)
        if not -n <= index <= n:
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {n} modules")
        modules = list(self)
        modules.insert(index, module)
        self._fill(modules)
        return self

    def pop(self, i=-1) -> Module:
        """Removes and returns the module at i."""
        module = self._modules[self._name(i)]
        del self[i]
        return module


class Sequential(_List):
    """Modules one after the other: `Sequential(a, b)(x)` is b(a(x)). Also from an ordered dict of names and modules."""

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self._fill(args)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return type(self)(dict(list(self._modules.items())[i]))
        return self._modules[self._name(i)]

    def __delitem__(self, i) -> None:
        numbered = list(self._modules) == [str(n) for n in range(len(self))]
        for name in list(self._modules)[i] if isinstance(i, slice) else [self._name(i)]:
            del self._modules[name]
        if numbered:
            self._fill(self)

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(f"Sequential + {type(other).__name__}: expected a Sequential")
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Sequential:
        return self.extend(other)

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_List):
    """A list of modules that a model owns."""

    def __init__(self, modules: Iterable | None = None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return type(self)(list(self)[i])
        return self._modules[str(self._index(i))]

    def __iadd__(self, modules: Iterable) -> ModuleList:
        return self.extend(modules)

    def __add__(self, other: Iterable) -> ModuleList:
        return type(self)([*self, *other])


class _Dict(Module):
    """What ModuleDict and ParameterDict share; `_held` names the dict with their members."""

    _held = "_modules"

    @property
    def _members(self) -> dict:
        return getattr(self, self._held)

    def __getitem__(self, key: str):
        return self._members[key]

    def __setitem__(self, key: str, value) -> None:
        self.register_module(key, value)

    def __delitem__(self, key: str) -> None:
        del self._members[key]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, key) -> bool:
        return key in self._members

    def keys(self):
        """The names."""
        return self._members.keys()

    def values(self):
        """The members."""
        return self._members.values()

    def items(self):
        """(name, member)"""
        return self._members.items()

    def clear(self) -> None:
        """Removes all."""
        self._members.clear()

    def pop(self, key: str):
        """Removes and returns the member of that name."""
        return self._members.pop(key)

    def update(self, members) -> None:
        """Adds members from a dict or from (name, member) pairs."""
        for key, value in members.items() if hasattr(members, "items") else members:
            self[key] = value


class ModuleDict(_Dict):
    """Modules by name that a model owns."""

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.update(modules)


def _parameter(value) -> Parameter:
    if isinstance(value, Parameter):
        return value
    if not isinstance(value, Tensor):
        raise TypeError(f"expected a Parameter or Tensor, got {type(value).__name__}")
    return Parameter(value)


class ParameterList(Module):
    """A list of parameters that a model owns; tensors become parameters."""

    def __init__(self, values: Iterable | None = None):
        super().__init__()
        if values is not None:
            self.extend(values)

    def _index(self, i) -> str:
        n = len(self._parameters)
        if not -n <= int(i) < n:
            raise IndexError(f"ParameterList: index {i} is out of range for {n} parameters")
        return str(int(i) % n)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return type(self)(list(self)[i])
        return self._parameters[self._index(i)]

    def __setitem__(self, i, value) -> None:
        self._parameters[self._index(i)] = _parameter(value)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def append(self, value):
        """Adds a parameter at the end."""
        self.register_parameter(str(len(self)), _parameter(value))
        return self

    def extend(self, values: Iterable):
        """Adds parameters at the end."""
        for value in list(values):
            self.append(value)
        return self

    __iadd__ = extend


class ParameterDict(_Dict):
    """Parameters by name that a model owns; tensors become parameters."""

    _held = "_parameters"

    def __init__(self, parameters=None):
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __setitem__(self, key: str, value) -> None:
        self.register_parameter(key, _parameter(value))
