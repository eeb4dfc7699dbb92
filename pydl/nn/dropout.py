"""Dropout layers: in training, elements or channels at random are 0 and the others grow to keep the mean."""

from __future__ import annotations

from . import functional as F
from .module import Module


class Dropout(Module):
    """In training, 0 with probability p, else x / (1 - p). keep_prob = 1 - p says the same as the course does."""

    function = staticmethod(F.dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False, *, keep_prob: float | None = None):
        super().__init__()
        p = p if keep_prob is None else 1.0 - keep_prob
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input):
        return self.function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """Dropout of whole channels of (N, C, L)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(Dropout):
    """Dropout of whole channels of (N, C, H, W)."""

    function = staticmethod(F.dropout2d)
