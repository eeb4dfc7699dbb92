import numpy as np
import pytest

import pydl
from pydl import nn


def test_forward_hooks():
    layer, seen = nn.Linear(2, 3), []
    x = pydl.ones(1, 2)
    plain = layer(x)
    first = layer.register_forward_pre_hook(lambda m, args: seen.append(("pre", m, args)))
    second = layer.register_forward_hook(lambda m, args, y: seen.append(("post", args, y)))
    assert np.array_equal(layer(x).data, plain.data)
    assert seen[0] == ("pre", layer, (x,)) and seen[1][0] == "post"
    first.remove(), second.remove()
    layer(x)
    assert len(seen) == 2
    layer.register_forward_pre_hook(lambda m, args: (2 * args[0],))
    layer.register_forward_hook(lambda m, args, y: y - layer.bias)
    np.testing.assert_allclose(layer(x).data, 2 * (plain - layer.bias).data, rtol=1e-6, atol=1e-6)


def test_order_and_keyword_arguments():
    class Sum(nn.Module):
        def forward(self, x, *, y):
            return x + y

    layer, order = Sum(), []
    layer.register_forward_pre_hook(lambda m, a: order.append("b"))
    layer.register_forward_pre_hook(lambda m, a: order.append("a"), prepend=True)
    layer.register_forward_pre_hook(lambda m, a, k: (a, {"y": 10 * k["y"]}), with_kwargs=True)
    layer.register_forward_hook(lambda m, a, k, r: r * k["y"], with_kwargs=True)
    assert layer(1.0, y=2.0) == 420.0 and order == ["a", "b"]
    layer.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        layer(1.0, y=2.0)


def test_hook_that_is_always_called():
    class Broken(nn.Module):
        def forward(self):
            raise ValueError("broken")

    layer, seen = Broken(), []
    layer.register_forward_hook(lambda m, a, r: seen.append("no"))
    layer.register_forward_hook(lambda m, a, r: seen.append(r), always_call=True)
    with pytest.raises(ValueError, match="broken"):
        layer()
    assert seen == [None]


class Two(nn.Module):
    def forward(self, a, b, c=None):
        return a * b, a + b


def test_full_backward_hook_sees_all_gradients_at_once():
    layer, seen = Two(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = pydl.tensor([2.0], requires_grad=True), pydl.tensor([3.0])
    p, s = layer(a, b, "x")
    (p * 10 + s + a).sum().backward()
    ((gi, go),) = seen
    assert gi[0].item() == 31.0 and gi[1] is None and gi[2] is None
    assert [g.item() for g in go] == [10.0, 1.0]
    assert a.grad.item() == 32.0


def test_full_backward_hooks_change_gradients():
    layer = Two()
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 2, go[1]))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] + 100, gi[1]))
    a, b = (pydl.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    p, s = layer(a, b)
    (p + s).sum().backward()
    assert a.grad.item() == 3.0 * 2 + 1 + 100 and b.grad.item() == 2.0 * 2 + 1
    layer.register_full_backward_hook(lambda m, gi, go: gi[0])
    p, s = layer(a, b)
    with pytest.raises(RuntimeError, match="returned 1 gradients, expected 2"):
        (p + s).sum().backward()


def test_backward_hook_where_no_input_needs_a_gradient():
    layer, seen = nn.Linear(2, 1), []
    handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    layer(pydl.ones(1, 2)).sum().backward()
    assert seen[0][0] == (None,) and seen[0][1][0].item() == 1.0 and layer.weight.grad is not None
    with pydl.no_grad():
        layer(pydl.ones(1, 2))
    handle.remove()
    layer(pydl.ones(1, 2)).sum().backward()
    assert len(seen) == 1


def test_second_derivative_through_hooks():
    layer = nn.Sequential(nn.Sigmoid())
    layer.register_full_backward_hook(lambda m, gi, go: None)
    x = pydl.tensor([0.3], dtype=pydl.float64, requires_grad=True)
    (g,) = pydl.autograd.grad(layer(x).sum(), x, create_graph=True)
    (h,) = pydl.autograd.grad(g.sum(), x)
    s = 1 / (1 + np.exp(-0.3))
    np.testing.assert_allclose(h.item(), s * (1 - s) * (1 - 2 * s), rtol=1e-12)
