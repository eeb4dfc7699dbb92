"""Padding layers: `padding` is one width for all sides, or (left, right[, top, bottom]); negative widths crop."""

from __future__ import annotations

from . import functional as F
from .module import Module


class _Pad(Module):
    axes = 2
    mode = "constant"

    def __init__(self, padding):
        super().__init__()
        self.padding = (padding,) * (2 * self.axes) if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 2 * self.axes:
            raise ValueError(f"{type(self).__name__}: padding needs {2 * self.axes} widths, got {padding}")

    def forward(self, input):
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(_Pad):
    """Zeros round images."""


class ZeroPad1d(_Pad):
    """Zeros at the ends of sequences."""

    axes = 1


class ConstantPad2d(_Pad):
    """`value` round images."""

    def __init__(self, padding, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, value=self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPad2d):
    """`value` at the ends of sequences."""

    axes = 1


class ReflectionPad2d(_Pad):
    """Images mirrored at their borders, which are not repeated."""

    mode = "reflect"


class ReflectionPad1d(ReflectionPad2d):
    """Sequences mirrored at their ends, which are not repeated."""

    axes = 1


class ReplicationPad2d(_Pad):
    """The borders of images repeated outwards."""

    mode = "replicate"


class ReplicationPad1d(ReplicationPad2d):
    """The ends of sequences repeated outwards."""

    axes = 1


class CircularPad2d(_Pad):
    """Images that go on at their other side."""

    mode = "circular"


class CircularPad1d(CircularPad2d):
    """Sequences that go on at their other end."""

    axes = 1
