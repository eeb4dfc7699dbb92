"""The caching pool that large CPU results come from."""

from . import backend


def stats() -> dict[str, int]:
    """Bytes `in_use`, `cached` (idle, kept for reuse) and `peak`, and the calls that found a cached block (`hits`) or not."""
    return backend.cpu.memory_stats()


def empty_cache() -> None:
    """Gives the idle blocks back to the system."""
    backend.cpu.memory_empty_cache()
