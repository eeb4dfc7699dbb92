"""1,797 handwritten digits of 8x8 pixels (Alpaydin and Kaynak 1998), as scikit-learn carries them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .dataset import TensorDataset
from .mnist import every_fifth

MEAN, STD = 0.3053, 0.3761  # of all pixels


def digits8x8(transform: Callable | None = None) -> tuple[TensorDataset, TensorDataset]:
    """(training, testing): images (N, 1, 8, 8) float32 in [0, 1], labels (N,) int64.

    Every fifth image of a class is for testing. `transform` applies to the training images.
    Raises ImportError where scikit-learn is missing.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "digits8x8: the digits come with scikit-learn, which is not installed: pip install 'pydl-nn[train]'"
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    return every_fifth((pixels.reshape(-1, 1, 8, 8) / 16).astype(np.float32), labels.astype(np.int64), transform)
