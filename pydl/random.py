"""Random numbers: Philox counters, so that a seed gives the same bits on any device and for any number of threads.

A generator is a seed and a position: its state. Every call takes as many counters (of four 32-bit words) as its numbers
need and moves the position on.
"""

from __future__ import annotations

import os
import threading

import numpy as np

from . import backend, dtypes
from .create import _finish, _shape
from .tensor import Tensor

# fmt: off
__all__ = [
    "Generator", "bernoulli", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "multinomial",
    "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "seed",
    "set_rng_state",
]
# fmt: on


class Generator:
    """A stream of random numbers of its own. A new one starts at an unpredictable seed."""

    def __init__(self, device="cpu"):
        backend.check_device(device, "Generator: ")
        self.device = backend.device(device)
        self._lock = threading.Lock()
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Starts anew at `seed` (any 64-bit integer; negative ones count from 2^64)."""
        if not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: expected an integer of 64 bits, got {seed!r}")
        with self._lock:
            self._seed, self._offset = int(seed) % 2**64, 0
        return self

    def seed(self) -> int:
        """Starts anew at a seed from the operating system, and returns it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed at which the stream started."""
        return self._seed

    def take(self, counters: int) -> tuple[int, int]:
        """(seed, offset) of the next `counters` counters, which are thereby used up. Several threads may call it."""
        with self._lock:
            offset = self._offset
            self._offset = (offset + counters) % 2**64
        return self._seed, offset

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of 16 bytes: seed and offset, little-endian."""
        with self._lock:
            return Tensor(np.array([self._seed, self._offset], "<u8").view(np.uint8))

    def set_state(self, state: Tensor) -> Generator:
        """Continues where a generator was when `get_state` gave `state`."""
        data = getattr(state, "data", None)
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (16,):
            raise TypeError("set_state: expected the uint8 tensor of 16 bytes that get_state gives")
        seed, offset = np.ascontiguousarray(data).view("<u8")
        with self._lock:
            self._seed, self._offset = int(seed), int(offset)
        return self


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Starts the default generator anew at `seed`, and returns it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Starts the default generator anew at a seed from the operating system, and returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed at which the default generator started."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Sets the state of the default generator."""
    default_generator.set_state(state)


def _uniform(shape, dtype, low: float, high: float, generator: Generator | None) -> np.ndarray:
    y = _result(shape, dtype)
    backend.cpu.random_uniform(y, *_take(y, generator), float(low), float(high))
    return y


def _normal(shape, dtype, mean: float, std: float, generator: Generator | None) -> np.ndarray:
    y = _result(shape, dtype)
    backend.cpu.random_normal(y, *_take(y, generator), float(mean), float(std))
    return y


def _integers(shape, low: int, high: int, generator: Generator | None) -> np.ndarray:
    y = _result(shape, dtypes.int64)
    backend.cpu.random_int(y, *_take(y, generator), int(low), int(high))
    return y


def _result(shape, dtype) -> np.ndarray:
    dtype = np.dtype(dtype or dtypes.get_default_dtype())
    if dtype not in (dtypes.float32, dtypes.float64, dtypes.int64):
        raise TypeError(f"random numbers are made as float32, float64 or integers, not {dtype}")
    return backend.empty(shape, dtype)


def _take(y: np.ndarray, generator: Generator | None) -> tuple[int, int]:
    per_counter = 16 // y.itemsize
    return (generator or default_generator).take(-(-y.size // per_counter))


def rand(*size, generator=None, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return _finish(_uniform(_shape(size), dtype, 0.0, 1.0, generator), device, requires_grad)


def randn(*size, generator=None, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers."""
    return _finish(_normal(_shape(size), dtype, 0.0, 1.0, generator), device, requires_grad)


def rand_like(input: Tensor, *, generator=None, dtype=None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1) in input's shape, and its dtype unless given."""
    return rand(input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randn_like(input: Tensor, *, generator=None, dtype=None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers in input's shape, and its dtype unless given."""
    return randn(input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randint(low: int, high=None, size=None, *, generator=None, dtype=None, device=None) -> Tensor:
    """Integers in [low, high), int64; `randint(high, size)` starts at 0."""
    if not isinstance(high, int | np.integer):  # randint(high, size)
        low, high, size = 0, low, high if size is None else size
    if low >= high:
        raise RuntimeError(f"randint: low {low} must be below high {high}")
    y = _integers(_shape((size,)), low, high, generator)
    return _finish(y.astype(dtype or dtypes.int64, copy=False), device, False)


def randint_like(input: Tensor, low: int, high: int | None = None, *, generator=None, dtype=None) -> Tensor:
    """Integers in [low, high) in input's shape and dtype."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, generator=generator, dtype=dtype or input.dtype)


def randperm(n: int, *, generator=None, dtype=None, device=None) -> Tensor:
    """A random order of 0, ..., n - 1, int64."""
    keys = _integers((n,), -(2**63), 2**63 - 1, generator)
    return _finish(np.argsort(keys, kind="stable").astype(dtype or dtypes.int64, copy=False), device, False)


def normal(mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, device=None) -> Tensor:
    """Normal numbers. mean and std are numbers, with `size`, or tensors that broadcast together."""
    if size is not None:
        _check_std(std)
        return _finish(_normal(_shape((size,)), dtype, mean, std, generator), device, False)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError("normal: give size, or a tensor as mean or std")
    m, s = (t.data if isinstance(t, Tensor) else t for t in (mean, std))
    _check_std(s)
    like = m if isinstance(mean, Tensor) else s
    numbers = _normal(np.broadcast_shapes(np.shape(m), np.shape(s)), like.dtype, 0.0, 1.0, generator)
    return Tensor(np.asarray(numbers * s + m, like.dtype))


def _check_std(std) -> None:
    if not np.all(np.asarray(std) >= 0.0):
        raise RuntimeError(f"normal: the standard deviation must be 0 or more, got {std}")


def bernoulli(input: Tensor, *, generator=None) -> Tensor:
    """1 with probability input, else 0; each in [0, 1]. Same shape and dtype."""
    p = input.data
    if p.dtype.kind != "f" or not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError(f"bernoulli: expected probabilities in [0, 1], got a tensor {p.dtype} with others")
    return Tensor((_uniform(p.shape, p.dtype, 0.0, 1.0, generator) < p).astype(p.dtype))


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator=None) -> Tensor:
    """Indices drawn with probability proportional to the weights input (..., n), n along the last of 1 or 2 axes.

    Result (..., num_samples), int64. Without replacement no index comes twice.
    """
    w = np.asarray(input.data, np.float64)
    if w.ndim not in (1, 2):
        raise RuntimeError(f"multinomial: expected weights of 1 or 2 axes, got {input.shape}")
    if not (np.isfinite(w) & (w >= 0)).all() or not (w.sum(-1) > 0).all():
        raise RuntimeError("multinomial: the weights must be finite, 0 or more, and not all 0")
    if num_samples < 1 or (not replacement and (np.count_nonzero(w, -1) < num_samples).any()):
        raise RuntimeError(
            f"multinomial: cannot draw {num_samples} of {w.shape[-1]} weights {'with' if replacement else 'without'} "
            "replacement; as many weights must be positive"
        )
    if replacement:
        total = w.cumsum(-1).reshape(-1, w.shape[-1])
        u = _uniform((len(total), num_samples), dtypes.float64, 0.0, 1.0, generator)
        drawn = [np.searchsorted(row, r * row[-1], side="right") for row, r in zip(total, u, strict=True)]
        return Tensor(np.stack(drawn).reshape(*w.shape[:-1], num_samples).astype(np.int64))
    # The smallest of exponential waiting times with rates w comes first (Efraimidis and Spirakis 2006).
    u = _uniform(w.shape, dtypes.float64, 0.0, 1.0, generator)
    with np.errstate(divide="ignore"):
        wait = np.where(w > 0, -np.log1p(-u) / w, np.inf)
    return Tensor(np.argsort(wait, -1, kind="stable")[..., :num_samples].astype(np.int64))


# ---- tensors filled in place


def _uniform_(self, low: float = 0.0, high: float = 1.0, *, generator=None) -> Tensor:
    """Uniform numbers in [low, high) everywhere."""
    if not low <= high:
        raise RuntimeError(f"uniform_: low {low} must not be above high {high}")
    return self._write(Tensor(_uniform(self.shape, self.dtype, low, high, generator)))


def _normal_(self, mean: float = 0.0, std: float = 1.0, *, generator=None) -> Tensor:
    """Normal numbers everywhere."""
    _check_std(std)
    return self._write(Tensor(_normal(self.shape, self.dtype, mean, std, generator)))


def _bernoulli_(self, p: float = 0.5, *, generator=None) -> Tensor:
    """1 with probability p, else 0, everywhere."""
    return self._write(Tensor((_uniform(self.shape, None, 0.0, 1.0, generator) < p).astype(self.dtype)))


Tensor.uniform_, Tensor.normal_, Tensor.bernoulli_ = _uniform_, _normal_, _bernoulli_
