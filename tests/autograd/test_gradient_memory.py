"""`.grad` is the leaf's own memory: no op's derivative, and no way to it, hands out an array that something else uses."""

import numpy as np
import pytest
from test_ops import ROOMS, load

import pydl
from pydl import autograd


def leaf(*values):
    return pydl.tensor(values, dtype=pydl.float64, requires_grad=True)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("room", ROOMS)
def test_no_op_shares_its_gradients(room, create_graph):
    for case in load(room):
        if not case.orders:
            continue
        tensors, results = case.run(case.arrays(np.dtype(np.float64)), requires_grad=True)
        tensors = [t for t in tensors if t is not None]
        results = [r for r in results if r.requires_grad]
        seeds = [pydl.ones(*r.shape, dtype=r.dtype) for r in results]
        autograd.backward(results, seeds, create_graph=create_graph)
        arrays = [t.data for t in (*tensors, *results, *seeds)]
        for t in tensors:
            if t.grad is None:
                continue
            g, t.grad = t.grad.data, None  # with create_graph the gradient refers to its leaf
            assert g.flags.c_contiguous and g.flags.writeable, str(case)
            assert not any(np.shares_memory(g, a) for a in arrays), str(case)
            arrays.append(g)


def test_leaves_of_one_sum_get_gradients_of_their_own():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward(create_graph=True)
    with pydl.no_grad():
        x.grad.mul_(100.0)
    assert (x.grad.tolist(), y.grad.tolist()) == ([100, 100], [1, 1])
    x.grad = y.grad = None


class Careless(autograd.Function):
    """Its backward hands out the gradient that it got, under another name, and a tensor that it saved."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x)
        return x + y

    @staticmethod
    def backward(ctx, g):
        return g.detach(), ctx.saved_tensors[0]


def test_a_function_may_return_what_it_got_or_saved():
    x, y, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), pydl.ones(2, dtype=pydl.float64)
    Careless.apply(x, y).backward(seed)
    x.grad.zero_()
    y.grad.zero_()
    assert (seed.tolist(), x.tolist()) == ([1, 1], [1, 2])


def test_a_module_s_hook_may_return_what_someone_holds():
    held, x = pydl.ones(2, dtype=pydl.float64), leaf(1.0, 2.0)
    module = pydl.nn.Identity()
    module.register_full_backward_hook(lambda module, into, out_of: (held,))
    module(x).sum().backward()
    x.grad.zero_()
    assert held.tolist() == [1, 1]


def test_a_retained_gradient_is_not_stored_when_the_pass_fails():
    x = leaf(1.0)
    a = x.exp()
    b = a * 1.0
    b.retain_grad()
    a.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified"):
        b.sum().backward()
    assert b.grad is None and x.grad is None
