"""Averages of parameters over the steps of a training: smoother than the last ones, often better."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import backend
from ..tensor import Tensor
from .optimizer import _by_dtype, run


class EMA:
    """average ← decay · average + (1 - decay) · parameter at every `update()`; it begins as the parameters are.

    `model`: a module, or an iterable of parameters. decay None: the plain mean of all updates (Polyak 1992). warmup:
    decay is at most (1 + n) / (10 + n) at update n, so that the beginning is soon forgotten. use_buffers: floating
    buffers of the module, running statistics say, are averaged too.
    """

    def __init__(self, model, decay: float | None = 0.999, *, warmup: bool = False, use_buffers: bool = False):
        if decay is not None and not 0.0 <= decay <= 1.0:
            raise ValueError(f"EMA: decay must be in [0, 1] or None, got {decay}")
        self.decay, self.warmup, self.n_updates = decay, warmup, 0
        if hasattr(model, "named_parameters"):
            self._tensors: dict[str, Tensor] = dict(model.named_parameters())
            if use_buffers:
                self._tensors.update((n, b) for n, b in model.named_buffers() if b.is_floating_point())
        else:
            self._tensors = {str(i): p for i, p in enumerate(model)}
        self.averages = {name: Tensor(np.array(t.data, order="C")) for name, t in self._tensors.items()}

    def update(self) -> None:
        """Takes the parameters as they are now into the average."""
        self.n_updates += 1
        n = self.n_updates
        decay = (n - 1) / n if self.decay is None else self.decay
        if self.warmup:
            decay = min(decay, (1 + n) / (10 + n))
        names = {id(a): name for name, a in self.averages.items()}
        for same in _by_dtype(list(self.averages.values())):
            values = [self._tensors[names[id(a)]].data for a in same]
            run(backend.cpu.moving_average, [[a.data for a in same]], [values], decay)

    def copy_to(self) -> None:
        """Writes the averages into the parameters."""
        for name, t in self._tensors.items():
            np.copyto(t.data, self.averages[name].data)
            if t._versions:
                t._versions[0] += 1

    def swap(self) -> None:
        """Exchanges the parameters and their averages."""
        for name, t in self._tensors.items():
            value = t.data.copy()
            np.copyto(t.data, self.averages[name].data)
            np.copyto(self.averages[name].data, value)
            if t._versions:
                t._versions[0] += 1

    @contextlib.contextmanager
    def average(self) -> Iterator[None]:
        """`with ema.average():` the parameters are their averages inside."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def state_dict(self) -> dict[str, Any]:
        """{"averages": {name: tensor}, "n_updates": number}"""
        return {"averages": dict(self.averages), "n_updates": self.n_updates}

    def load_state_dict(self, state_dict: Mapping) -> None:
        """Copies what `state_dict` returned; raises ValueError where names or shapes differ, changing nothing."""
        saved = state_dict["averages"]
        if saved.keys() != self.averages.keys():
            odd = sorted(saved.keys() ^ self.averages.keys())
            raise ValueError(f"EMA: loaded averages have other names: only on one side are {odd}")
        for name, a in self.averages.items():
            if saved[name].shape != a.shape:
                raise ValueError(f"EMA: loaded average '{name}' has shape {saved[name].shape}, expected {a.shape}")
        for name, a in self.averages.items():
            np.copyto(a.data, np.asarray(saved[name]), casting="same_kind")
        self.n_updates = int(state_dict["n_updates"])
