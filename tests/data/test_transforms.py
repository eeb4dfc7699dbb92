import numpy as np
import pytest

import pydl
from pydl.data import transforms as T
from pydl.random import manual_seed


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(6, 2, 5, 7)).astype(np.float32)


def test_to_tensor_scales_bytes_and_puts_channels_first():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    t = T.ToTensor()(image)
    assert t.shape == (3, 2, 4)
    assert t.dtype == pydl.float32
    assert np.array_equal(t.data[1], (image[..., 1] / 255).astype(np.float32))
    assert T.ToTensor()(np.zeros((2, 4))).shape == (1, 2, 4)
    assert T.ToTensor()(np.zeros((2, 4))).dtype == pydl.float64
    with pytest.raises(ValueError, match=r"2 or 3 dimensions, got shape \(4,\)"):
        T.ToTensor()(np.zeros(4))
    with pytest.raises(TypeError, match="already"):
        T.ToTensor()(pydl.zeros(3))


def test_normalize(images):
    normalized = T.Normalize([1, 2], [2, 4])(images)
    assert normalized.dtype == np.float32
    assert np.allclose(normalized[:, 1], (images[:, 1] - 2) / 4)
    t = pydl.tensor(images)
    assert isinstance(T.Normalize(0.5, 0.5)(t), pydl.Tensor)
    assert np.array_equal(t.data, images)
    with pytest.raises(ValueError, match="3 means, 3 stds for 2 channels"):
        T.Normalize([0] * 3, [1] * 3)(images)
    with pytest.raises(TypeError, match="expected floating numbers, got uint8"):
        T.Normalize(0, 1)(np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="std must not be 0"):
        T.Normalize(0, [1, 0])


def test_pad_and_center_crop(images):
    assert T.Pad(1)(images).shape == (6, 2, 7, 9)
    padded = T.Pad((1, 2), fill=9)(images)
    assert padded.shape == (6, 2, 9, 9)
    assert (padded[..., :2, :] == 9).all()
    assert T.Pad((1, 2, 3, 4))(images).shape == (6, 2, 5 + 2 + 4, 7 + 1 + 3)
    assert np.array_equal(T.Pad(2, padding_mode="reflect")(images)[..., 0, 2:-2], images[..., 2, :])
    assert np.array_equal(T.CenterCrop((3, 5))(images), images[..., 1:4, 1:6])
    with pytest.raises(ValueError, match=r"crop size \(6, 6\) is larger than the image \(5, 7\)"):
        T.CenterCrop(6)(images)
    with pytest.raises(ValueError, match="1, 2 or 4 numbers"):
        T.Pad((1, 2, 3))
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        T.Pad(1, padding_mode="wrap")


def test_random_crop_takes_windows_of_each_image(images):
    manual_seed(0)
    cropped = T.RandomCrop((3, 4))(images)
    assert cropped.shape == (6, 2, 3, 4)
    places = set()
    for image, crop in zip(images, cropped, strict=True):
        hits = [(i, j) for i in range(3) for j in range(4) if np.array_equal(image[:, i : i + 3, j : j + 4], crop)]
        assert len(hits) == 1
        places.add(hits[0])
    assert len(places) > 1
    assert T.RandomCrop(5, padding=2)(images[0]).shape == (2, 5, 5)
    assert T.RandomCrop(9, pad_if_needed=True)(images).shape == (6, 2, 9, 9)
    with pytest.raises(ValueError, match="RandomCrop: crop size"):
        T.RandomCrop(6)(images)


def test_flips(images):
    assert np.array_equal(T.RandomHorizontalFlip(1)(images), images[..., ::-1])
    assert np.array_equal(T.RandomVerticalFlip(1)(images), images[..., ::-1, :])
    assert np.array_equal(T.RandomVerticalFlip(0)(images), images)
    manual_seed(0)
    many = np.broadcast_to(images[:1], (400, 2, 5, 7))
    flipped = (T.RandomHorizontalFlip(0.25)(many) != many).any((1, 2, 3))
    assert 0.15 < flipped.mean() < 0.35
    with pytest.raises(ValueError, match="p must be between 0 and 1, got 2"):
        T.RandomHorizontalFlip(2)


def test_affine_of_known_angles_shifts_and_scales():
    x = np.random.default_rng(1).normal(size=(1, 9, 9))
    assert np.allclose(T.RandomAffine(0)(x), x)
    assert np.allclose(T.RandomRotation((90, 90))(x), np.rot90(x, -1, (1, 2)), atol=1e-12)
    assert np.allclose(T.RandomRotation((180, 180))(x), x[:, ::-1, ::-1], atol=1e-12)
    half = T.RandomAffine(0, scale=(2, 2))(x)  # twice as large: every other pixel of the middle is one of the image's
    assert np.allclose(half[:, ::2, ::2], x[:, 2:7, 2:7])
    assert np.allclose(half[:, 1, ::2], (x[:, 2, 2:7] + x[:, 3, 2:7]) / 2)
    line = np.zeros((1, 9, 9))
    line[:, :, 4] = 1  # sheared by 45 degrees along x an upright line becomes a diagonal
    assert np.allclose(T.RandomAffine(0, shear=(45, 45))(line), np.eye(9))
    assert (T.RandomAffine(0, scale=(0.1, 0.1), fill=3)(x)[:, 0] == 3).all()
    with pytest.raises(ValueError, match="fractions between 0 and 1"):
        T.RandomAffine(0, translate=(3, 3))
    with pytest.raises(ValueError, match="scale must be positive"):
        T.RandomAffine(0, scale=(0, 1))


def test_affine_shift_moves_the_middle_of_mass():
    manual_seed(3)
    x = np.zeros((200, 1, 21, 21))
    x[:, :, 10, 10] = 1
    moved = T.RandomAffine(0, translate=(0.2, 0.1))(x)
    rows = (moved * np.arange(21)[:, None]).sum((1, 2, 3)) - 10
    columns = (moved * np.arange(21)).sum((1, 2, 3)) - 10
    assert np.allclose(moved.sum((1, 2, 3)), 1)
    assert 1.5 < np.abs(rows).max() <= 2.1
    assert 3.5 < np.abs(columns).max() <= 4.2


def test_compose_and_seed(images):
    transform = T.Compose([T.Lambda(lambda x: x * 2), T.RandomCrop(5, padding=1), T.RandomHorizontalFlip()])
    manual_seed(7)
    first = transform(images)
    assert not np.array_equal(first, transform(images))
    manual_seed(7)
    assert np.array_equal(first, transform(images))
    with pytest.raises(TypeError, match="expected a function, got int"):
        T.Lambda(3)
    with pytest.raises(TypeError, match=r"at least 3 dimensions, got shape \(5, 5\)"):
        T.RandomCrop(3)(np.zeros((5, 5)))
    with pytest.raises(TypeError, match="got list"):
        T.Pad(1)([[1]])
