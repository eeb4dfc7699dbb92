"""Sequences of different lengths without padding: the rows of all steps one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..create import full
from ..ops.join import cat, stack
from ..tensor import Tensor


class PackedSequence(NamedTuple):
    """`data` (sum of lengths, *): step after step, the `batch_sizes[t]` sequences that are long enough, longest first.

    `sorted_indices` say which sequence of the batch comes where; `unsorted_indices` take them back (None: as they were).
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


def pack_padded_sequence(
    input: Tensor, lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leaves the padding out of input (T, B, *), or (B, T, *) with batch_first; lengths (B,) in steps, each at least 1."""
    lengths = np.asarray(getattr(lengths, "data", lengths), np.int64)
    if batch_first:
        input = input.transpose(0, 1)
    if lengths.shape != (input.shape[1],):
        raise RuntimeError(f"pack_padded_sequence: {lengths.size} lengths for a batch of {input.shape[1]} sequences")
    if lengths.size and not 1 <= lengths.min() <= lengths.max() <= input.shape[0]:
        raise RuntimeError(
            f"pack_padded_sequence: lengths run from {lengths.min()} to {lengths.max()}, expected 1 to {input.shape[0]}"
        )
    order = None
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        lengths, input = lengths[order], input.index_select(1, Tensor(order))
    elif (np.diff(lengths) > 0).any():
        raise RuntimeError("pack_padded_sequence: lengths must not grow with enforce_sorted=True")
    sizes = [int((lengths > t).sum()) for t in range(lengths.max(initial=0))]
    data = cat([input[t, :n] for t, n in enumerate(sizes)])
    back = None if order is None else Tensor(np.argsort(order))
    return PackedSequence(data, Tensor(np.array(sizes, np.int64)), None if order is None else Tensor(order), back)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The inverse: (T, B, *) with padding_value behind each sequence's end, and the lengths (B,)."""
    sizes = sequence.batch_sizes.tolist()
    if total_length is not None and total_length < len(sizes):
        raise ValueError(f"pad_packed_sequence: total_length {total_length} is less than the longest, {len(sizes)}")
    features = sequence.data.shape[1:]
    steps, first = [], 0
    for n in sizes:
        rows = sequence.data[first : first + n]
        if n < sizes[0]:
            rest = full((sizes[0] - n, *features), padding_value, dtype=rows.dtype)
            rows = cat([rows, rest])
        steps.append(rows)
        first += n
    missing = range(len(sizes), total_length or 0)
    steps += [full((sizes[0], *features), padding_value, dtype=sequence.data.dtype) for _ in missing]
    padded = stack(steps)
    lengths = Tensor((np.asarray(sizes)[:, None] > np.arange(sizes[0])).sum(0))
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = Tensor(lengths.data[sequence.unsorted_indices.data])
    return padded.transpose(0, 1) if batch_first else padded, lengths


def pad_sequence(sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0) -> Tensor:
    """Tensors (T_i, *) as one (T, B, *), or (B, T, *) with batch_first, T the longest; padding_value behind the ends."""
    longest = max(len(s) for s in sequences)
    padded = []
    for s in sequences:
        rest = full((longest - len(s), *s.shape[1:]), padding_value, dtype=s.dtype)
        padded.append(cat([s, rest]) if len(s) < longest else s)
    return stack(padded, 0 if batch_first else 1)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs tensors (T_i, *) of different lengths."""
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], enforce_sorted=enforce_sorted)
