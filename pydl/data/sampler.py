"""Samplers: in which order a loader reads its data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized

import numpy as np

from .. import random
from ..tensor import Tensor


def draw_seed(generator: random.Generator | None) -> int:
    """A seed for generators further down, drawn from `generator` (the default one if None)."""
    return int(random.randint(0, 2**62, (1,), generator=generator).item())


class Sampler:
    """Base of samplers: an iterable of indices (or, for batch samplers, of lists of them) with a length."""

    def __iter__(self) -> Iterator:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__")


class SequentialSampler(Sampler):
    """0, 1, ..., n - 1."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class DrawingSampler(Sampler):
    """A sampler that draws from a generator (the default one if None); its state is the generator's."""

    generator: random.Generator | None = None

    def state_dict(self) -> dict:
        return {"generator": self._source().get_state()}

    def load_state_dict(self, state: dict) -> None:
        self._source().set_state(state["generator"])

    def _source(self) -> random.Generator:
        return random.default_generator if self.generator is None else self.generator


class RandomSampler(DrawingSampler):
    """A random order; with `replacement` each index is drawn on its own. `num_samples` of them, by default all."""

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator=None):
        if num_samples is not None and num_samples <= 0:
            raise ValueError(f"RandomSampler: num_samples must be a positive integer, got {num_samples}")
        self.data_source, self.replacement, self._num_samples = data_source, replacement, num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        if self.replacement:
            yield from random.randint(0, n, (self.num_samples,), generator=self.generator).tolist()
            return
        left = self.num_samples
        while left > 0 and n:
            yield from random.randperm(n, generator=self.generator).tolist()[:left]
            left -= n

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(DrawingSampler):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        for i in random.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(DrawingSampler):
    """Indices drawn with probabilities proportional to `weights`."""

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator=None):
        self.weights = np.asarray(weights.data if isinstance(weights, Tensor) else weights, np.float64)
        if num_samples <= 0:
            raise ValueError(f"WeightedRandomSampler: num_samples must be a positive integer, got {num_samples}")
        if self.weights.ndim != 1 or not np.isfinite(self.weights).all() or (self.weights < 0).any():
            raise ValueError("WeightedRandomSampler: weights must be one list of finite numbers that are not negative")
        if not replacement and num_samples > np.count_nonzero(self.weights):
            raise ValueError(
                f"WeightedRandomSampler: cannot draw {num_samples} different indices, "
                f"{np.count_nonzero(self.weights)} weights are above 0"
            )
        if not self.weights.sum() > 0:
            raise ValueError("WeightedRandomSampler: all weights are 0")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        draw = np.random.Generator(np.random.Philox(draw_seed(self.generator)))
        p = self.weights / self.weights.sum()
        yield from draw.choice(len(p), self.num_samples, self.replacement, p).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices from another sampler; the last may be shorter, or is left out with `drop_last`."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n, size = len(self.sampler), self.batch_size  # type: ignore[arg-type]
        return n // size if self.drop_last else -(-n // size)
