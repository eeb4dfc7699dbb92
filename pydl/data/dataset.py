"""Data sets: things with a length and items, or streams of items."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from ..tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A data set with items by index: subclasses define `__getitem__` and `__len__`.

    One that can read many items faster than one by one also defines `gather(indices)`, which returns the whole batch as
    the loader's collating would have made it.
    """

    def __getitem__(self, index) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A data set that is read in its own order: subclasses define `__iter__`."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__")

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple]):
    """Items `(t[i] for t in tensors)` of tensors with the same first size.

    `transform` changes the first of them, of one item as of a whole batch (those of `pydl.data.transforms` take both).
    """

    def __init__(self, *tensors: Tensor, transform: Callable | None = None):
        if not tensors:
            raise ValueError("TensorDataset: expected at least one tensor")
        for t in tensors:
            if not isinstance(t, Tensor):
                raise TypeError(f"TensorDataset: expected tensors, got {type(t).__name__}")
        if len({t.shape[:1] for t in tensors}) > 1 or not tensors[0].shape:
            raise ValueError(
                f"TensorDataset: the first sizes of the tensors differ: shapes {[tuple(t.shape) for t in tensors]}"
            )
        self.tensors, self.transform = tensors, transform

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index) -> tuple:
        place = index.data if isinstance(index, Tensor) else index
        return self._transformed([Tensor(np.asarray(t.data[place])) for t in self.tensors])

    def gather(self, indices: Sequence[int]) -> list[Tensor]:
        """The batch of these items: one gather a tensor."""
        index = np.asarray(indices, np.intp)
        return list(self._transformed([Tensor(t.data[index]) for t in self.tensors]))

    def _transformed(self, item: list) -> tuple:
        if self.transform is not None:
            item[0] = self.transform(item[0])
        return tuple(item)


class Subset(Dataset[T_co]):
    """The items of `dataset` at `indices`."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices
        if hasattr(dataset, "gather"):
            self.gather = self._gather

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[index]
        return self.dataset[self.indices[index]]

    def _gather(self, indices: Sequence[int]):
        return self.dataset.gather([self.indices[i] for i in indices])  # type: ignore[attr-defined]


class ConcatDataset(Dataset[T_co]):
    """The items of several data sets, one after the other."""

    def __init__(self, datasets: Sequence[Dataset[T_co]]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise TypeError("ConcatDataset: an IterableDataset has no indices; use ChainDataset")
        self.cumulative_sizes = np.cumsum([len(d) for d in self.datasets]).tolist()  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index) -> T_co:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} items")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[T_co]):
    """The items of several streams, one after the other."""

    def __init__(self, datasets: Sequence[Dataset[T_co]]):
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self.datasets:
            yield from dataset  # type: ignore[misc]

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type, misc]


def random_split(dataset: Dataset[T_co], lengths: Sequence[int | float], generator=None) -> list[Subset[T_co]]:
    """Disjoint random subsets of the given lengths, or fractions that sum to 1 (rounded down, the rest given round)."""
    from ..random import randperm

    size = len(dataset)  # type: ignore[arg-type]
    if sum(lengths) <= 1 and math.isclose(sum(lengths), 1):
        if any(not 0 <= f <= 1 for f in lengths):
            raise ValueError(f"random_split: fractions must be between 0 and 1, got {list(lengths)}")
        counts = [math.floor(size * f) for f in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = [int(n) for n in lengths]
    if sum(counts) != size or any(n < 0 for n in counts):
        raise ValueError(f"random_split: lengths {list(lengths)} do not sum to the {size} items of the data set")
    order = randperm(size, generator=generator).tolist()
    ends = np.cumsum(counts).tolist()
    return [Subset(dataset, order[end - n : end]) for n, end in zip(counts, ends, strict=True)]
