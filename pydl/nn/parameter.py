"""Parameter: a tensor that a module owns and an optimizer changes."""

from __future__ import annotations

import copy

from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor over `data`'s storage. Assigned to a module's attribute, it is registered there.

    `init` says in words how its numbers were made; the functions of `nn.init` keep it up to date.
    """

    init: str | None = None

    def __init__(self, data=None, requires_grad: bool = True):
        if data is None:
            data = []
        if isinstance(data, Tensor):
            super().__init__(data.data, requires_grad)
            if data._versions is not None:
                self._versions = data._versions
        else:
            super().__init__(data, requires_grad)
        if requires_grad and self.data.dtype.kind != "f":
            raise RuntimeError(f"Parameter: only floating tensors can require gradients, got {self.data.dtype}")

    def __deepcopy__(self, memo):
        result = super().__deepcopy__(memo)
        result.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return result

    def __repr__(self):
        return f"Parameter containing:\n{super().__repr__()}"
