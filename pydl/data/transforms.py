"""Transforms of images, arrays or tensors (..., channels, height, width), one or a batch, with torchvision's names.

Random ones draw for every image of a batch on its own; inside a DataLoader what they draw depends on its seed and the
batch's number alone. Sizes are in pixels, (height, width) or one number for both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..tensor import Tensor
from . import source

_MODES = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = list(transforms)

    def __call__(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x


class Lambda:
    """Any function as a transform."""

    def __init__(self, lambd: Callable):
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, x):
        return self.lambd(x)


class ToTensor:
    """An image array (height, width[, channels]) to a tensor (channels, height, width); uint8 to [0, 1]."""

    def __call__(self, image) -> Tensor:
        if isinstance(image, Tensor):
            raise TypeError("ToTensor: the image is a tensor already")
        image = np.asarray(image)
        if image.ndim not in (2, 3):
            raise ValueError(f"ToTensor: expected an image of 2 or 3 dimensions, got shape {image.shape}")
        image = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
        if image.dtype == np.uint8:
            return Tensor(image.astype(np.float32, order="C") / np.float32(255))
        return Tensor(np.ascontiguousarray(image))


class ImageTransform:
    """Base: `apply` gets the array; a tensor comes back as a tensor."""

    dimensions = 2  # of one image, at the end of the shape

    def __call__(self, x):
        array = x.data if isinstance(x, Tensor) else x
        if not isinstance(array, np.ndarray) or array.ndim < self.dimensions:
            got = f"shape {array.shape}" if isinstance(array, np.ndarray) else type(x).__name__
            raise TypeError(
                f"{type(self).__name__}: expected an array or tensor of at least {self.dimensions} "
                f"dimensions, got {got}"
            )
        result = self.apply(array)
        return Tensor(result) if isinstance(x, Tensor) else result

    def apply(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Normalize(ImageTransform):
    """(x - mean) / std, channel by channel."""

    dimensions = 3

    def __init__(self, mean: Sequence[float] | float, std: Sequence[float] | float):
        self.mean, self.std = np.atleast_1d(np.asarray(mean, np.float64)), np.atleast_1d(np.asarray(std, np.float64))
        if (self.std == 0).any():
            raise ValueError(f"Normalize: std must not be 0, got {std}")

    def apply(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floating numbers, got {x.dtype}; convert to [0, 1] first")
        if any(len(v) not in (1, x.shape[-3]) for v in (self.mean, self.std)):
            raise ValueError(
                f"Normalize: {len(self.mean)} means, {len(self.std)} stds for {x.shape[-3]} channels (shape {x.shape})"
            )
        mean, std = (v.astype(x.dtype)[:, None, None] for v in (self.mean, self.std))
        return (x - mean) / std


class Pad(ImageTransform):
    """Adds `padding` pixels: one number, (left and right, top and bottom), or (left, top, right, bottom).

    padding_mode: constant (`fill`), edge, reflect or symmetric.
    """

    def __init__(self, padding: int | Sequence[int], fill: float = 0, padding_mode: str = "constant"):
        sides = [padding] if isinstance(padding, int) else list(padding)
        if len(sides) not in (1, 2, 4):
            raise ValueError(f"Pad: padding must be 1, 2 or 4 numbers, got {padding}")
        if padding_mode not in _MODES:
            raise ValueError(f"Pad: padding_mode must be one of {', '.join(_MODES)}, got {padding_mode!r}")
        self.padding = sides = sides * (4 // len(sides))
        self.widths = (sides[1], sides[3]), (sides[0], sides[2])
        self.fill, self.padding_mode = fill, padding_mode

    def apply(self, x: np.ndarray) -> np.ndarray:
        widths = [(0, 0)] * (x.ndim - 2) + list(self.widths)
        how = {"constant_values": self.fill} if self.padding_mode == "constant" else {}
        return np.pad(x, widths, self.padding_mode, **how)  # type: ignore[call-overload]


def _size(size, name: str) -> tuple[int, int]:
    h, w = (size, size) if isinstance(size, int) else tuple(size) * (3 - len(size))
    if h < 1 or w < 1:
        raise ValueError(f"{name}: size must be positive, got {size}")
    return h, w


def _fits(x: np.ndarray, size: tuple[int, int], name: str) -> tuple[int, int]:
    """Rows and columns left over by a crop of this size."""
    dy, dx = x.shape[-2] - size[0], x.shape[-1] - size[1]
    if dy < 0 or dx < 0:
        raise ValueError(f"{name}: crop size {size} is larger than the image {x.shape[-2:]} (shape {x.shape})")
    return dy, dx


class CenterCrop(ImageTransform):
    """The middle of the image."""

    def __init__(self, size: int | Sequence[int]):
        self.size = _size(size, "CenterCrop")

    def apply(self, x: np.ndarray) -> np.ndarray:
        dy, dx = _fits(x, self.size, "CenterCrop")
        top, left = round(dy / 2), round(dx / 2)
        return x[..., top : top + self.size[0], left : left + self.size[1]]


class RandomCrop(ImageTransform):
    """A random window of the image, after padding where that is given: with padding it is a random shift."""

    dimensions = 3

    def __init__(
        self, size, padding=None, pad_if_needed: bool = False, fill: float = 0, padding_mode: str = "constant"
    ):
        self.size, self.pad_if_needed = _size(size, "RandomCrop"), pad_if_needed
        self.pad = Pad(padding, fill, padding_mode) if padding is not None else None
        self.fill, self.padding_mode = fill, padding_mode

    def apply(self, x: np.ndarray) -> np.ndarray:
        if self.pad is not None:
            x = self.pad.apply(x)
        if self.pad_if_needed:
            short = [max(n - s, 0) for n, s in zip(self.size, x.shape[-2:], strict=True)]
            if any(short):
                x = Pad((short[1], short[0]), self.fill, self.padding_mode).apply(x)
        dy, dx = _fits(x, self.size, "RandomCrop")
        images = x.reshape(-1, *x.shape[-3:])
        draw = source.generator()
        top = draw.integers(0, dy + 1, len(images))
        left = draw.integers(0, dx + 1, len(images))
        windows = np.lib.stride_tricks.sliding_window_view(images, self.size, (2, 3))
        cropped = windows[np.arange(len(images)), :, top, left]
        return cropped.reshape(*x.shape[:-2], *self.size)


class _RandomFlip(ImageTransform):
    dimensions, axis = 3, -1

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be between 0 and 1, got {p}")
        self.p = p

    def apply(self, x: np.ndarray) -> np.ndarray:
        flipped = source.generator().random((*x.shape[:-3], 1, 1, 1)) < self.p
        return np.where(flipped, np.flip(x, self.axis), x)


class RandomHorizontalFlip(_RandomFlip):
    """Mirrors left and right with probability p."""

    axis = -1


class RandomVerticalFlip(_RandomFlip):
    """Mirrors top and bottom with probability p."""

    axis = -2


class RandomAffine(ImageTransform):
    """Rotates (degrees), shifts by up to the fractions `translate` of (width, height), scales, shears (degrees, in x).

    Bilinear; outside the image is `fill`. A range is (low, high), one number d means (-d, d).
    """

    dimensions = 3

    def __init__(self, degrees, translate=None, scale=None, shear=None, fill: float = 0):
        self.degrees, self.shear = _range(degrees), _range(shear or 0)
        self.translate: tuple[float, float] = translate or (0, 0)
        self.scale: tuple[float, float] = scale or (1, 1)
        self.fill = fill
        if any(not 0 <= t <= 1 for t in self.translate):
            raise ValueError(f"RandomAffine: translate must be fractions between 0 and 1, got {translate}")
        if min(self.scale) <= 0:
            raise ValueError(f"RandomAffine: scale must be positive, got {scale}")

    def apply(self, x: np.ndarray) -> np.ndarray:
        images = x.reshape(-1, *x.shape[-3:])
        n, _, h, w = images.shape
        draw = source.generator()
        angle = np.deg2rad(draw.uniform(*self.degrees, n))
        shift_x = draw.uniform(-self.translate[0], self.translate[0], n) * w
        shift_y = draw.uniform(-self.translate[1], self.translate[1], n) * h
        scale, shear = draw.uniform(*self.scale, n), np.tan(np.deg2rad(draw.uniform(*self.shear, n)))
        # Backwards: where each pixel of the result comes from. Inverse of rotation · shear · scale about the middle.
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        to_row = np.stack([-sin, cos], 1)  # times (x, y)
        to_column = np.stack([cos + shear * sin, sin - shear * cos], 1)
        x0, y0 = np.arange(w) - (w - 1) / 2, np.arange(h) - (h - 1) / 2
        row, column = (
            (a[:, 1:] * (y0 - shift_y[:, None]) + middle)[:, :, None] + (a[:, :1] * (x0 - shift_x[:, None]))[:, None, :]
            for a, middle in ((to_row, (h - 1) / 2), (to_column, (w - 1) / 2))
        )
        return bilinear(images, row, column, self.fill).reshape(x.shape)


class RandomRotation(RandomAffine):
    """Rotates by up to `degrees`, bilinear."""

    def __init__(self, degrees, fill: float = 0):
        super().__init__(degrees, fill=fill)


def _range(value) -> tuple[float, float]:
    return (-value, value) if isinstance(value, int | float) else tuple(value)


def bilinear(images: np.ndarray, row: np.ndarray, column: np.ndarray, fill: float = 0) -> np.ndarray:
    """images (n, c, h, w) read at fractional places (n, h', w') -> (n, c, h', w'); outside there is `fill`."""
    n, c, h, w = images.shape
    framed = np.full((n, h + 2, w + 2, c), fill, images.dtype)
    framed[:, 1:-1, 1:-1] = images.transpose(0, 2, 3, 1)
    row, column = np.clip(row + 1, 0, h + 1), np.clip(column + 1, 0, w + 1)
    top, left = np.minimum(row.astype(np.intp), h), np.minimum(column.astype(np.intp), w)
    down, right = (row - top).astype(images.dtype)[..., None], (column - left).astype(images.dtype)[..., None]
    at = (np.arange(n)[:, None, None] * (h + 2) + top) * (w + 2) + left
    corners = [framed.reshape(-1, c).take(at + step, 0) for step in (0, 1, w + 2, w + 3)]
    upper = corners[0] + (corners[1] - corners[0]) * right
    lower = corners[2] + (corners[3] - corners[2]) * right
    return np.ascontiguousarray((upper + (lower - upper) * down).transpose(0, 3, 1, 2))
