import itertools
import threading
import time

import numpy as np
import pytest

import pydl
from pydl.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from pydl.data.transforms import RandomCrop
from pydl.random import Generator, manual_seed


class Squares(Dataset):
    """Read item by item; item 13 can be made unreadable."""

    def __init__(self, n=40, broken=False):
        self.n, self.broken = n, broken

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if self.broken and i == 13:
            raise KeyError("no such file")
        return i * i


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        yield from range(self.n)

    def __len__(self):
        return self.n


def order(loader):
    return [batch.tolist() for batch in loader]


def tensors(n=40):
    return TensorDataset(pydl.arange(n), pydl.arange(n))


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_in_order(workers, drop_last):
    loader = DataLoader(Squares(10), batch_size=4, num_workers=workers, drop_last=drop_last)
    expected = [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]][: 2 if drop_last else 3]
    assert order(loader) == expected == order(loader)
    assert len(loader) == len(expected)
    stream = DataLoader(Stream(10), batch_size=4, num_workers=workers, drop_last=drop_last)
    assert order(stream) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]][: len(expected)]
    assert len(stream) == len(expected)


def test_without_batches_items_come_as_they_are():
    assert list(DataLoader(Squares(3), batch_size=None)) == [0, 1, 4]
    assert list(DataLoader(Stream(3), batch_size=None, num_workers=2)) == [0, 1, 2]
    assert len(DataLoader(Squares(3), batch_size=None)) == 3


def test_empty_data_gives_no_batches():
    assert order(DataLoader(Squares(0), batch_size=4)) == []
    assert order(DataLoader(Squares(0), shuffle=True)) == []
    assert order(DataLoader(Stream(0), num_workers=1)) == []


def test_shuffling_is_seeded_and_different_every_epoch():
    def epochs(seed, workers=0):
        loader = DataLoader(
            Squares(), batch_size=7, shuffle=True, num_workers=workers, generator=Generator().manual_seed(seed)
        )
        return [order(loader) for _ in range(3)]

    first, second, third = epochs(1)
    assert first != second != third != first
    assert sorted(itertools.chain(*first)) == [i * i for i in range(40)]
    assert epochs(1, workers=3) == [first, second, third]
    assert epochs(2)[0] != first
    manual_seed(5)
    by_default = order(DataLoader(Squares(), shuffle=True))
    manual_seed(5)
    assert by_default == order(DataLoader(Squares(), shuffle=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 5, 6, 7, 12])  # 6 batches an epoch
@pytest.mark.parametrize("kind", ["shuffle", "default", "random sampler", "own generator", "batch sampler", "stream"])
def test_a_saved_position_continues_with_the_same_batches(workers, stop, kind):
    def make():
        how = {"batch_size": 7, "num_workers": workers}
        if kind == "shuffle":
            return DataLoader(Squares(), shuffle=True, generator=Generator().manual_seed(3), **how)
        if kind == "default":
            return DataLoader(Squares(), shuffle=True, **how)
        if kind == "random sampler":
            return DataLoader(Squares(), sampler=RandomSampler(Squares()), **how)
        if kind == "own generator":
            return DataLoader(Squares(), sampler=RandomSampler(Squares(), generator=Generator().manual_seed(4)), **how)
        if kind == "batch sampler":
            batches = BatchSampler(SubsetRandomSampler(range(40), Generator().manual_seed(1)), 7)
            return DataLoader(Squares(), batch_sampler=batches, num_workers=workers)
        return DataLoader(Stream(40), **how)

    def batches(loader, save_after=None):
        """All batches of three epochs from where the loader is; with the states at `save_after`."""
        given, saved = [], None
        while loader.state_dict()["epoch"] < 3:
            for batch in loader:
                given.append(batch.tolist())
                if len(given) == save_after:
                    saved = loader.state_dict(), pydl.random.default_generator.get_state()
        return given, saved

    manual_seed(9)
    start = (make().state_dict(), pydl.random.default_generator.get_state())
    whole, saved = batches(make(), stop)
    state, rng = saved or start
    manual_seed(1234)
    rest = make()
    rest.load_state_dict(state)
    pydl.random.default_generator.set_state(rng)
    assert batches(rest)[0] == whole[stop:]


def test_a_state_from_elsewhere_is_refused():
    with pytest.raises(ValueError, match=r"\['generator', 'sampler', 'seed'\] missing"):
        DataLoader(Squares()).load_state_dict({"epoch": 1, "position": 2})
    with pytest.raises(ValueError, match="saved without a generator"):
        DataLoader(Squares(), generator=Generator()).load_state_dict(DataLoader(Squares()).state_dict())


def test_random_transforms_do_not_depend_on_workers_or_position():
    images = pydl.tensor(np.random.default_rng(0).normal(size=(40, 1, 5, 5)))
    data = TensorDataset(images, transform=RandomCrop(5, padding=2))

    def read(workers, state=None):
        loader = DataLoader(data, 8, shuffle=True, num_workers=workers, generator=Generator().manual_seed(2))
        if state:
            loader.load_state_dict(state)
        return [(batch[0].data, loader.state_dict()) for batch in loader]

    whole = read(0)
    for workers in (1, 3):
        assert all((a == b).all() for (a, _), (b, _) in zip(whole, read(workers), strict=True))
    rest = read(2, whole[1][1])
    assert len(rest) == 3
    assert all((a == b).all() for (a, _), (b, _) in zip(whole[2:], rest, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_names_the_item(workers):
    with pytest.raises(KeyError, match=r"item 13 of Squares \(batch 3\): no such file"):
        order(DataLoader(Squares(broken=True), batch_size=4, num_workers=workers))
    beyond = DataLoader(tensors(5), batch_sampler=[[0, 1], [2, 9]], num_workers=workers)
    with pytest.raises(IndexError, match=r"item 9 of TensorDataset \(batch 1\)"):
        list(beyond)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_with_an_odd_constructor_is_told_too(workers):
    class Text(Squares):
        def __getitem__(self, i):
            return b"\xff".decode()

    with pytest.raises(RuntimeError, match=r"item 0 of Text \(batch 0\): UnicodeDecodeError: .*invalid start byte"):
        list(DataLoader(Text(), num_workers=workers))


def test_a_slow_reader_runs_into_the_timeout():
    class Slow(Squares):
        def __getitem__(self, i):
            time.sleep(0.2)
            return i

    with pytest.raises(RuntimeError, match=r"no batch came within timeout=0\.01 seconds"):
        list(DataLoader(Slow(1), num_workers=1, timeout=0.01))


def test_threads_read_ahead_and_go_away():
    started = []

    class Watched(Squares):
        def __getitem__(self, i):
            started.append(i)
            return i

    names = []
    loader = DataLoader(Watched(100), num_workers=2, prefetch_factor=3, worker_init_fn=names.append)
    for _ in loader:
        break
    deadline = time.monotonic() + 5
    while any(t.name.startswith("pydl-loader") for t in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [t for t in threading.enumerate() if t.name.startswith("pydl-loader")]
    assert len(started) <= 7
    assert sorted(names) == list(range(len(names)))
    assert len(names) in (1, 2)


def test_samplers():
    g = Generator().manual_seed(0)
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(RandomSampler(range(9), generator=g)) == list(range(9))
    assert len(list(RandomSampler(range(9), num_samples=20, generator=g))) == 20
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=50, generator=g))
    assert set(drawn) == {0, 1, 2}
    assert sorted(SubsetRandomSampler([4, 7], g)) == [4, 7]
    weighted = list(WeightedRandomSampler([0, 1, 3], 4000, generator=g))
    assert 0 not in weighted
    assert abs(weighted.count(2) / 4000 - 0.75) < 0.04
    assert sorted(WeightedRandomSampler([1, 1, 0, 1], 3, replacement=False, generator=g)) == [0, 1, 3]
    assert list(BatchSampler(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, drop_last=True)) == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataLoader(Squares(), batch_size=0), "positive integer value, but got batch_size=0"),
        (lambda: DataLoader(Squares(), batch_size=2.5), r"got batch_size=2\.5"),
        (lambda: DataLoader(Squares(), num_workers=-1), "num_workers must not be negative, got -1"),
        (lambda: DataLoader(Squares(), prefetch_factor=2), "prefetch_factor=2 with num_workers=0"),
        (lambda: DataLoader(Squares(), timeout=-1), "timeout must not be negative"),
        (lambda: DataLoader(Squares(), shuffle=True, sampler=range(3)), "mutually exclusive with shuffle"),
        (lambda: DataLoader(Squares(), 2, batch_sampler=[[1]]), "mutually exclusive with batch_size"),
        (lambda: DataLoader(Stream(3), shuffle=True), "has its own order"),
        (lambda: DataLoader(Squares(), batch_size=None, drop_last=True), "drop_last has nothing to drop"),
        (lambda: RandomSampler(Squares(), num_samples=0), "num_samples must be a positive integer, got 0"),
        (lambda: WeightedRandomSampler([1, -1], 2), "not negative"),
        (lambda: WeightedRandomSampler([1, float("nan")], 2), "finite"),
        (lambda: WeightedRandomSampler([0, 0], 2), "all weights are 0"),
        (lambda: WeightedRandomSampler([0, 1], 2, replacement=False), "cannot draw 2 different indices, 1 weights"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
