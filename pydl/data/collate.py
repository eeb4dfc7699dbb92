"""How the items of a batch become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..tensor import Tensor


def default_collate(batch: Sequence):
    """Items to a batch: tensors, arrays, numbers are stacked along a new first axis, tuples and dicts part by part.

    Python floats become float64, integers int64; strings stay a list.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return Tensor(_stack([t.data for t in batch]))
    if isinstance(first, np.ndarray | np.generic):
        return Tensor(_stack([np.asarray(a) for a in batch]))
    if isinstance(first, bool | int | float):
        return Tensor(np.array(batch))
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return type(first)({k: default_collate([item[k] for item in batch]) for k in first})  # type: ignore[call-arg]
    if isinstance(first, Sequence):
        if len({len(item) for item in batch}) > 1:
            raise RuntimeError(f"default_collate: the items have different lengths {[len(item) for item in batch]}")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns  # a named tuple stays one
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, strings, dicts or lists; found "
        f"{type(first).__name__}. Give DataLoader a collate_fn"
    )


def _stack(arrays: list[np.ndarray]) -> np.ndarray:
    if len({a.shape for a in arrays}) > 1:
        raise RuntimeError(
            f"default_collate: items of different shapes {sorted({a.shape for a in arrays})} cannot be stacked; "
            "pad them, or give DataLoader a collate_fn"
        )
    return np.stack(arrays)
