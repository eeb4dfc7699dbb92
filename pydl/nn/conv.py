"""Convolution layers; the formulas stand at the functions in `pydl.nn.functional`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from .. import create
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


def tuple_of(value, n: int) -> tuple:
    """A number for all n axes, or one for each, as a tuple of n."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n


class _Conv(Module):
    """Convolution over `axes` axes; weight (out, in / groups, *kernel) and bias begin uniform in ±1/√fan_in."""

    axes = 2
    transposed = False
    function: Callable = staticmethod(F.conv2d)
    _modes: ClassVar[tuple[str, ...]] = ("zeros", "reflect", "replicate", "circular")

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0, dilation=1, groups: int = 1,
        bias: bool = True, padding_mode: str = "zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if groups <= 0 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups must divide in_channels and out_channels, got {groups}, {in_channels}, {out_channels}"
            )
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding must be 'same', 'valid' or numbers, got {padding!r}")
            if padding == "same" and any(s != 1 for s in tuple_of(stride, self.axes)):
                raise ValueError(f"{name}: padding='same' is not supported for strided convolutions")
        if padding_mode not in self._modes:
            raise ValueError(f"{name}: padding_mode must be one of {self._modes}, got {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = tuple_of(kernel_size, self.axes), tuple_of(stride, self.axes)
        self.padding = padding if isinstance(padding, str) else tuple_of(padding, self.axes)
        self.dilation, self.padding_mode = tuple_of(dilation, self.axes), padding_mode
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(create.empty(first, second // groups, *self.kernel_size, dtype=dtype, device=device))
        self.register_parameter(
            "bias", Parameter(create.empty(out_channels, dtype=dtype, device=device)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def _widths(self) -> list[int]:
        """The padding as F.pad takes it: before and after, from the last axis on."""
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            pairs = [(t // 2, t - t // 2) for t in totals]
        else:
            pairs = [(0, 0)] * self.axes if self.padding == "valid" else [(p, p) for p in self.padding]
        return [width for pair in reversed(pairs) for width in pair]

    def forward(self, input):
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._widths(), mode=self.padding_mode), 0
        return self.function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self.axes:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.axes:
            text += f", dilation={self.dilation}"
        if getattr(self, "output_padding", (0,) * self.axes) != (0,) * self.axes:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class Conv1d(_Conv):
    """Convolution of (N, in_channels, L); weight (out, in / groups, kernel) and bias begin uniform in ±1/√fan_in."""

    axes = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolution of (N, in_channels, H, W); weight (out, in / groups, *kernel), bias begin uniform in ±1/√fan_in."""


class _ConvTranspose(_Conv):
    transposed = True
    _modes = ("zeros",)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0, output_padding=0, groups: int = 1,
        bias: bool = True, dilation=1, padding_mode: str = "zeros", device=None, dtype=None,
    ):  # fmt: skip
        if isinstance(padding, str):
            raise ValueError(f"{type(self).__name__}: padding must be numbers, got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = tuple_of(output_padding, self.axes)

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return self.function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _extra(self, input, output_size) -> tuple[int, ...]:
        """The output padding that gives `output_size`."""
        wanted = tuple(output_size)[-self.axes :]
        smallest = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-self.axes :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        extra = tuple(w - m for w, m in zip(wanted, smallest, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: output_size {wanted} is out of reach: from {tuple(smallest)} up to "
                f"{tuple(m + s - 1 for m, s in zip(smallest, self.stride, strict=True))}"
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """The adjoint of a convolution, of (N, in_channels, L); weight (in, out / groups, kernel)."""

    axes = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The adjoint of a convolution, of (N, in_channels, H, W); weight (in, out / groups, *kernel)."""

    function = staticmethod(F.conv_transpose2d)


class _Columns(Module):
    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Unfold(_Columns):
    """The windows of (N, C, H, W) as columns: (N, C · kernel, windows); the im2col of the course."""

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Columns):
    """Columns (N, C · kernel, windows) added up to images (N, C, *output_size): the adjoint of Unfold."""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input):
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
