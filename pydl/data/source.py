"""Where random transforms draw from: in a DataLoader a source that the batch's number decides, else the default one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_current = threading.local()


@contextmanager
def seeded(seed: int, number: int) -> Iterator[None]:
    """Inside, transforms draw from Philox with this seed, at a place that `number` decides: the same for any thread."""
    before = getattr(_current, "key", None), getattr(_current, "generator", None)
    _current.key, _current.generator = (seed, number), None
    try:
        yield
    finally:
        _current.key, _current.generator = before


def generator() -> np.random.Generator:
    """The numpy generator that a transform draws from now."""
    key = getattr(_current, "key", None)
    if key is None:
        from .sampler import draw_seed

        return np.random.Generator(np.random.Philox(draw_seed(None)))
    if _current.generator is None:  # made when first needed: most batches draw nothing
        _current.generator = np.random.Generator(np.random.Philox(key=key[0], counter=[0, 0, 0, key[1]]))
    return _current.generator
