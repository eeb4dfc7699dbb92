"""Convolution (cross-correlation, as in every deep learning library) over one and two axes, and its column matrix.

conv2d, conv2d_transpose and conv2d_weight_grad are a closed triple: each is linear in either argument, and its
gradients are the other two. So derivatives of any order need nothing else.
"""

from __future__ import annotations

import functools
import math
import operator

from ..backend import empty, empty_like
from ..op import REGISTRY, op, primitive
from ..tensor import Tensor
from .elementwise import pair
from .matmul import ACTIVATIONS

# fmt: off
__all__ = [
    "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold",
]
# fmt: on

# ---- the closed triple. `stride`, `padding`, `dilation` are pairs; `padding` is the zeros before the first row
# and column, those after the last follow from `size`, the rows and columns of the result.


@primitive
def _conv2d(k, x, weight, bias, *, size, stride, padding, dilation, groups):
    y = empty((x.shape[0], weight.shape[0], *size), x.dtype)
    k.conv2d(x, weight, bias, y, stride, padding, dilation, groups, 0)
    return y


@primitive
def _conv2d_transpose(k, x, weight, bias, *, size, stride, padding, dilation, groups):
    y = empty((x.shape[0], weight.shape[1] * groups, *size), x.dtype)
    k.conv2d_transpose(x, weight, bias, y, stride, padding, dilation, groups)
    return y


@primitive
def _conv2d_weight_grad(k, x, gy, *, kernel, stride, padding, dilation, groups):
    gweight = empty((gy.shape[1], x.shape[1] // groups, *kernel), x.dtype)
    k.conv2d_weight_grad(x, gy, gweight, stride, padding, dilation, groups)
    return gweight


def _geometry(stride, padding, dilation, groups) -> dict:
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


_conv2d.backward(
    x=lambda g, weight, x_shape, stride, padding, dilation, groups: _conv2d_transpose(
        g, weight, None, size=x_shape[2:], **_geometry(stride, padding, dilation, groups)
    ),
    weight=lambda g, x, weight_shape, stride, padding, dilation, groups: _conv2d_weight_grad(
        x, g, kernel=weight_shape[2:], **_geometry(stride, padding, dilation, groups)
    ),
    bias=lambda g: g.sum((0, 2, 3)),
)
_conv2d_transpose.backward(
    x=lambda g, weight, x_shape, stride, padding, dilation, groups: _conv2d(
        g, weight, None, size=x_shape[2:], **_geometry(stride, padding, dilation, groups)
    ),
    weight=lambda g, x, weight_shape, stride, padding, dilation, groups: _conv2d_weight_grad(
        g, x, kernel=weight_shape[2:], **_geometry(stride, padding, dilation, groups)
    ),
    bias=lambda g: g.sum((0, 2, 3)),
)
_conv2d_weight_grad.backward(
    x=lambda g, gy, x_shape, stride, padding, dilation, groups: _conv2d_transpose(
        gy, g, None, size=x_shape[2:], **_geometry(stride, padding, dilation, groups)
    ),
    gy=lambda g, x, gy_shape, stride, padding, dilation, groups: _conv2d(
        x, g, None, size=gy_shape[2:], **_geometry(stride, padding, dilation, groups)
    ),
)

# ---- bias and activation applied before the sums leave the cache


@op
def _conv2d_activation(x, weight, bias, *, activation, **geometry):
    return REGISTRY[activation](_conv2d(x, weight, bias, **geometry), a=0.0, b=0.0)


@_conv2d_activation.forward
def _(k, x, weight, bias, *, activation, size, **geometry):
    y = empty((x.shape[0], weight.shape[0], *size), x.dtype)
    k.conv2d(x, weight, bias, y, *_geometry(**geometry).values(), ACTIVATIONS[activation])
    return y, (x, weight, bias, y)


@_conv2d_activation.backward
def _(k, saved, gy, *, activation, size, **geometry):
    x, weight, bias, y = saved
    slope_at = y
    if activation not in k.from_output:
        k.conv2d(x, weight, bias, slope_at := empty_like(y), *_geometry(**geometry).values(), 0)
    g, gx, gweight = map(empty_like, (y, x, weight))
    getattr(k, f"{activation}_backward")(slope_at, gy, g, 0.0, 0.0)
    k.conv2d_transpose(g, weight, None, gx, *_geometry(**geometry).values())
    k.conv2d_weight_grad(x, g, gweight, *_geometry(**geometry).values())
    return gx, gweight, None if bias is None else g.sum((0, 2, 3))


# ---- arguments


def _numbers(value, n: int, name: str, what: str, least: int) -> tuple[int, ...]:
    """A number for all n axes, or one for each."""
    try:
        values = tuple(map(operator.index, value)) if isinstance(value, tuple | list) else (operator.index(value),) * n
    except TypeError:
        raise TypeError(f"{name}: {what} must be an integer or {n} of them, got {value!r}") from None
    values = values * n if len(values) == 1 else values
    if len(values) != n or min(values) < least:
        raise RuntimeError(f"{name}: {what} must be {n} numbers of at least {least} (or one for all), got {value!r}")
    return values


def _operands(name: str, axes: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool):
    """Both as tensors of one floating dtype, the input with a batch axis; whether it had none."""
    if input.ndim not in (axes + 1, axes + 2) or weight.ndim != axes + 2:
        raise RuntimeError(
            f"{name}: expected input (batch, channels, {axes} axes), batch optional, and weight with {axes + 2} axes; "
            f"got input {input.shape}, weight {weight.shape}"
        )
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: needs floating point, got input {input.dtype}")
    alone = input.ndim == axes + 1
    x, weight = pair(input.unsqueeze(0) if alone else input, weight, name)
    expected, filters = (
        (weight.shape[0], weight.shape[1] * groups) if transposed else (weight.shape[1] * groups, weight.shape[0])
    )
    if groups < 1 or weight.shape[0] % groups or x.shape[1] != expected:
        raise RuntimeError(
            f"{name}: input has {x.shape[1]} channels, weight expects {expected} "
            f"(weight {weight.shape}, groups {groups})"
        )
    if bias is not None and bias.shape != (filters,):
        raise RuntimeError(f"{name}: bias has shape {bias.shape}, expected {(filters,)}")
    return x, weight, bias if bias is None else pair(bias, weight, name)[0], alone


def _conv(name, axes, input, weight, bias, stride, padding, dilation, groups, activation=None) -> Tensor:
    if activation not in ACTIVATIONS:
        raise ValueError(f"{name}: activation {activation!r} is none of {list(ACTIVATIONS)}")
    x, weight, bias, alone = _operands(name, axes, input, weight, bias, groups, False)
    stride, dilation = _numbers(stride, axes, name, "stride", 1), _numbers(dilation, axes, name, "dilation", 1)
    spans = tuple(d * (n - 1) for d, n in zip(dilation, weight.shape[2:], strict=True))
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"{name}: padding must be 'same', 'valid' or numbers, got {padding!r}")
        if padding == "same" and any(s != 1 for s in stride):
            raise RuntimeError(f"{name}: padding='same' needs stride 1, got {stride}")
        before = tuple(s // 2 for s in spans) if padding == "same" else (0,) * axes
        total = spans if padding == "same" else before
    else:
        before = _numbers(padding, axes, name, "padding", 0)
        total = tuple(2 * p for p in before)
    rooms = [n + p - s for n, p, s in zip(x.shape[2:], total, spans, strict=True)]
    if min(rooms) < 1:
        raise RuntimeError(
            f"{name}: kernel larger than the padded input: input {input.shape}, weight {weight.shape}, "
            f"padding {padding}, dilation {dilation}"
        )
    size = tuple((room - 1) // s + 1 for room, s in zip(rooms, stride, strict=True))
    run = _conv2d if activation is None else functools.partial(_conv2d_activation, activation=activation)
    y = _on_images(run, x, weight, bias, size, stride, before, dilation, groups)
    return y.squeeze(0) if alone else y


def _conv_transpose(name, axes, input, weight, bias, stride, padding, output_padding, groups, dilation) -> Tensor:
    x, weight, bias, alone = _operands(name, axes, input, weight, bias, groups, True)
    stride, dilation = _numbers(stride, axes, name, "stride", 1), _numbers(dilation, axes, name, "dilation", 1)
    padding, extra = (
        _numbers(padding, axes, name, "padding", 0),
        _numbers(output_padding, axes, name, "output_padding", 0),
    )
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            f"{name}: output_padding {extra} must be smaller than stride {stride} or dilation {dilation}"
        )
    size = tuple(
        (x.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (weight.shape[2 + i] - 1) + extra[i] + 1
        for i in range(axes)
    )
    if min(size) < 1:
        raise RuntimeError(f"{name}: the output of input {input.shape}, weight {weight.shape} would have size {size}")
    y = _on_images(_conv2d_transpose, x, weight, bias, size, stride, padding, dilation, groups)
    return y.squeeze(0) if alone else y


def _on_images(op, x, weight, bias, size, stride, padding, dilation, groups) -> Tensor:
    """One axis is an image of height 1."""
    if x.ndim == 4:
        return op(x, weight, bias, size=size, **_geometry(stride, padding, dilation, groups))
    geometry = _geometry((1, *stride), (0, *padding), (1, *dilation), groups)
    return op(x.unsqueeze(2), weight.unsqueeze(2), bias, size=(1, *size), **geometry).squeeze(2)


# ---- the functions


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Tensor:
    """y[n, o, t] = bias[o] + Σ weight[o, c, i] input[n, c, t · stride + i · dilation - padding].

    input (N, C, L) or (C, L), weight (O, C / groups, K), padding also "valid" or "same" (stride 1 only: L is kept).
    activation: as in `conv2d`.
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups, activation)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Tensor:
    """y[n, o, r, q] = bias[o] + Σ weight[o, c, i, j] input[n, c, r · stride + i · dilation - padding, ...].

    input (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW); stride, padding, dilation: one or two numbers;
    padding also "valid" or "same" (stride 1 only: H, W are kept). Output rows:
    ⌊(H + 2 padding - dilation (KH - 1) - 1) / stride⌋ + 1. activation: as in `linear`, applied by the same kernel.
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups, activation)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups: int = 1,
    dilation=1,
) -> Tensor:
    """The adjoint of `conv1d` with the same weight, plus bias: input (N, C, L), weight (C, O / groups, K).

    Output: (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1.
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups: int = 1,
    dilation=1,
) -> Tensor:
    """The adjoint of `conv2d` with the same weight, plus bias: input (N, C, H, W), weight (C, O / groups, KH, KW).

    Output: (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


# ---- the column matrix


@primitive
def _im2col(k, x, *, kernel, stride, padding, dilation):
    sizes = _positions("unfold", x.shape[2:], kernel, stride, padding, dilation)
    columns = empty((x.shape[0], x.shape[1] * math.prod(kernel), math.prod(sizes)), x.dtype)
    k.im2col(x, columns, kernel, stride, padding, dilation)
    return columns


@primitive
def _col2im(k, columns, *, size, kernel, stride, padding, dilation):
    x = empty((columns.shape[0], columns.shape[1] // math.prod(kernel), *size), columns.dtype)
    k.col2im(columns, x, kernel, stride, padding, dilation)
    return x


_im2col.backward(
    x=lambda g, x_shape, kernel, stride, padding, dilation: _col2im(
        g, size=x_shape[2:], kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
_col2im.backward(
    columns=lambda g, kernel, stride, padding, dilation: _im2col(
        g, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)


def _positions(name, size, kernel, stride, padding, dilation) -> tuple[int, ...]:
    """How often the kernel fits along each axis."""
    rooms = [n + 2 * p - d * (m - 1) - 1 for n, m, p, d in zip(size, kernel, padding, dilation, strict=True)]
    if min(rooms) < 0:
        raise RuntimeError(
            f"{name}: kernel {kernel} does not fit into images of size {tuple(size)} "
            f"(padding {padding}, dilation {dilation})"
        )
    return tuple(room // s + 1 for room, s in zip(rooms, stride, strict=True))


def _window(name, kernel_size, dilation, padding, stride) -> dict:
    return {
        "kernel": _numbers(kernel_size, 2, name, "kernel_size", 1),
        "dilation": _numbers(dilation, 2, name, "dilation", 1),
        "padding": _numbers(padding, 2, name, "padding", 0),
        "stride": _numbers(stride, 2, name, "stride", 1),
    }


def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """The column matrix of a convolution: each column is the part of the input under one position of the kernel.

    input (N, C, H, W) or (C, H, W) gives (N, C · KH · KW, positions), positions in row-major order.
    """
    if input.ndim not in (3, 4):
        raise RuntimeError(f"unfold: expected input (N, C, H, W) or (C, H, W), got {input.shape}")
    x = input.unsqueeze(0) if input.ndim == 3 else input
    window = _window("unfold", kernel_size, dilation, padding, stride)
    _positions("unfold", x.shape[2:], window["kernel"], window["stride"], window["padding"], window["dilation"])
    columns = _im2col(x, **window)
    return columns.squeeze(0) if input.ndim == 3 else columns


def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """The adjoint of `unfold`: columns are added up where they came from, overlaps sum.

    input (N, C · KH · KW, positions) or without N gives (N, C, *output_size).
    """
    size = _numbers(output_size, 2, "fold", "output_size", 1)
    window = _window("fold", kernel_size, dilation, padding, stride)
    positions = math.prod(
        _positions("fold", size, window["kernel"], window["stride"], window["padding"], window["dilation"])
    )
    if input.ndim not in (2, 3) or input.shape[-1] != positions or input.shape[-2] % math.prod(window["kernel"]):
        raise RuntimeError(
            f"fold: input {input.shape}, expected (N, multiple of {math.prod(window['kernel'])}, {positions}) for "
            f"output_size {size}"
        )
    x = _col2im(input.unsqueeze(0) if input.ndim == 2 else input, size=size, **window)
    return x.squeeze(0) if input.ndim == 2 else x
