import numpy as np
import pytest

import pydl
from pydl import nn, optim
from pydl.data import digits8x8
from pydl.models import LeNet


@pytest.mark.parametrize(("size", "parameters"), [(28, 61706), (32, 61706), (8, 19754)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_sizes_and_parameters(size, parameters, activation, pooling):
    model = LeNet(image_size=size, activation=activation, pooling=pooling)
    assert sum(p.numel() for p in model.parameters()) == parameters
    for n in (3, 1, 0):
        assert tuple(model(pydl.zeros(n, 1, size, size)).shape) == (n, 10)


def test_arguments_change_the_ends():
    model = LeNet(num_classes=3, in_channels=2, image_size=32)
    assert tuple(model(pydl.zeros(4, 2, 32, 32)).shape) == (4, 3)
    assert list(model.state_dict()) == [
        f"{layer}.{kind}" for layer in ("conv1", "conv2", "fc1", "fc2", "fc3") for kind in ("weight", "bias")
    ]


def test_it_learns_forty_digits_by_heart():
    pytest.importorskip("sklearn")
    pydl.manual_seed(0)
    images, labels = digits8x8()[0].tensors
    x, y = pydl.Tensor(images.data[:40]), pydl.Tensor(labels.data[:40])
    model = LeNet(image_size=8)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model(x).data.argmax(1) == y.data).all()
    assert loss.item() < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 64}, "image_size must be one of 28, 32, 8, got 64"),
        ({"activation": "swish"}, "activation must be one of relu, tanh, got 'swish'"),
        ({"pooling": "min"}, "pooling must be one of max, avg, got 'min'"),
    ],
)
def test_unknown_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LeNet(**arguments)


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 28, 28), (1, 28, 28), (2, 784)])
def test_images_of_another_size(shape):
    with pytest.raises(ValueError, match=r"expected images \(N, 1, 28, 28\), got shape"):
        LeNet()(pydl.zeros(*shape))


@pytest.mark.parity
@pytest.mark.parametrize("size", [28, 8])
def test_with_the_same_weights_pytorch_gives_the_same(size):
    torch = pytest.importorskip("torch")
    from torch.nn import AvgPool2d, Conv2d, Flatten, Linear, Sequential, Tanh

    ours = LeNet(image_size=size, activation="tanh", pooling="avg")
    kernel, paddings = (5, (2, 0)) if size == 28 else (3, (1, 1))
    first, second = Conv2d(1, 6, kernel, padding=paddings[0]), Conv2d(6, 16, kernel, padding=paddings[1])
    linear = [Linear(ours.fc1.in_features, 120), Tanh(), Linear(120, 84), Tanh(), Linear(84, 10)]
    theirs = Sequential(first, Tanh(), AvgPool2d(2), second, Tanh(), AvgPool2d(2), Flatten(), *linear)
    with torch.no_grad():
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            b.copy_(torch.from_numpy(a.detach().numpy()))
    x = np.random.default_rng(0).normal(size=(5, 1, size, size)).astype(np.float32)
    y, z = ours(pydl.tensor(x)), theirs(torch.from_numpy(x))
    assert np.allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-5)
    y.square().sum().backward()
    z.square().sum().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert np.allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-3, atol=1e-4)
