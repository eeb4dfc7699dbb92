"""The backward pass: what is computed, where it goes, what is freed."""

import gc
import math
import weakref

import numpy as np
import pytest

import pydl
from pydl import autograd


def leaf(*values):
    return pydl.tensor(values, dtype=pydl.float64, requires_grad=True)


def test_backward_adds_to_the_leaves():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x * y).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([3, 4], [1, 2])
    (x * 2.0).backward(pydl.tensor([1.0, 10.0], dtype=pydl.float64))
    assert x.grad.tolist() == [5, 24]
    autograd.backward([x.sum(), (y * y).sum()])
    assert (x.grad.tolist(), y.grad.tolist()) == ([6, 25], [7, 10])


def test_a_tensor_used_many_times():
    x = leaf(3.0)
    y = x * x
    (y * y + y + x).sum().backward()
    assert x.grad.tolist() == [4 * 27 + 6 + 1]


def test_inputs_limits_where_backward_goes():
    x, w = leaf(2.0), leaf(5.0)
    h = x * w
    (h * h).sum().backward(inputs=[x])
    assert x.grad.tolist() == [100] and w.grad is None
    h = x * w
    h.retain_grad()
    (h * h).sum().backward(inputs=[h, w])
    assert h.grad.tolist() == [20] and w.grad.tolist() == [40] and x.grad.tolist() == [100]


def test_outputs_that_need_a_gradient_or_have_none():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"only for scalar outputs, got shape \(2,\)"):
        (x * 2.0).backward()
    with pytest.raises(RuntimeError, match=r"gradient 0 has shape \(3,\), its output has shape \(2,\)"):
        (x * 2.0).backward(pydl.ones(3, dtype=pydl.float64))
    with pytest.raises(RuntimeError, match="does not require grad"):
        pydl.ones(1).backward()
    with pytest.raises(RuntimeError, match="got 1 tensors and 2 gradients"):
        autograd.backward(x, [None, None])
    with pytest.raises(TypeError, match="must be a Tensor or None, got float"):
        (x * 2.0).backward(1.0)
    x.sum().backward()  # a leaf itself
    assert x.grad.tolist() == [1, 1]


def test_grad_returns_and_changes_no_grad_attribute():
    x, y, z = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0)
    out = (x * y).sum()
    gx, gy = autograd.grad(out, (x, y), retain_graph=True)
    assert (gx.tolist(), gy.tolist(), x.grad, y.grad) == ([3, 4], [1, 2], None, None)
    with pytest.raises(RuntimeError, match=r"input 1 .* was not used"):
        autograd.grad(out, (x, z), retain_graph=True)
    assert autograd.grad(out, (x, z), retain_graph=True, allow_unused=True)[1] is None
    assert autograd.grad(out, z, materialize_grads=True)[0].tolist() == [0]
    with pytest.raises(RuntimeError, match=r"input 0 .* does not require grad"):
        autograd.grad((x * y).sum(), pydl.ones(2))


def test_grad_of_intermediates_and_of_the_output_itself():
    x = leaf(2.0)
    y = x * x
    z = y * y * x
    gy, gx, gz = autograd.grad(z, (y, x, z))
    assert (gy.item(), gx.item(), gz.item()) == (2 * 4 * 2, 5 * 16, 1)
    (g,) = autograd.grad(x, x)
    assert g.item() == 1


def test_several_outputs_and_their_gradients():
    x = leaf(1.0, 2.0)
    values, indices = x.max(0)
    a, b = x.split(1)
    (g,) = autograd.grad([values, a * 3.0, b * 5.0], x, [None, pydl.ones(1, dtype=x.dtype), None])
    assert g.tolist() == [3, 6]
    assert not indices.requires_grad


def test_a_second_pass_needs_retain_graph():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    (x * 2.0 + 1.0).sum().backward()
    z = x + 1.0  # nothing was saved, nothing is missing
    z.backward()
    z.backward()


def test_create_graph_gives_every_order():
    x = leaf(0.7)
    y = (x.sin() * x.exp()).sum()
    for order in range(1, 6):
        (y,) = autograd.grad(y, x, create_graph=True)
        # the n-th derivative of e^x sin x is 2^(n/2) e^x sin(x + n pi/4)
        expected = 2 ** (order / 2) * math.exp(0.7) * math.sin(0.7 + order * math.pi / 4)
        assert y.item() == pytest.approx(expected, rel=1e-12)
    assert not autograd.grad((x * x).sum(), x)[0].requires_grad


def test_gradient_penalty_reaches_the_parameters():
    x, w = leaf(1.0, 2.0), leaf(3.0, -1.0)
    (g,) = autograd.grad((w * x * x).sum(), x, create_graph=True)
    ((g.square().sum().sqrt() - 1.0) ** 2).backward()
    norm = math.hypot(6, 4)
    np.testing.assert_allclose(w.grad.data, 2 * (norm - 1) / norm * np.array([6 * 2, -4 * 4]))


def test_third_order_through_a_fused_op():
    x = pydl.tensor(np.random.default_rng(0).standard_normal((2, 5)), requires_grad=True)
    y = x
    seeds = [np.random.default_rng(i).standard_normal((2, 5)) for i in range(3)]
    y = (pydl.nn.functional.layer_norm(x, 5) * pydl.tensor(seeds[0])).sum()
    for seed in seeds[1:]:
        (g,) = autograd.grad(y, x, create_graph=True)
        y = (g * pydl.tensor(seed)).sum()
    (third,) = autograd.grad(y, x)

    def second(shift):
        z = pydl.tensor(x.data + shift * seeds[0], requires_grad=True)
        y = (pydl.nn.functional.layer_norm(z, 5) * pydl.tensor(seeds[0])).sum()
        for seed in seeds[1:]:
            (g,) = autograd.grad(y, z, create_graph=True)
            y = (g * pydl.tensor(seed)).sum()
        return y.item()

    numeric = (second(1e-5) - second(-1e-5)) / 2e-5
    assert (third.data * seeds[0]).sum() == pytest.approx(numeric, rel=1e-6)


# ---- whose memory a gradient is


def test_gradients_share_no_memory():
    x, y, z = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    s = x + y
    t = (s + z).reshape(2, 1)
    seed = pydl.ones(2, 1, dtype=pydl.float64)
    t.backward(seed)
    grads = [x.grad.data, y.grad.data, z.grad.data, seed.data]
    for i, a in enumerate(grads):
        for b in grads[i + 1 :]:
            assert not np.shares_memory(a, b)
    with pydl.no_grad():
        x.grad.mul_(100.0)  # as clipping does
    assert y.grad.tolist() == [1, 1] and seed.tolist() == [[1], [1]]
    assert all(g.flags.c_contiguous and g.flags.writeable for g in grads)


@pytest.mark.parametrize("create_graph", [False, True])
def test_accumulation_leaves_old_results_alone(create_graph):
    x = leaf(1.0, 2.0)
    (x * x).sum().backward(create_graph=create_graph)
    first = x.grad
    kept = first.data.copy()
    (x * x).sum().backward(create_graph=create_graph)
    assert x.grad.tolist() == [4, 8]
    if create_graph:
        np.testing.assert_array_equal(first.data, kept)
        x.grad = None  # a gradient with a graph refers to its leaf


def test_views_of_gradients_are_not_stored():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    x.reshape(2, 2).t().sum(0).backward(pydl.tensor([1.0, 2.0], dtype=x.dtype))
    assert x.grad.data.flags.owndata or (x.grad.data.base is not None and x.grad.data.flags.c_contiguous)
    x.grad.zero_()
    y = leaf(1.0, 2.0)
    w = leaf(1.0)
    (y.expand(3, 2) * w).sum().backward()
    y.grad.zero_()
    assert w.grad.item() == 9


def test_retained_gradient_is_its_own():
    x = leaf(1.0)
    y = x * 2.0
    y.retain_grad()
    z = y + 0.0
    z.retain_grad()
    z.sum().backward()
    y.grad.zero_()
    assert (x.grad.item(), z.grad.item()) == (2, 1)


# ---- what is freed, and when


def test_a_graph_is_freed_with_its_last_tensor():
    gc.collect()
    gc.disable()
    try:
        x = pydl.ones(1000, requires_grad=True)
        h = x.exp()
        y = (pydl.nn.functional.layer_norm(h.tanh().reshape(10, 100), 100) * h.reshape(10, 100)).sum()
        nodes, values = weakref.ref(y.grad_fn), weakref.ref(h)
        big = weakref.ref(h.data)
        del h, y
        assert nodes() is None and values() is None and big() is None
        h = x.exp()
        y = h.square().sum()
        big = weakref.ref(h.data)
        del h
        assert big() is not None
        y.backward()
        assert big() is None  # backward drops what was saved although y lives
        (g,) = autograd.grad((x * x * x).sum(), x, create_graph=True)
        node = weakref.ref(g.grad_fn)
        del g
        assert node() is None
        a = x * 1.0
        v = a[10:20]
        v.mul_(2.0)
        a.add_(1.0)
        node, view = weakref.ref(v.grad_fn), weakref.ref(v)
        del a, v
        assert node() is None and view() is None
    finally:
        gc.enable()


def test_fifty_thousand_operations_deep():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y * 1.0
    y.backward()
    assert x.grad.item() == 1
    y = x
    for _ in range(50_000):
        y = y.neg()
    del y  # without having been differentiated


def test_nothing_is_added_when_the_pass_fails():
    x = leaf(1.0)
    a = x * x
    b = (x * 2.0).exp()
    b.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified"):
        (a + b).sum().backward()
    assert x.grad is None


# ---- where a NaN comes from


def test_anomaly_mode_names_the_operation():
    x = leaf(-1.0)
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match="log: made a NaN"):
        x.log()
    x = leaf(0.0)
    with autograd.detect_anomaly():
        y = x.sqrt() * 0.0
        with pytest.raises(RuntimeError, match=r"(?s)sqrt: its backward made a NaN.*test_backward\.py"):
            y.sum().backward()
    assert math.isnan((leaf(-1.0).log()).item())


def test_deepcopy_and_repr():
    import copy

    x = leaf(1.0)
    x.sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.grad.tolist() == [1] and y.grad is not x.grad and y.data is not x.data
    with pytest.raises(RuntimeError, match="only leaf tensors"):
        copy.deepcopy(x * 2.0)
    assert repr(x) == "tensor([1.], dtype=float64, requires_grad=True)"
    assert repr(x * 2.0) == "tensor([2.], dtype=float64, grad_fn=<mul backward>)"
