"""LeNet-5: Gradient-Based Learning Applied to Document Recognition (LeCun, Bottou, Bengio, Haffner 1998)."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor

_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
_POOLINGS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
# image size: (kernel, padding of conv1, padding of conv2, size before the linear layers)
_GEOMETRIES = {28: (5, 2, 0, 5), 32: (5, 0, 0, 5), 8: (3, 1, 1, 2)}


class LeNet(nn.Module):
    """Convolution 6, pool, convolution 16, pool, linear 120, 84, num_classes: (N, in_channels, s, s) to scores.

    For 28x28 images the first convolution pads by 2, for 32x32 not: 61,706 parameters either way. For 8x8 images the
    kernels are 3x3 with padding 1, so that 2x2 values of each channel are left: 19,754 parameters.
    The paper has tanh, average pooling and a sparse second convolution; here it is full, as is usual since.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: int = 28,
        activation: str = "relu",
        pooling: str = "max",
    ):
        super().__init__()
        for name, value, known in (
            ("image_size", image_size, _GEOMETRIES),
            ("activation", activation, _ACTIVATIONS),
            ("pooling", pooling, _POOLINGS),
        ):
            if value not in known:
                raise ValueError(f"LeNet: {name} must be one of {', '.join(map(str, known))}, got {value!r}")
        kernel, padding1, padding2, left = _GEOMETRIES[image_size]
        self.num_classes, self.in_channels, self.image_size = num_classes, in_channels, image_size
        self.conv1 = nn.Conv2d(in_channels, 6, kernel, padding=padding1)
        self.conv2 = nn.Conv2d(6, 16, kernel, padding=padding2)
        self.fc1 = nn.Linear(16 * left * left, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)
        self.activation, self.pool = _ACTIVATIONS[activation](), _POOLINGS[pooling](2)

    def forward(self, x: Tensor) -> Tensor:
        expected = (self.in_channels, self.image_size, self.image_size)
        if x.ndim != 4 or tuple(x.shape[1:]) != expected:
            raise ValueError(f"LeNet: expected images (N, {', '.join(map(str, expected))}), got shape {tuple(x.shape)}")
        x = self.pool(self.activation(self.conv1(x)))
        x = self.pool(self.activation(self.conv2(x)))
        x = self.activation(self.fc1(x.flatten(1)))
        x = self.activation(self.fc2(x))
        return self.fc3(x)
