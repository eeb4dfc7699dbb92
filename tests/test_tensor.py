"""Tensor: other libraries' arrays, Python's protocols, number types."""

import itertools

import numpy as np
import pytest

import pydl

NUMBERS = [np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64]


def test_numpy_arrays_are_shared():
    a = np.arange(6.0).reshape(2, 3)
    t = pydl.from_numpy(a)
    assert t.data is a and t.numpy() is a and np.asarray(t) is a
    t[0, 0] = 9.0
    a[1, 1] = 8.0
    assert a[0, 0] == 9 and t[1, 1].item() == 8
    assert np.shares_memory(pydl.as_tensor(a).data, a) and not np.shares_memory(pydl.tensor(a).data, a)
    with pytest.raises(TypeError, match="expected a numpy array, got list"):
        pydl.from_numpy([1])
    with pytest.raises(TypeError, match="complex128"):
        pydl.from_numpy(np.zeros(2, complex))
    with pytest.raises(TypeError, match="cannot be shared"):
        pydl.from_numpy(np.zeros(2, ">f4"))


def test_a_tensor_that_requires_grad_is_not_given_away():
    t = pydl.ones(2, requires_grad=True)
    for convert in (t.numpy, lambda: np.asarray(t), lambda: np.from_dlpack(t)):
        with pytest.raises((RuntimeError, BufferError), match="detach"):
            convert()
    assert t.detach().numpy() is t.data


def test_numpy_functions_take_tensors():
    t = pydl.tensor([1.0, 2.0])
    assert np.sum(np.asarray(t)) == 3
    assert np.array(t, np.float64).dtype == np.float64
    b = np.array([10.0, 20.0], np.float32)
    for result in (b * t, b + t, b - t, b / t):
        assert isinstance(result, pydl.Tensor)
    assert (b * t).tolist() == [10, 40] and (b - t).tolist() == [9, 18] and (t - b).tolist() == [-9, -18]
    assert (b > t).tolist() == [True, True]


def test_dlpack_both_ways():
    a = np.arange(4.0)
    t = pydl.from_dlpack(a)
    assert np.shares_memory(t.data, a)
    assert np.shares_memory(np.from_dlpack(t), a)
    assert t.__dlpack_device__()[0] == 1


@pytest.mark.parity
def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    source = torch.arange(4.0)
    t = pydl.from_dlpack(source)
    t[0] = 7.0
    assert source[0] == 7
    back = torch.from_dlpack(t)
    back[1] = 5.0
    assert t[1].item() == 5


@pytest.mark.parity
def test_promotion_is_pytorch_s():
    torch = pytest.importorskip("torch")

    def named(t):
        return str(t.dtype).removeprefix("torch.")

    values = [*(np.ones(2, n) for n in NUMBERS), *(np.ones((), n) for n in NUMBERS), True, 2, 2.0]
    for a, b in itertools.product(values, values):
        if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
            continue
        ours, theirs = (
            [lib(x) if isinstance(x, np.ndarray) else x for x in (a, b)] for lib in (pydl.from_numpy, torch.from_numpy)
        )
        shown = [getattr(x, "dtype", type(x)) for x in (a, b)]
        for op in ("__mul__", "__add__", "__truediv__", "__lt__"):
            method = getattr(ours[0], op, None) if isinstance(ours[0], pydl.Tensor) else None
            if method is None:
                continue
            expected = getattr(theirs[0], op)(theirs[1])
            assert named(method(ours[1])) == named(expected), f"{op} of {shown}"


@pytest.mark.parity
def test_casts_are_pytorch_s():
    torch = pytest.importorskip("torch")
    values = np.array([0.0, 1.0, -1.0, 2.7, -2.7, 100.9, 0.3])
    for a, b in itertools.product(NUMBERS, NUMBERS):
        source = values.clip(0, 100).astype(a)
        ours = pydl.from_numpy(source).to(np.dtype(b))
        theirs = torch.from_numpy(source).to(torch.from_numpy(np.zeros(1, b)).dtype)
        np.testing.assert_array_equal(ours.data, theirs.numpy())
        assert ours.dtype == b


def test_scalars():
    t = pydl.tensor(2.5)
    assert (float(t), int(t), t.item(), f"{t:.2f}", bool(t)) == (2.5, 2, 2.5, "2.50", True)
    assert [10, 20, 30][pydl.tensor(1)] == 20
    with pytest.raises(TypeError, match="only an integer tensor"):
        [1, 2][pydl.tensor(1.0)]
    with pytest.raises(RuntimeError, match=r"shape \(2,\) cannot be converted"):
        pydl.ones(2).item()
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(pydl.ones(2))
    with pytest.raises(TypeError, match="0-d"):
        len(t)
    with pytest.raises(TypeError, match="0-d"):
        iter(t)


def test_containers_of_tensors():
    a, b = pydl.ones(2), pydl.ones(2)
    assert len({a, b, a}) == 2 and {a: 1}[a] == 1
    assert 1.0 in a and 3.0 not in a
    assert [row.tolist() for row in pydl.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]


def test_description():
    t = pydl.zeros(2, 3, dtype=pydl.float64)
    assert t.shape == t.size() == (2, 3) and t.size(1) == 3 and t.size(-1) == 3
    assert t.size().numel() == t.numel() == t.nelement() == 6
    assert t.dim() == t.ndim == 2 and t.stride() == (3, 1) and t.stride(0) == 3
    assert t.element_size() == 8 and t.is_contiguous() and not t.t().is_contiguous()
    assert t.is_floating_point() and t.device == "cpu" and t.device.type == "cpu"
    assert t.data_ptr() == t.data.ctypes.data and t[1:].data_ptr() == t.data_ptr() + 24
    assert repr(pydl.tensor([1, 2])) == "tensor([1, 2])"
    assert repr(pydl.ones(2, dtype=pydl.float64)) == "tensor([1., 1.], dtype=float64)"
    assert repr(pydl.zeros(0)) == "tensor([], dtype=float32)"
    with pytest.raises(TypeError, match="not pickled"):
        t.__reduce__()


def test_new_tensors():
    assert pydl.tensor([1.5, 2.5]).dtype == pydl.float32 and pydl.tensor([1, 2]).dtype == pydl.int64
    assert pydl.tensor([True]).dtype == pydl.bool and pydl.tensor(np.ones(1)).dtype == pydl.float64
    assert pydl.tensor([pydl.tensor(1.0), 2.0]).tolist() == [1, 2]
    with pytest.raises(ValueError, match="different lengths"):
        pydl.tensor([[1, 2], [3]])
    with pytest.raises(TypeError, match="can't make a tensor"):
        pydl.tensor("text")
    with pytest.raises(RuntimeError, match="only floating"):
        pydl.tensor([1], requires_grad=True)
    with pytest.raises(RuntimeError, match="must not be negative"):
        pydl.zeros(-1)
    with pytest.raises(RuntimeError, match="not available"):
        pydl.zeros(1, device="cuda")
    assert pydl.arange(5).tolist() == [0, 1, 2, 3, 4] and pydl.arange(1, 2, 0.5).tolist() == [1, 1.5]
    assert pydl.full((2,), 7).dtype == pydl.int64 and pydl.full((2,), 7.0).dtype == pydl.float32
    assert pydl.linspace(0, 1, 3).tolist() == [0, 0.5, 1] and pydl.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_the_default_dtype():
    pydl.set_default_dtype(pydl.float64)
    try:
        assert pydl.zeros(1).dtype == pydl.tensor([1.0]).dtype == (pydl.tensor([1]) / 2).dtype == np.float64
    finally:
        pydl.set_default_dtype(pydl.float32)
    with pytest.raises(TypeError, match="floating type"):
        pydl.set_default_dtype(pydl.int64)


def test_in_place_writes_to_a_view_of_no_axes():
    x = pydl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1].mul_(5)
    y.square().sum().backward()
    assert y.tolist() == [1, 10, 3] and x.grad.tolist() == [2, 100, 6]


def test_an_axis_is_an_integer():
    x = pydl.ones(2, 3)
    for wrong in (1.5, "a", None):
        with pytest.raises(TypeError, match="softmax: a dimension must be an integer, got"):
            pydl.nn.Softmax(wrong)(x)
    with pytest.raises(TypeError, match=r"sum: a dimension must be an integer, got float 1\.5"):
        x.sum(1.5)
    assert x.sum(np.int64(1)).tolist() == [3, 3]


def test_too_large_arrays_are_named():
    with pytest.raises(MemoryError, match=r"float32 .*100000000000000000"):
        pydl.zeros(10**17)
    with pytest.raises(MemoryError, match=r"float32 .*4294967296, 4294967296"):
        pydl.zeros(2**32, 2**32)
    with pytest.raises(MemoryError, match="Unable to allocate"):  # a kernel that needs a contiguous copy
        pydl.Tensor(np.broadcast_to(np.float32(1), (10**15, 10))).index_select(0, pydl.tensor([0]))


def test_grad_takes_gradients_only():
    x = pydl.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="expected a Tensor or None, got int"):
        x.grad = 3
    for wrong in (pydl.ones(3), pydl.ones(2, dtype=pydl.float64)):
        with pytest.raises(RuntimeError, match=r"grad: expected float32 \(2,\), got"):
            x.grad = wrong
    x.grad = pydl.ones(2)
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_view_is_never_a_copy():
    x = pydl.zeros(3, 2)
    with pytest.raises(
        RuntimeError, match=r"view: a tensor of shape \(2, 3\) .* has no view of shape \(6,\); use reshape"
    ):
        x.t().view(6)
    x.view(6).fill_(1.0)
    assert x.sum().item() == 6.0


def test_a_tensor_is_not_equal_to_none():
    x = pydl.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert x != "x"
