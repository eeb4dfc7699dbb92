"""DataLoader: batches of a data set, shuffled, read ahead by threads, with a position that can be saved."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout

from .. import random
from . import source
from .collate import default_collate
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, DrawingSampler, RandomSampler, Sampler, SequentialSampler, draw_seed


class DataLoader:
    """Iterates over `dataset` in batches; arguments and defaults are PyTorch's.

    Workers are threads (`num_workers` of them, each `prefetch_factor` batches ahead): nothing is forked or pickled. An
    IterableDataset is read ahead by one. Every epoch draws one seed from `generator` (None: the global one); order
    and random transforms follow from it and from the batch's number alone, whatever the number of workers.
    `state_dict()` tells epoch and position; after `load_state_dict` the next iteration gives the batch that was next.
    `pin_memory`, `multiprocessing_context` and `persistent_workers` mean nothing here and are accepted.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context=None,
        generator: random.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
    ):
        streamed = isinstance(dataset, IterableDataset)
        _check(num_workers, prefetch_factor, timeout, batch_size, shuffle, sampler, batch_sampler, drop_last, streamed)
        self.dataset, self.generator, self.drop_last = dataset, generator, drop_last
        self.num_workers, self.prefetch_factor = num_workers, 2 if prefetch_factor is None else prefetch_factor
        self.timeout, self.worker_init_fn, self.pin_memory = timeout, worker_init_fn, pin_memory
        if batch_sampler is not None:
            batch_size = None
        elif not streamed:
            if sampler is None:
                sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)  # type: ignore[arg-type]
            if batch_size is not None:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.sampler, self.batch_sampler = batch_size, sampler, batch_sampler
        batched = batch_size is not None or batch_sampler is not None
        self._gather = getattr(dataset, "gather", None) if batched and collate_fn is None else None
        self.collate_fn = collate_fn or (default_collate if batched else lambda item: item)
        self._batched, self._streamed = batched, streamed
        self._order = self._drawn_from()  # the sampler that has a state
        self._seeds_order = isinstance(self._order, DrawingSampler) and self._order.generator is None
        if self._seeds_order:
            self._order.generator = random.Generator()  # seeded anew every epoch
        self._epoch = self._position = (
            0  # epochs begun (the one that is under way is counted at its end); batches given
        )
        self._seed: int | None = None  # of the epoch under way
        self._order_state = None  # of the user's sampler, when the epoch began
        self._resumed = False

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        if self._streamed:
            n = len(self.dataset)  # type: ignore[arg-type]
            return (
                n if self.batch_size is None else n // self.batch_size if self.drop_last else -(-n // self.batch_size)
            )
        return len(self.batch_sampler if self._batched else self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator:
        if not self._resumed:
            self._seed, self._position = draw_seed(self.generator), 0
        elif self._seed is None:  # saved between two epochs
            self._seed = draw_seed(self.generator)
        self._order_state = self._sampler_state()
        self._resumed = False
        return self._batches(self._seed, self._position)

    def _batches(self, seed: int, skipped: int) -> Iterator:
        if self._seeds_order:
            self._order.generator.manual_seed(seed)
        jobs: Iterable = self._pieces() if self._streamed else self.batch_sampler if self._batched else self.sampler  # type: ignore[assignment]
        numbered = itertools.islice(enumerate(jobs), skipped, None)
        results = self._read_ahead(numbered, seed) if self.num_workers else (self._read(*j, seed) for j in numbered)
        for batch in results:
            self._position += 1
            yield batch
        self._epoch, self._position, self._seed, self._order_state = self._epoch + 1, 0, None, None

    def _pieces(self) -> Iterator:
        """The stream's items, `batch_size` at a time."""
        items = iter(self.dataset)  # type: ignore[call-overload]
        if self.batch_size is None:
            yield from items
            return
        while piece := list(itertools.islice(items, self.batch_size)):
            if len(piece) == self.batch_size or not self.drop_last:
                yield piece

    def _read(self, number: int, job, seed: int):
        """The batch of this number: its items, collated. Random transforms in it draw from a source of its own."""
        with source.seeded(seed, number):
            if self._streamed:
                return self.collate_fn(job)
            if not self._batched:
                return self.collate_fn(self._item(job, number))
            if self._gather is not None:
                try:
                    return self._gather(job)
                except Exception as error:
                    if self._batched and all(isinstance(i, int) for i in job):
                        for i in job:  # which one was it
                            self._item(i, number)
                    raise _named(error, f"DataLoader: batch {number}, items {list(job)}") from error
            return self.collate_fn([self._item(i, number) for i in job])

    def _item(self, index, number: int):
        try:
            return self.dataset[index]
        except Exception as error:
            raise _named(
                error, f"DataLoader: item {index} of {type(self.dataset).__name__} (batch {number})"
            ) from error

    def _read_ahead(self, numbered: Iterator, seed: int) -> Iterator:
        """The batches in order, while threads read the ones after. A stream has one reader, as it has one order."""
        workers = 1 if self._streamed else self.num_workers
        ahead: deque[Future] = deque()
        pool = ThreadPoolExecutor(workers, "pydl-loader", self._start_worker, (itertools.count(), threading.Lock()))

        def next_of_stream():
            job = next(numbered, None)
            return (False, None) if job is None else (True, self._read(*job, seed))

        def submit() -> None:
            if self._streamed:
                ahead.append(pool.submit(next_of_stream))
            elif (job := next(numbered, None)) is not None:
                ahead.append(pool.submit(lambda: (True, self._read(job[0], job[1], seed))))

        try:
            for _ in range(workers * self.prefetch_factor):
                submit()
            while ahead:
                first = ahead.popleft()
                try:
                    there, batch = first.result(self.timeout or None)
                except FutureTimeout:
                    if first.done():  # the data set's own
                        raise
                    raise RuntimeError(f"DataLoader: no batch came within timeout={self.timeout} seconds") from None
                if not there:
                    return
                submit()
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _start_worker(self, numbers: Iterator[int], lock) -> None:
        if self.worker_init_fn is not None:
            with lock:
                number = next(numbers)
            self.worker_init_fn(number)

    # ---- position

    def state_dict(self) -> dict:
        """Epochs finished, batches given in this one, its seed, and the generator's state."""
        return {
            "epoch": self._epoch,
            "position": self._position,
            "seed": self._seed,
            "sampler": self._sampler_state() if self._seed is None else self._order_state,
            "generator": None if self.generator is None else self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """The next iteration continues at that place. The items of a stream before it are read and dropped."""
        if missing := {"epoch", "position", "seed", "sampler", "generator"} - set(state):
            raise ValueError(f"DataLoader.load_state_dict: {sorted(missing)} missing from the state {sorted(state)}")
        if (state["generator"] is None) != (self.generator is None):
            raise ValueError(
                "DataLoader.load_state_dict: the state was saved "
                f"{'without' if state['generator'] is None else 'with'} a generator, this loader is the other way"
            )
        self._epoch, self._position, self._seed = state["epoch"], state["position"], state["seed"]
        if state["sampler"] is not None:
            self._order.load_state_dict(state["sampler"])
        if self.generator is not None:
            self.generator.set_state(state["generator"])
        self._resumed = True

    def _drawn_from(self):
        """The sampler that has a state, or None."""
        candidates = (self.batch_sampler, getattr(self.batch_sampler, "sampler", None), self.sampler)
        return next((s for s in candidates if hasattr(s, "state_dict")), None)

    def _sampler_state(self):
        return None if self._order is None or self._seeds_order else self._order.state_dict()


def _check(
    num_workers, prefetch_factor, timeout, batch_size, shuffle, sampler, batch_sampler, drop_last, streamed
) -> None:
    if num_workers < 0:
        raise ValueError(f"DataLoader: num_workers must not be negative, got {num_workers}; 0 reads in the main thread")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout must not be negative, got {timeout}")
    if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
        raise ValueError(
            f"DataLoader: prefetch_factor={prefetch_factor} with num_workers={num_workers}; both must be at least 1"
        )
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError(
            "DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
        )
    if streamed and (shuffle or sampler is not None or batch_sampler is not None):
        raise ValueError(
            "DataLoader: an IterableDataset has its own order; shuffle, sampler and batch_sampler must not be given"
        )
    if batch_size is None and drop_last:
        raise ValueError("DataLoader: batch_size=None disables batches, drop_last has nothing to drop")
    if batch_size is not None and (not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1):
        raise ValueError(f"DataLoader: batch_size should be a positive integer value, but got batch_size={batch_size}")


def _named(error: Exception, where: str) -> Exception:
    """The same kind of error with the place in front of its message."""
    message = f"{where}: {error.args[0] if isinstance(error, KeyError) and error.args else error}"
    try:
        return type(error)(message)
    except Exception:  # its constructor wants something else
        return RuntimeError(f"{where}: {type(error).__name__}: {error}")
