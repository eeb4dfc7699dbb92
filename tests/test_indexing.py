"""Errors, in-place forms and options of indexing and embedding that a case of the oracle cannot say."""

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F


def x(*shape):
    return pydl.tensor(np.arange(np.prod(shape), dtype=np.float64).reshape(shape))


def test_index_errors_name_value_position_and_range():
    with pytest.raises(IndexError, match=r"index_select: index 7 at position 1 .* length 4 has 0 to 3"):
        x(4, 2).index_select(0, pydl.tensor([0, 7]))
    with pytest.raises(IndexError, match="index -1 at position 0"):
        x(4, 2).gather(1, pydl.tensor([[-1]]))
    with pytest.raises(
        IndexError, match=r"index 9 at position 2 is out of range for axis 1 of length 2 \(expected -2 to 1\)"
    ):
        x(4, 2)[:, [0, -2, 9]]
    with pytest.raises(IndexError, match=r"index 4 is out of range for axis 0 of \(4, 2\) \(expected -4 to 3\)"):
        x(4, 2)[4, 0]
    with pytest.raises(IndexError, match="too many indices"):
        x(4, 2)[0, 0, 0]
    with pytest.raises(IndexError, match=r"mask of shape \(3,\)"):
        x(4, 2)[np.ones(3, bool)]
    with pytest.raises(IndexError, match="float64"):
        x(4)[[0.5]]
    with pytest.raises(IndexError, match="do not broadcast"):
        x(4, 2)[[0, 1, 2], [0, 1]]
    with pytest.raises(IndexError, match="embedding: index 5 at position 1"):
        F.embedding(pydl.tensor([0, 5]), x(5, 2))


@pytest.mark.parametrize("step", [-1, 0])
def test_slices_go_forward(step):
    with pytest.raises(ValueError, match="step must be positive"):
        x(4)[::step]


def test_a_failed_write_changes_nothing():
    a = x(4, 2)
    before = a.data.copy()
    for index, value in [(([0, 9],), 1.0), ((slice(0, 2),), x(3, 2)), (([0, 1],), x(2, 3)), ((5,), 0.0)]:
        with pytest.raises((IndexError, RuntimeError)):
            a[index] = value
    for write in (
        lambda: a.index_add_(0, pydl.tensor([0, 4]), x(2, 2)),
        lambda: a.scatter_(0, pydl.tensor([[0, 4]]), 1.0),
        lambda: a.scatter_add_(0, pydl.tensor([[3, 4]]), x(1, 2)),
        lambda: a.index_put_((pydl.tensor([0, 4]),), x(2, 2)),
    ):
        with pytest.raises(IndexError):
            write()
    np.testing.assert_array_equal(a.data, before)
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        pydl.from_numpy(frozen)[0] = 1.0


def test_wrong_index_and_source_types():
    with pytest.raises(RuntimeError, match="index must hold integers"):
        x(4).index_select(0, x(2))
    with pytest.raises(RuntimeError, match=r"source has shape \(2, 3\), expected \(2, 2\)"):
        x(4, 2).index_add(0, pydl.tensor([0, 1]), x(2, 3))
    with pytest.raises(RuntimeError, match="must not be longer"):
        x(4, 2).gather(0, pydl.tensor([[0, 0, 0]]))
    with pytest.raises(RuntimeError, match="as many axes"):
        x(4, 2).gather(0, pydl.tensor([0]))
    with pytest.raises(RuntimeError, match="src is float32"):
        x(4, 2).scatter(0, pydl.tensor([[0]]), x(1, 1).float())


def test_in_place_forms_equal_the_pure_ones():
    j, element, rows = pydl.tensor([2, 0, 2]), pydl.tensor([[1, 3]]), x(3, 2)
    for name, args in [
        ("index_add", (0, j, rows)), ("index_fill", (0, j, 7.0)), ("index_put", ((j,), rows, True)),
        ("index_copy", (0, j, rows)), ("scatter", (0, element, 5.0)), ("scatter_add", (0, element, x(1, 2))),
    ]:  # fmt: skip
        a = x(4, 2)
        version = a._version
        assert getattr(a, f"{name}_")(*args) is a
        assert a._version == version + 1
        np.testing.assert_array_equal(a.data, getattr(x(4, 2), name)(*args).data)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint8, np.int32, np.int64, np.float16, np.bool_])
def test_every_dtype_can_be_indexed(dtype):
    a = np.arange(12).reshape(4, 3).astype(dtype)
    t, j = pydl.from_numpy(a.copy()), pydl.tensor([3, 0, 3])
    assert t[j].dtype == t.gather(0, pydl.tensor([[1, 2, 3]])).dtype == a.dtype
    np.testing.assert_array_equal(t[j].data, a[[3, 0, 3]])
    np.testing.assert_array_equal(t.index_copy(0, j, t[:3]).data[0], a[1])
    t[1:3, [0, 2]] = 1
    a[1:3, [0, 2]] = 1
    np.testing.assert_array_equal(t.data, a)
    if dtype != np.bool_:
        added = pydl.from_numpy(a.copy()).index_add(0, j, t[:3])
        np.add.at(a, [3, 0, 3], a[:3].copy())
        np.testing.assert_array_equal(added.data, a)


def test_a_basic_index_is_a_view_and_an_array_index_a_copy():
    a = x(4, 3)
    a[1:, 0].zero_()
    assert a.data[:, 0].tolist() == [0, 0, 0, 0]
    a[[2, 3]].zero_()
    assert a.data[3, 2] == 11
    assert a[1, 2].data.base is not None and a[1, 2].shape == ()
    assert np.shares_memory(a[pydl.tensor(1)].data, a.data)


def test_assignment_casts_and_broadcasts():
    a = pydl.tensor([1, 2, 3])
    a[0] = 2.7
    a[1:] = pydl.tensor([[9.9, 8.1]])
    assert a.tolist() == [2, 9, 8]
    b = x(3, 3)
    b[1:] = b[:-1]  # overlapping
    assert b.tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    b[b > 2] = -1.0
    assert b.tolist() == [[0, 1, 2], [0, 1, 2], [-1, -1, -1]]
    b[:, [0, 0]] = pydl.tensor([[1.0, 2.0]])  # of a repeated index the last one stays
    assert b.data[:, 0].tolist() == [2, 2, 2]


def test_an_index_changed_after_use_is_noticed():
    a, j = x(4).requires_grad_(), pydl.tensor([0, 1])
    y = a[j].sum()
    j[0] = 3
    with pytest.raises(RuntimeError, match="modified by an in-place operation"):
        y.backward()


def test_embedding_options():
    index = pydl.tensor([[0, 2, 0], [1, 2, 2]])
    weight = x(4, 3).requires_grad_()
    F.embedding(index, weight, padding_idx=-2).sum().backward()
    assert weight.grad.data[:, 0].tolist() == [2, 1, 0, 0]
    weight.grad = None
    F.embedding(index, weight, scale_grad_by_freq=True).sum().backward()
    assert weight.grad.data[:, 0].tolist() == [1, 1, 1, 0]
    y = F.embedding(index, weight, padding_idx=2)
    np.testing.assert_array_equal(y.data[0, 1], weight.data[2])
    (g,) = pydl.autograd.grad((y * y).sum(), weight, create_graph=True)
    (gg,) = pydl.autograd.grad(g.sum(), weight)
    assert gg.data[:, 0].tolist() == [4, 2, 0, 0]
    with pydl.no_grad():
        F.embedding(index, weight, max_norm=2.0)
    norms = np.linalg.norm(weight.data, axis=1)
    np.testing.assert_allclose(norms[1:3], 2.0, rtol=1e-6)
    assert norms[3] > 2
    with pytest.raises(NotImplementedError, match="sparse"):
        F.embedding(index, weight, sparse=True)
    with pytest.raises(RuntimeError, match="integers"):
        F.embedding(index.float(), weight)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.uint32, np.uint64, np.float16])
def test_values_of_dtypes_without_kernels_survive(dtype):
    data = np.array([1, np.iinfo(dtype).max - 1 if np.dtype(dtype).kind in "iu" else 2048], dtype)
    t, i = pydl.Tensor(data), pydl.tensor([1, 0])
    for y in (t.index_select(0, i), t.gather(0, i), t[i], t.scatter(0, i, t), t.index_copy(0, i, t)):
        assert y.dtype == dtype and y.tolist() == data[::-1].tolist()
