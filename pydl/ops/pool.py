"""Pooling of the last one or two axes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .. import dtypes
from ..backend import empty
from ..op import op
from ..tensor import Tensor

# fmt: off
__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d",
]
# fmt: on

INT32 = np.dtype(np.int32)


# ---- which elements a window holds: the meaning of every kind of pooling


def _axis(n: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    """(out, kernel) positions on an axis of n elements, -1 in the padding."""
    at = np.arange(out)[:, None] * stride - padding + np.arange(kernel) * dilation
    return np.where((at >= 0) & (at < n), at, -1)


def _adaptive_axis(n: int, out: int) -> np.ndarray:
    """Window i holds the elements from ⌊i n / out⌋ to ⌈(i + 1) n / out⌉ - 1; -1 behind its end."""
    i = np.arange(out)
    first, last = i * n // out, -(-(i + 1) * n // out)
    at = first[:, None] + np.arange((last - first).max(initial=0))
    return np.where(at < last[:, None], at, -1)


def _places(rows: np.ndarray, columns: np.ndarray, width: int) -> np.ndarray:
    """(oh, ow, elements of a window) positions in a flattened plane, -1 in the padding."""
    r, c = rows[:, None, :, None], columns[None, :, None, :]
    return np.where((r >= 0) & (c >= 0), r * width + c, -1).reshape(len(rows), len(columns), -1)


def _largest(x: Tensor, places: np.ndarray) -> tuple[Tensor, Tensor]:
    """The maximum over each window and its place; the first of equals wins, the last NaN over all."""
    oh, ow, _ = places.shape
    planes = x.flatten(-2)
    inside = places >= 0
    usable = np.where(inside, places, np.take_along_axis(places, inside.argmax(-1)[..., None], -1))  # the first instead
    values = planes.data[..., usable]
    nan = np.isnan(values)
    best = np.where(nan.any(-1), nan.shape[-1] - 1 - nan[..., ::-1].argmax(-1), values.argmax(-1))
    index = np.take_along_axis(np.broadcast_to(usable, (*best.shape, usable.shape[-1])), best[..., None], -1)[..., 0]
    at = Tensor(index.reshape(*planes.shape[:-1], oh * ow))
    y = planes.gather(-1, at.clamp(min=0)).masked_fill(at < 0, -math.inf)
    return y.reshape(*x.shape[:-2], oh, ow), Tensor(index.astype(INT32))


def _sums(x: Tensor, places: np.ndarray) -> Tensor:
    """The sum over each window; padding is 0."""
    oh, ow, k = places.shape
    elements = x.flatten(-2).index_select(-1, Tensor(places.clip(0).reshape(-1)))
    return elements.reshape(*x.shape[:-2], oh, ow, k).masked_fill(Tensor(places < 0), 0.0).sum(-1)


def _planes(x: np.ndarray) -> np.ndarray:
    return x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])


# ---- maximum


@op
def _max_pool(x, *, size, kernel, stride, padding, dilation):
    """Maximum of each window of x (..., H, W) and its place in the flattened plane; sizes are (rows, columns)."""
    axes = (_axis(*a) for a in zip(x.shape[-2:], size, kernel, stride, padding, dilation, strict=True))
    return _largest(x, _places(*axes, x.shape[-1]))


@_max_pool.forward
def _(k, x, *, size, kernel, stride, padding, dilation):
    y, index = empty((*x.shape[:-2], *size), x.dtype), empty((*x.shape[:-2], *size), INT32)
    k.max_pool_forward(_planes(x), _planes(y), _planes(index), *kernel, *stride, *padding, *dilation)
    return (y, index), (index, x.shape)


@_max_pool.backward
def _(k, saved, gy, _, **attrs):
    return _max_gradient(k, *saved, gy)


def _max_gradient(k, index, shape, gy):
    gx = empty(shape, gy.dtype)
    k.max_pool_backward(_planes(gy), _planes(index), _planes(gx))
    return gx


@op
def _adaptive_max_pool(x, *, size):
    """Maximum of each of the windows that part the planes of x (..., H, W) into `size`, and its place."""
    return _largest(
        x, _places(*(_adaptive_axis(n, out) for n, out in zip(x.shape[-2:], size, strict=True)), x.shape[-1])
    )


@_adaptive_max_pool.forward
def _(k, x, *, size):
    y, index = empty((*x.shape[:-2], *size), x.dtype), empty((*x.shape[:-2], *size), INT32)
    k.adaptive_max_pool_forward(_planes(x), _planes(y), _planes(index))
    return (y, index), (index, x.shape)


@_adaptive_max_pool.backward
def _(k, saved, gy, _, *, size):
    return _max_gradient(k, *saved, gy)


# ---- average


@lru_cache(maxsize=256)
def _divisors(n: int, out: int, kernel: int, stride: int, padding: int, include_pad: bool, dtype) -> np.ndarray:
    """(out,) how many elements of an axis a window counts: a window that overhangs the padding counts up to its end."""
    first = np.arange(out) * stride - padding
    last = np.minimum(first + kernel, n + padding)
    return ((last - first) if include_pad else np.minimum(last, n) - np.maximum(first, 0)).astype(dtype)


def _row_and_column_divisors(shape, dtype, size, kernel, stride, padding, include_pad, override):
    if override is not None:
        return np.full(size[0], override, dtype), np.ones(size[1], dtype)
    return (_divisors(*a, include_pad, dtype) for a in zip(shape[-2:], size, kernel, stride, padding, strict=True))


@op
def _avg_pool(x, *, size, kernel, stride, padding, include_pad, override):
    """Sum over each window of x (..., H, W), divided by `override` or by the window's number of elements."""
    axes = (_axis(*a, 1) for a in zip(x.shape[-2:], size, kernel, stride, padding, strict=True))
    rows, columns = _row_and_column_divisors(x.shape, x.dtype, size, kernel, stride, padding, include_pad, override)
    return _sums(x, _places(*axes, x.shape[-1])) / Tensor(np.outer(rows, columns))


@_avg_pool.forward
def _(k, x, *, size, kernel, stride, padding, include_pad, override):
    y = empty((*x.shape[:-2], *size), x.dtype)
    divisors = _row_and_column_divisors(x.shape, x.dtype, size, kernel, stride, padding, include_pad, override)
    k.avg_pool_forward(_planes(x), *divisors, _planes(y), *kernel, *stride, *padding)
    return y, x.shape


@_avg_pool.backward
def _(k, shape, gy, *, size, kernel, stride, padding, include_pad, override):
    gx = empty(shape, gy.dtype)
    divisors = _row_and_column_divisors(shape, gy.dtype, size, kernel, stride, padding, include_pad, override)
    k.avg_pool_backward(_planes(gy), *divisors, _planes(gx), *kernel, *stride, *padding)
    return gx


@op
def _adaptive_avg_pool(x, *, size):
    """Average of each of the windows that part the planes of x (..., H, W) into `size`."""
    rows, columns = (_adaptive_axis(n, out) for n, out in zip(x.shape[-2:], size, strict=True))
    counts = np.outer((rows >= 0).sum(1), (columns >= 0).sum(1)).astype(x.dtype)
    return _sums(x, _places(rows, columns, x.shape[-1])) / Tensor(counts)


@_adaptive_avg_pool.forward
def _(k, x, *, size):
    y = empty((*x.shape[:-2], *size), x.dtype)
    k.adaptive_avg_pool_forward(_planes(x), _planes(y))
    return y, x.shape


@_adaptive_avg_pool.backward
def _(k, shape, gy, *, size):
    gx = empty(shape, gy.dtype)
    k.adaptive_avg_pool_backward(_planes(gy), _planes(gx))
    return gx


# ---- what the user calls


def _sizes(name: str, value, dims: int, what: str) -> tuple[int, ...]:
    """A size for each axis, rows first; a single axis is the columns of planes of one row."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * dims
    if len(values) == 1:
        values *= dims
    if len(values) != dims or not all(isinstance(v, int | np.integer) for v in values):
        raise TypeError(f"{name}: {what} must be an int or {dims} of them, got {value!r}")
    return tuple(int(v) for v in values)


def _window(name: str, x: Tensor, dims: int, kernel_size, stride, padding, dilation, ceil_mode: bool) -> dict:
    """Size of the output and of the windows, checked; for one axis with a row of 1 before."""
    _check_input(name, x, dims)
    kernel = _sizes(name, kernel_size, dims, "kernel_size")
    stride = kernel if stride is None or stride == () else _sizes(name, stride, dims, "stride")
    padding, dilation = _sizes(name, padding, dims, "padding"), _sizes(name, dilation, dims, "dilation")
    size = []
    for n, k, s, p, d in zip(x.shape[-dims:], kernel, stride, padding, dilation, strict=True):
        if k < 1 or s < 1 or d < 1:
            raise RuntimeError(
                f"{name}: kernel_size, stride and dilation must be positive, got {kernel_size}, {stride}, {dilation}"
            )
        extent = d * (k - 1) + 1
        if not 0 <= p <= extent // 2:
            raise RuntimeError(
                f"{name}: padding must be between 0 and half of the window's extent, "
                f"got padding {p}, kernel_size {k}, dilation {d}"
            )
        out = (n + 2 * p - extent + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (out - 1) * s >= n + p:  # the last window would start in the padding behind the input
            out -= 1
        if out < 1:
            raise RuntimeError(
                f"{name}: input {x.shape} is too small for kernel_size {kernel_size} (padding {padding})"
            )
        size.append(out)
    lead = (1,) * (2 - dims)
    return {
        "size": (*lead, *size),
        "kernel": (*lead, *kernel),
        "stride": (*lead, *stride),
        "padding": (*(0,) * (2 - dims), *padding),
        "dilation": (*lead, *dilation),
    }


def _check_input(name: str, x: Tensor, dims: int) -> None:
    if x.ndim not in (dims + 1, dims + 2) or 0 in x.shape[-dims - 1 :]:
        shapes = "(C, L) or (N, C, L)" if dims == 1 else "(C, H, W) or (N, C, H, W)"
        raise RuntimeError(f"{name}: expected an input {shapes}, only N may be 0, got shape {x.shape}")
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {x.dtype} {x.shape}")


def _run(op, input: Tensor, dims: int, **attrs):
    """op on the planes of input; for one axis they have one row."""
    if dims == 2:
        return op(input, **attrs)
    result = op(input.unsqueeze(-2), **attrs)
    return tuple(t.squeeze(-2) for t in result) if type(result) is tuple else result.squeeze(-2)


def _max_pool_of(name: str, dims: int, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    attrs = _window(name, input, dims, kernel_size, stride, padding, dilation, ceil_mode)
    y, index = _run(_max_pool, input, dims, **attrs)
    return (y, index.to(dtypes.int64)) if return_indices else y


def max_pool1d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Maximum over windows of input (C, L) or (N, C, L), as `max_pool2d`."""
    return _max_pool_of("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Maximum over windows of input (C, H, W) or (N, C, H, W); stride defaults to kernel_size; padding never wins.

    Output: ⌊(H + 2 padding - dilation (kernel_size - 1) - 1) / stride⌋ + 1; with ceil_mode ⌈.⌉ where the last
    window then starts before the padding behind the input. The first of equal elements wins; NaN beats numbers.
    return_indices: also the place of each maximum in its flattened plane, int64.
    """
    return _max_pool_of("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _avg_pool_of(name: str, dims: int, input, kernel_size, stride, padding, ceil_mode, include_pad, override) -> Tensor:
    attrs = _window(name, input, dims, kernel_size, stride, padding, 1, ceil_mode)
    del attrs["dilation"]
    if override == 0:
        raise RuntimeError(f"{name}: divisor_override must not be 0")
    if override is None and attrs["kernel"][-dims:] == input.shape[-dims:] and attrs["padding"] == (0, 0):
        return _run(_adaptive_avg_pool, input, dims, size=(1, 1))  # the whole plane: one run of memory
    return _run(_avg_pool, input, dims, **attrs, include_pad=bool(include_pad), override=override)


def avg_pool1d(
    input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Tensor:
    """Average over windows of input (C, L) or (N, C, L), as `avg_pool2d`."""
    return _avg_pool_of("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Average over windows of input (C, H, W) or (N, C, H, W); sizes as in `max_pool2d`, padding is 0.

    The sum is divided by the window's number of elements, with those in the padding unless count_include_pad is false,
    or by divisor_override.
    """
    return _avg_pool_of(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _output_size(name: str, input: Tensor, dims: int, output_size) -> tuple[int, int]:
    _check_input(name, input, dims)
    values = output_size if isinstance(output_size, tuple | list) else (output_size,) * dims
    size = _sizes(
        name, [n if v is None else v for v, n in zip(values, input.shape[-dims:], strict=False)], dims, "output_size"
    )
    if min(size) < 0:
        raise RuntimeError(f"{name}: output_size must not be negative, got {output_size}")
    return (1, size[0]) if dims == 1 else (size[0], size[1])


def adaptive_avg_pool1d(input: Tensor, output_size) -> Tensor:
    """Averages of the windows that part the last axis of input (C, L) or (N, C, L) into output_size."""
    return _run(_adaptive_avg_pool, input, 1, size=_output_size("adaptive_avg_pool1d", input, 1, output_size))


def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """Averages of the windows that part planes (H, W) of input (C, H, W) or (N, C, H, W) into output_size.

    output_size: one number or (rows, columns), None keeps an axis. Window i of n: ⌊i H / n⌋ to ⌈(i + 1) H / n⌉.
    """
    return _run(_adaptive_avg_pool, input, 2, size=_output_size("adaptive_avg_pool2d", input, 2, output_size))


def _adaptive_max_pool_of(name: str, dims: int, input: Tensor, output_size, return_indices: bool):
    y, index = _run(_adaptive_max_pool, input, dims, size=_output_size(name, input, dims, output_size))
    return (y, index.to(dtypes.int64)) if return_indices else y


def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """Maxima of the windows of `adaptive_avg_pool1d`, with return_indices also their places (int64)."""
    return _adaptive_max_pool_of("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """Maxima of the windows of `adaptive_avg_pool2d`, with return_indices also their places in the plane (int64)."""
    return _adaptive_max_pool_of("adaptive_max_pool2d", 2, input, output_size, return_indices)
