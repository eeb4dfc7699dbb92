"""Kernel modules: which one runs an op, and where an op's results are allocated.

`_cpu_v2`, `_cpu_v3`, `_cpu_v4` (x86-64) and `_cpu_neon` (Arm) are the same sources compiled for other instruction sets.
"""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType

import numpy as np

try:
    from . import _processor  # type: ignore[attr-defined]
except ImportError as error:
    raise ImportError(
        "pydl is imported from a source folder that has no compiled kernels: run `pip install -e .` in that folder, or start "
        "Python in another one to use the installed pydl"
    ) from error


class device:
    """Where a tensor lives: `device("cpu")`; `type` and `index` as in PyTorch."""

    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None):
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        kind, _, number = str(type).partition(":")
        if kind not in ("cpu", "cuda"):
            raise RuntimeError(f"device: expected 'cpu' or 'cuda', got {type!r}")
        self.type, self.index = kind, int(number) if number else index

    def __eq__(self, other) -> bool:
        if isinstance(other, str):
            other = device(other)
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )


CPU = device("cpu")


def check_device(wanted: str | device | None, name: str = "") -> None:
    """Raises RuntimeError, begun with `name`, where `wanted` (None: the CPU) has no kernels in this build."""
    if wanted is not None and device(wanted).type != "cpu":
        raise RuntimeError(f"{name}device {wanted} is not available: this build of pydl has CPU kernels only")


# What the kernels that only move elements take (csrc/array.h); arithmetic is for the floating ones.
KERNEL_DTYPES = frozenset(np.dtype(t) for t in (np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64))

_POOLED = 1 << 16  # bytes from which results come from the caching pool: memory::SMALLEST


def _load_cpu() -> ModuleType:
    """The best CPU module that is installed and that this processor runs; PYDL_CPU=v2|v3|v4|neon overrides."""
    runs = _processor.levels()
    wanted = os.environ.get("PYDL_CPU")
    if wanted is not None and wanted not in runs:
        raise ImportError(f"PYDL_CPU={wanted!r}: this processor runs {', '.join(runs) or 'none of the kernel modules'}")
    names = [f"pydl._cpu_{level}" for level in ([wanted] if wanted else runs)]
    for name in names:
        if importlib.util.find_spec(name):
            return importlib.import_module(name)
    raise ImportError(f"no CPU kernels for this processor are installed: looked for {', '.join(names)}")


cpu = _load_cpu()


def kernels(array) -> ModuleType:
    """The kernel module for the device that holds `array`."""
    return cpu


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new C-contiguous array with undefined contents; large ones come from the caching pool (`pydl.memory`)."""
    size = dtype.itemsize
    for n in shape:
        size *= n
    return np.empty(shape, dtype) if size < _POOLED else cpu.empty(shape, dtype)


def empty_like(x: np.ndarray) -> np.ndarray:
    """A new C-contiguous array of x's shape and dtype."""
    return np.empty(x.shape, x.dtype) if x.nbytes < _POOLED else cpu.empty(x.shape, x.dtype)


def copied(x: np.ndarray) -> np.ndarray:
    """A C-contiguous copy of x."""
    y = empty_like(x)
    if x.dtype in KERNEL_DTYPES:
        kernels(x).copy(x, y)
    else:
        np.copyto(y, x)
    return y


def get_num_threads() -> int:
    """Number of threads that the CPU kernels use."""
    return cpu.num_threads()


def set_num_threads(n: int) -> None:
    """Sets the number of threads of the CPU kernels. Results do not depend on it."""
    if int(n) < 1:
        raise ValueError(f"set_num_threads: expected at least 1 thread, got {n}")
    cpu.set_num_threads(int(n))
