"""Where a view lies in the array that it looks at."""

import numpy as np


def places(view: np.ndarray, base: np.ndarray) -> np.ndarray:
    """For each element of `view` its position in `base`, counted in base's row-major order; int64, of view's shape."""
    item = base.itemsize
    positions, start = np.arange(base.size).reshape(base.shape), 0
    if not base.flags.c_contiguous:  # number the elements where they lie in memory
        spans = [(n - 1) * s // item for n, s in zip(base.shape, base.strides, strict=True)]
        start = -sum(s for s in spans if s < 0)
        memory = np.empty(start + sum(s for s in spans if s > 0) + 1, np.int64)
        steps = [s // item * memory.itemsize for s in base.strides]
        np.lib.stride_tricks.as_strided(memory[start:], base.shape, steps)[...] = positions
        positions = memory
    offset = start + (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // item
    index = np.full(view.shape, offset, np.int64)
    for axis, (n, step) in enumerate(zip(view.shape, view.strides, strict=True)):
        index += (np.arange(n) * (step // item)).reshape((n,) + (1,) * (view.ndim - axis - 1))
    return np.asarray(positions.reshape(-1)[index])
