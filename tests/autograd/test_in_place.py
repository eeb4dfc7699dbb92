"""In-place operations: what they may change, what notices it, and the history of views."""

import numpy as np
import pytest

import pydl

A = np.random.default_rng(0).standard_normal((3, 4))


def leaf(values=A):
    return pydl.tensor(values, dtype=pydl.float64, requires_grad=True)


# ---- versions


def test_a_saved_input_must_not_change():
    x = leaf() * 1.0
    y = x.sin()
    x.add_(1.0)
    with pytest.raises(
        RuntimeError, match=r"sin: .*\(x, float64 \(3, 4\)\) was modified by an in-place.*after it was saved"
    ):
        y.sum().backward()


def test_a_saved_output_must_not_change():
    y = leaf().exp()
    y.mul_(2.0)
    with pytest.raises(
        RuntimeError, match=r"exp: its output .* was modified by an in-place operation after it was saved"
    ):
        y.sum().backward()


def test_a_fused_op_notices_too():
    x = leaf() * 1.0
    y = pydl.nn.functional.layer_norm(x, 4)
    x[0, 0] = 0.0
    with pytest.raises(RuntimeError, match=r"layer_norm: .*modified"):
        y.sum().backward()


def test_what_is_not_saved_may_change():
    x = leaf()
    y = x + 1.0
    z = y * 2.0
    y.zero_()  # neither add nor mul by a number reads it
    z.sum().backward()
    assert (x.grad.data == 2).all()
    with pydl.no_grad():
        x.mul_(2.0)
    assert x._version == 1


def test_a_change_under_no_grad_counts():
    x = leaf()
    y = (x * x).sum()
    with pydl.no_grad():
        x.add_(1.0)
    with pytest.raises(RuntimeError, match="at version 1, saved at version 0"):
        y.backward()


def test_a_change_through_a_view_counts():
    x = leaf() * 1.0
    y = (x * x).sum()
    x[0].zero_()
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()
    x = leaf() * 1.0
    v = x[1]
    y = (v * v).sum()
    x.zero_()
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()


# ---- leaves


def test_a_leaf_that_requires_grad_is_protected():
    x = leaf()
    before = x.data.copy()
    for write in (
        lambda: x.add_(1.0),
        lambda: x.zero_(),
        lambda: x[0].mul_(2.0),
        lambda: x.t().fill_(1.0),
        lambda: x.__setitem__((0, 0), 1.0),
        lambda: x.reshape(-1).__setitem__([0, 1], 1.0),
        lambda: x.copy_(pydl.ones(3, 4)),
    ):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    np.testing.assert_array_equal(x.data, before)
    x.detach().add_(1.0)
    x.data[...] = before
    assert x.is_leaf and x._version == 1


def test_a_leaf_becomes_a_result_by_what_is_written_into_it():
    buffer, x = pydl.zeros(2, 4, dtype=pydl.float64), leaf()
    buffer[0] = x[0] * 2.0
    assert buffer.requires_grad and not buffer.is_leaf
    buffer[1] = buffer[0].clone() * x[1]
    (buffer * buffer).sum().backward()
    a, b = A[0], A[1]
    np.testing.assert_allclose(x.grad.data[0], 8 * a + 8 * a * b * b)
    np.testing.assert_allclose(x.grad.data[1], 8 * a * a * b)


def test_shape_and_dtype_are_kept():
    x = pydl.zeros(3)
    with pytest.raises(RuntimeError, match=r"shape \(2, 3\), which does not fit into \(3,\)"):
        x.add_(pydl.ones(2, 3))
    with pytest.raises(RuntimeError, match="float32, which cannot be stored in int64"):
        pydl.tensor([1, 2]).add_(0.5)
    x.add_(pydl.ones(3, dtype=pydl.float64))
    assert x.dtype == pydl.float32 and x.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        pydl.ones(1).expand(3).add_(1.0)


def test_operators_write_in_place():
    x = pydl.ones(2)
    y = x
    x += 1.0
    x *= 3.0
    x -= 2.0
    x /= 4.0
    x **= 2
    assert y is x and y.tolist() == [1, 1] and x._version == 5


def test_hooks_and_retained_gradients_follow():
    x = leaf([2.0])
    y = x * 3.0
    y.retain_grad()
    y.mul_(5.0)
    y.sum().backward()
    assert y.grad.tolist() == [1] and x.grad.tolist() == [15]


# ---- views: one storage, one history


def both(program):
    """Runs a program on pydl's and on PyTorch's tensors; returns the gradients of its two leaves in both."""
    torch = pytest.importorskip("torch")
    results = []
    for tensor, number in ((pydl.tensor, pydl.float64), (torch.tensor, torch.float64)):
        x = tensor(A, dtype=number, requires_grad=True)
        w = tensor(A[::-1, ::-1].copy(), dtype=number, requires_grad=True)
        value = program(x, w)
        value.backward()
        results.append([value.detach(), x.grad, w.grad])
    for ours, theirs in zip(*results, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(np.asarray(ours), theirs.numpy(), rtol=1e-12)


def view_written(x, w):
    y = x * 2.0
    v = y[1]
    v.mul_(w[0])
    return (y * y * w).sum()


def base_written_after_view(x, w):
    y = x * 2.0
    v = y[:, 1]
    y.mul_(w)
    return (v * v).sum() + y.sum()


def view_of_a_view(x, w):
    y = x * 2.0
    v = y.t()[1:3]
    u = v[:, 0]
    u.mul_(w[0, :2])
    v.add_(w[:2].t()[:2, :1])
    return (y * y).sum() + (u * u * u).sum() + (v * w.t()[:2]).sum()


def reshape_written(x, w):
    y = x * 2.0
    y.reshape(-1)[3:7].sin_()
    y.reshape(4, 3)[2].mul_(w[0, 0])
    return (y * w).sum()


def two_views(x, w):
    y = x * 1.0
    a, b = y[:2], y[1:]
    a.mul_(w[:2])
    b.mul_(b.clone())
    return (a * a).sum() + b.sum() + y.sum()


def indexed(x, w):
    y = x * 2.0
    y[0, 1] = 5.0
    y[:, 2] = w[:, 0]
    y[[0, 2], [3, 3]] = w[0, :2] * w[1, :2]
    y[1:, :2] = y[:2, 2:] * 3.0
    return (y * y * w).sum()


def filled(x, w):
    y = x * w
    y[y > 0] = 0.5
    y[0].fill_(2.0)
    y[1].zero_()
    y[:, 0].copy_(w[:, 1])
    return (y * y * x).sum()


def unpacked(x, w):
    y = x * 1.0
    for row in y.clone().unbind(0):
        y = y + row * w[0]
    return (y * y).sum()


def transposed_base(x, w):
    y = (x * 2.0).t().clone().t() * 1.0
    z = y.t()
    z[0].mul_(w[:, 0])
    z[1:3].exp_()
    return (y * y).sum() + z[0].sum()


def loop_of_writes(x, w):
    h = x[:, 0] * 1.0
    out = x * 0.0
    for t in range(4):
        h = (h * w[:, t]).tanh()
        out[:, t] = h
    return (out * out * x).sum()


def diagonal_written(x, w):
    y = x[:, :3] * 1.0
    y.diagonal().mul_(w[0, :3])
    return (y * y).sum()


def leaf_buffer(x, w):
    y = x.detach() * 0.0
    v = y[1]
    v.add_(w[1])
    y.add_(x)
    return (v * y).sum()


PROGRAMS = [
    view_written, base_written_after_view, view_of_a_view, reshape_written, two_views, indexed, filled, unpacked,
    transposed_base, loop_of_writes, diagonal_written, leaf_buffer,
]  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_gradients_of_in_place_programs_are_pytorch_s(program):
    both(program)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_gradients_of_in_place_programs_are_right(program):
    """Against central differences along a direction, and the second derivative against those of the first."""
    rng = np.random.default_rng(1)
    da, db, ea, eb = (rng.standard_normal(A.shape) for _ in range(4))

    def at(shift):
        x, w = leaf(A + shift * da), leaf(A[::-1, ::-1] + shift * db)
        value = program(x, w)
        gx, gw = pydl.autograd.grad(value, (x, w), create_graph=True, allow_unused=True, materialize_grads=True)
        slope = (gx * pydl.tensor(ea)).sum() + (gw * pydl.tensor(eb)).sum()
        second = pydl.autograd.grad(slope, (x, w), allow_unused=True, materialize_grads=True)
        return (
            value.item(),
            slope.item(),
            sum((g.data * d).sum() for g, d in zip((gx.detach(), gw.detach()), (da, db), strict=True)),
            sum((g.data * d).sum() for g, d in zip(second, (da, db), strict=True)),
        )

    above, below, here = at(1e-6), at(-1e-6), at(0.0)
    assert here[2] == pytest.approx((above[0] - below[0]) / 2e-6, rel=1e-6, abs=1e-7)
    assert here[3] == pytest.approx((above[1] - below[1]) / 2e-6, rel=1e-6, abs=1e-6)


def test_a_view_of_a_strided_array_knows_its_places():
    for base in (A.T, A[::-1], A[:, ::2], np.broadcast_to(A[:1], (3, 4)).copy(order="F")):
        y = pydl.from_numpy(np.array(base, order="K", copy=True) if base.flags.forc else base.copy())
        x = pydl.from_numpy(base.copy()) if not base.flags.writeable else pydl.from_numpy(base)
        x = x.detach()
        w = pydl.tensor(2.0, dtype=pydl.float64, requires_grad=True)
        before = x.data.copy()
        x[1].mul_(w)
        (x * y).sum().backward()
        assert w.grad.item() == pytest.approx((before[1] * y.data[1]).sum())
        x.data[...] = before


def test_a_reduction_of_one_element_is_no_view():
    x = pydl.ones(1, requires_grad=True) * 1.0
    for result in (x.sum(), x.mean(), x.prod(), x.amax(0), x.logsumexp(0)):
        before = result.item()
        with pydl.no_grad():
            x.mul_(2.0)
        assert result.item() == before


def test_a_view_without_axes_is_renewed():
    x = pydl.ones(2, requires_grad=True) * 1.0
    element = x[1]
    x.mul_(3.0)
    element.backward()
    assert element.item() == 3.0
