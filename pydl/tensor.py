"""Tensor: a numpy (or CuPy) array with a place on the tape. Its methods come from the rooms of `pydl.ops`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .autograd import RemovableHandle, backward, keep_old_values, moment, run_hooks, watch
from .backend import CPU, device, kernels
from .grad_mode import enable_grad, mode
from .size import Size
from .strides import places


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    `data` is the storage itself, a numpy array, without a copy. Results are made by the ops of `pydl.ops`, new tensors by
    `pydl.tensor`, `pydl.zeros`, ... Methods and operators have PyTorch's names and meaning.
    """

    # What most tensors never change stands here once: making a tensor has to be cheap.
    _grad: Tensor | None = None
    _requires_grad = False
    _edge: Any = None  # (node, i): it is the i-th output of that operation
    _base: Any = None  # the tensor that this one is a differentiable view of
    _seen = 0  # how often in-place operations replaced the history; for a view: that of its base, when last looked at
    _hooks: dict | None = None
    _versions: list[int] | None  # [count of in-place writes], shared by all views of a storage; None in inference mode
    __array_priority__ = 1000  # numpy leaves `array * tensor` to the tensor

    def __init__(self, data, requires_grad: bool = False):
        self.data = data if isinstance(data, np.ndarray) else np.array(data, dtypes.get_default_dtype())
        self._versions = None if mode.inference else [0]
        if requires_grad:
            self._requires_grad = True

    if TYPE_CHECKING:  # the operators and methods that the rooms of pydl.ops add

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def _unary(self) -> Tensor: ...
        def _binary(self, other: Any) -> Tensor: ...

        __neg__ = __abs__ = __invert__ = _unary
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _binary
        __pow__ = __rpow__ = __mod__ = __floordiv__ = __matmul__ = __and__ = __or__ = __xor__ = _binary
        __lt__ = __le__ = __gt__ = __ge__ = _binary
        __eq__ = __ne__ = _binary  # type: ignore[assignment]

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def device(self) -> device:
        return CPU

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        return self._edge is None

    @property
    def grad_fn(self):
        """The node that made it, or None for a leaf."""
        if self._base is not None:
            self._refresh()
        return self._edge and self._edge[0]

    @property
    def _version(self) -> int:
        return self._versions[0] if self._versions else 0

    def size(self, dim: int | None = None):
        return Size(self.data.shape) if dim is None else self.data.shape[dim]

    def dim(self) -> int:
        return self.data.ndim

    def numel(self) -> int:
        return self.data.size

    nelement = numel

    def element_size(self) -> int:
        return self.data.itemsize

    def stride(self, dim: int | None = None):
        steps = tuple(s // self.data.itemsize for s in self.data.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        return self.data.flags.c_contiguous

    def is_floating_point(self) -> bool:
        return self.data.dtype.kind == "f"

    def data_ptr(self) -> int:
        return self.data.ctypes.data

    # ---- autograd

    @property
    def grad(self) -> Tensor | None:
        """Where backward adds up this tensor's gradient; None before."""
        return self._grad

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is not None and not isinstance(g, Tensor):
            raise TypeError(f"grad: expected a Tensor or None, got {type(g).__name__}")
        if g is not None and (g.shape != self.shape or g.dtype != self.dtype):
            raise RuntimeError(f"grad: expected {self.dtype} {self.shape}, got {g.dtype} {g.shape}")
        self._grad = g

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Makes a leaf collect gradients in `.grad`, or stop to. Only floating tensors can."""
        if requires_grad and self.data.dtype.kind != "f":
            raise RuntimeError(
                f"only floating tensors can require gradients, this one is {self.data.dtype} {self.shape}"
            )
        if not requires_grad and self._edge is not None:
            raise RuntimeError(
                "you can only change requires_grad of leaf tensors; use detach() for a result of operations"
            )
        self._requires_grad = bool(requires_grad)
        return self

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None) -> None:
        """Adds d(self · gradient)/d(leaf) to `.grad` of the leaves; see `pydl.autograd.backward`."""
        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same storage without history."""
        t = Tensor(self.data)
        t._versions = self._versions
        return t

    def detach_(self) -> Tensor:
        if self._base is not None:
            raise RuntimeError("detach_: cannot detach a view in place; use detach()")
        self._edge, self._requires_grad = None, False
        return self

    def retain_grad(self) -> None:
        """Makes the backward pass store the gradient of this intermediate result in `.grad`."""
        if not self._requires_grad:
            raise RuntimeError("retain_grad: this tensor does not require grad")
        if (node := self.grad_fn) is not None:
            watch(node, self._edge[1], self)

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(gradient)` when the gradient is known; a tensor that it returns takes its place."""
        if not self._requires_grad:
            raise RuntimeError("register_hook: this tensor does not require grad")
        if (node := self.grad_fn) is None:
            if self._hooks is None:
                self._hooks = {}
            return RemovableHandle(self._hooks, hook)
        if node.hooks is None:
            node.hooks = {}
        return RemovableHandle(node.hooks.setdefault(self._edge[1], {}), hook)

    def _accumulate(self, g: Tensor, shared: bool, create_graph: bool) -> None:
        """Adds g to `.grad`. What is stored there is this tensor's own, so that it may be changed in place."""
        if self._hooks:
            g, shared = run_hooks(self._hooks, g), True
        old = self.grad
        if old is None:
            g = g if create_graph else g.detach()
            self.grad = g.clone() if create_graph or shared or not g.data.flags.c_contiguous else g
        elif create_graph or old._requires_grad or old.dtype != g.dtype or not old.is_contiguous():
            self.grad = old + g if create_graph else old.detach() + g.detach()
        else:  # into the same memory, so that whoever holds the gradient sees the sum
            kernels(old.data).add(old.data, g.data, old.data)
            old._close(None)

    # ---- writing in place

    def _open(self, recorded: bool) -> None:
        """Raises where this tensor must not be written to in place. Nothing has been written yet."""
        if recorded and self._requires_grad and self._edge is None:
            raise RuntimeError("a leaf tensor that requires grad is being modified in place; do it under no_grad()")
        base = self._base
        if recorded and base is not None and base._requires_grad and base._edge is None:
            raise RuntimeError(
                "a view of a leaf tensor that requires grad is being modified in place; do it under no_grad()"
            )
        if not self.data.flags.writeable:
            raise ValueError(f"in-place operation: the array behind this tensor {self.shape} is read-only")

    def _close(self, result: Tensor | None) -> Tensor:
        """Its memory has been written to; `result` has the new history (None: it keeps the old one)."""
        if self._versions is not None:
            self._versions[0] += 1
        if result is not None:
            if self._base is not None:
                self._write_through(result)
            else:
                before = self._edge
                self._edge, self._requires_grad = result._edge, result._requires_grad
                self._seen += 1
                if before is not None and before[0].retained and before[0].retained.pop(before[1], None):
                    self.retain_grad()  # the gradient of what it is now
        return self

    def _write(self, result: Tensor) -> Tensor:
        """Becomes `result` in place: same storage, new history. `result` was computed from an `_alias` of this tensor."""
        if result.shape != self.shape:
            raise RuntimeError(
                f"in-place operation: its result has shape {result.shape}, which does not fit into {self.shape}"
            )
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise RuntimeError(
                f"in-place operation: its result is {result.dtype}, which cannot be stored in {self.dtype}"
            )
        recorded = mode.recording and (self._requires_grad or result._requires_grad)
        self._open(recorded)
        if result.dtype != self.dtype:
            result = result.to(self.dtype)
        np.copyto(self.data, result.data)
        return self._close(result if recorded else None)

    def _write_through(self, result: Tensor) -> None:
        """This tensor is a view: its base becomes the base with the view's places replaced by `result`."""
        base = self._base
        flat = (
            base._alias().reshape(-1).index_put((Tensor(places(self.data, base.data).reshape(-1)),), result.reshape(-1))
        )
        written = flat.reshape(base.shape)
        base._edge, base._requires_grad = written._edge, written._requires_grad
        base._seen += 1
        self._refresh()

    def _refresh(self) -> None:
        """Renews the history of a view whose base has been written to since."""
        if self._seen != self._base._seen:
            with enable_grad():
                fresh = self._base.reshape(-1)[Tensor(places(self.data, self._base.data))]
            self._edge, self._requires_grad = fresh._edge, fresh._requires_grad
            self._seen = self._base._seen

    def _alias(self) -> Tensor:
        """This tensor as another object, with the same history: what an in-place operation computes from."""
        t = Tensor(self.data)
        t._versions, t._requires_grad = self._versions, self._requires_grad
        if self._base is not None:
            self._refresh()
        t._edge = self._edge
        return t

    def _frozen(self) -> Tensor:
        """Another object with the same history and a copy of the values."""
        t = Tensor(self.data.copy(), self._requires_grad)
        t._edge = self._edge
        return t

    # ---- to other forms

    def numpy(self) -> np.ndarray:
        """The storage, without a copy. Raises where the tensor requires grad: detach() first."""
        if self._requires_grad:
            raise RuntimeError("can't call numpy() on a tensor that requires grad; use tensor.detach().numpy()")
        return self.data

    def __array__(self, dtype=None, copy=None):
        if self._requires_grad:
            raise RuntimeError("can't convert a tensor that requires grad to a numpy array; use tensor.detach()")
        return np.asarray(self.data, dtype) if copy is None else np.array(self.data, dtype, copy=copy)

    def __dlpack__(self, **kwargs):
        if self._requires_grad:
            raise BufferError("can't export a tensor that requires grad; use tensor.detach()")
        return self.data.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()

    def item(self):
        """The one element as a Python number."""
        if self.data.size != 1:
            raise RuntimeError(f"a tensor of shape {self.shape} cannot be converted to one number")
        return self.data.item()

    def tolist(self):
        return self.data.tolist()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self.data.dtype.kind not in "iub":
            raise TypeError(f"only an integer tensor can be an index, this one is {self.dtype}")
        return int(self.item())

    def __bool__(self):
        if self.data.size != 1:
            raise RuntimeError(f"the truth value of a tensor of shape {self.shape} is ambiguous; use any() or all()")
        return bool(self.item())

    def __len__(self):
        if not self.data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.data.shape[0]

    def __iter__(self):
        if not self.data.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __hash__(self):
        return id(self)

    def __contains__(self, element) -> bool:
        return bool((self.data == getattr(element, "data", element)).any())

    def __deepcopy__(self, memo):
        if self._edge is not None:
            raise RuntimeError("only leaf tensors can be copied with deepcopy; use detach().clone()")
        t = type(self)(self.data.copy(), self._requires_grad)
        t.grad = None if self.grad is None else type(self.grad)(self.grad.data.copy())
        memo[id(self)] = t
        return t

    def __reduce__(self):
        raise TypeError("pydl tensors are not pickled; save them with pydl.save or as safetensors")

    def __repr__(self):
        body = np.array2string(self.data, separator=", ", precision=4, threshold=1000, prefix=" " * 7)
        notes = []
        if (
            self.dtype.kind not in "b" and self.dtype not in (dtypes.get_default_dtype(), dtypes.int64)
        ) or not self.numel():
            notes.append(f"dtype={self.dtype}")
        if self._edge is not None:
            notes.append(f"grad_fn=<{self._edge[0]!r}>")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([body, *notes])})"

    def __format__(self, spec):
        return format(self.item(), spec) if spec and self.data.size == 1 else format(str(self), spec)


def method(function: Callable) -> Callable:
    """Makes a function of `pydl.ops` a method of Tensor too."""
    setattr(Tensor, function.__name__, function)
    return function


def in_place(function: Callable) -> Callable:
    """Gives Tensor the method `<name>_`, which writes the function's result into the tensor."""
    name = f"{function.__name__}_"

    def write(self, *args, **kwargs):
        if not mode.recording:
            return self._write(function(self, *args, **kwargs))
        since = moment()
        result = function(self._alias(), *args, **kwargs)
        if result._requires_grad:
            keep_old_values(result, since, self)
        return self._write(result)

    write.__name__, write.__doc__ = name, f"In-place `{function.__name__}`."
    setattr(Tensor, name, write)
    return function
