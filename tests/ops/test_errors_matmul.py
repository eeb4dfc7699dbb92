"""Products: bad input, and that a result does not depend on how its operands lie in memory."""

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import backend


def tensor(*shape, dtype=np.float32):
    return pydl.Tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))


def test_shapes_are_named():
    with pytest.raises(RuntimeError, match=r"matmul: inner sizes differ: \(2, 3\) times \(4, 5\)"):
        tensor(2, 3) @ tensor(4, 5)
    with pytest.raises(RuntimeError, match=r"matmul: shapes \(2,\) and \(3,\) do not broadcast"):
        tensor(2, 4, 5) @ tensor(3, 5, 6)
    with pytest.raises(RuntimeError, match="at least one axis"):
        pydl.matmul(tensor(), tensor(3))
    with pytest.raises(RuntimeError, match=r"mm: mat2 has shape \(3,\), expected 2 axes"):
        pydl.mm(tensor(2, 3), tensor(3))
    with pytest.raises(RuntimeError, match=r"bmm: batches differ: \(2, 3, 4\) and \(3, 4, 5\)"):
        pydl.bmm(tensor(2, 3, 4), tensor(3, 4, 5))
    with pytest.raises(RuntimeError, match=r"addmm: input of shape \(3, 2, 5\) does not expand to \(2, 5\)"):
        pydl.addmm(tensor(3, 2, 5), tensor(2, 4), tensor(4, 5))


def test_linear_names_what_came():
    with pytest.raises(RuntimeError, match=r"linear: input \(2, 3\) times the transpose of weight \(5, 4\)"):
        F.linear(tensor(2, 3), tensor(5, 4))
    with pytest.raises(RuntimeError, match=r"linear: bias has shape \(4,\), expected \(5,\)"):
        F.linear(tensor(2, 3), tensor(5, 3), tensor(4))
    with pytest.raises(ValueError, match="activation 'softmax' is none of"):
        F.linear(tensor(2, 3), tensor(5, 3), activation="softmax")


def test_the_kernel_itself_stays_inside_its_arrays():
    a, b = np.zeros((2, 3), np.float32), np.zeros((3, 4), np.float32)
    for bad in [
        (a, b, None, np.zeros((2, 5), np.float32), 0),
        (a, b, np.zeros(3, np.float32), np.zeros((2, 4), np.float32), 0),
        (a, b.astype(np.float64), None, np.zeros((2, 4), np.float32), 0),
        (a, b, None, np.zeros((2, 4), np.float32), 9),
        (a[0], b, None, np.zeros((2, 4), np.float32), 0),
    ]:
        with pytest.raises(ValueError):
            backend.cpu.matmul(*bad)


@pytest.mark.parametrize("shape", [(1, 300, 70), (3, 90, 257), (200, 2, 100), (37, 41, 900), (5, 6, 3), (1, 1, 64)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layout_does_not_change_a_bit(shape, dtype):
    m, n, k = shape
    a, b = tensor(m, k, dtype=dtype).data, tensor(k, n, dtype=dtype).data
    expected = (pydl.Tensor(a) @ pydl.Tensor(b)).data

    def layouts(x):
        wide = np.zeros((2 * x.shape[0], 3 * x.shape[1]), x.dtype)
        wide[::2, ::3] = x
        return [
            x,
            np.asfortranarray(x),
            wide[::2, ::3],
            np.ascontiguousarray(x[::-1])[::-1],
            x[:, ::-1].copy()[:, ::-1],
        ]

    for p in layouts(a):
        for q in layouts(b):
            np.testing.assert_array_equal((pydl.Tensor(p) @ pydl.Tensor(q)).data, expected)
    folded = pydl.Tensor(np.broadcast_to(a, (3, m, k))) @ pydl.Tensor(b)  # the batch becomes rows: another shape
    np.testing.assert_allclose(folded.data, np.broadcast_to(expected, (3, m, n)), rtol=0, atol=1e-4)
