"""Softmax and its relatives as layers."""

from __future__ import annotations

from . import functional as F
from .module import Module


class Softmax(Module):
    """e^x / Σ e^x along dim."""

    function = staticmethod(F.softmax)

    def __init__(self, dim: int | None = None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return self.function(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """x - log Σ e^x along dim."""

    function = staticmethod(F.log_softmax)


class Softmin(Softmax):
    """Softmax of -x."""

    function = staticmethod(F.softmin)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input):
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D (got {input.ndim}D instead)")
        return F.softmax(input, -3)
