"""The caching pool of large results."""

import numpy as np

import pydl


def test_a_freed_block_is_used_again():
    pydl.memory.empty_cache()
    x = pydl.zeros(1 << 20)
    y = x + 1.0
    address = y.data_ptr()
    before = pydl.memory.stats()
    del y
    z = x + 2.0
    after = pydl.memory.stats()
    assert z.data_ptr() == address
    assert after["hits"] == before["hits"] + 1
    assert after["misses"] == before["misses"]


def test_stats_count_bytes():
    pydl.memory.empty_cache()
    before = pydl.memory.stats()["in_use"]
    x = pydl.empty(1 << 20, dtype=pydl.float32)
    assert pydl.memory.stats()["in_use"] - before >= x.data.nbytes
    del x
    stats = pydl.memory.stats()
    assert stats["in_use"] == before
    assert stats["cached"] >= 4 << 20
    pydl.memory.empty_cache()
    assert pydl.memory.stats()["cached"] == 0


def test_blocks_are_aligned_and_outlive_their_tensor():
    x = pydl.ones(100_000)
    view = x.data[10:20]
    assert x.data_ptr() % 64 == 0
    del x
    for _ in range(10):
        pydl.zeros(100_000)
    assert np.array_equal(view, np.ones(10, np.float32))


def test_idle_memory_never_exceeds_what_was_needed_at_once():
    pydl.memory.empty_cache()
    for n in range(20, 60):
        pydl.empty(n * 100_000)
    stats = pydl.memory.stats()
    assert stats["cached"] <= stats["peak"]


def test_impossible_sizes_are_memory_errors():
    for shape in [(1 << 62,), (1 << 40, 1 << 30)]:
        try:
            pydl.empty(shape)
        except (MemoryError, ValueError):
            continue
        raise AssertionError(f"{shape} was allocated")
