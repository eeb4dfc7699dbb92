"""Custom operations: pydl.autograd.Function."""

import gc
import weakref

import numpy as np
import pytest

import pydl
from pydl.autograd import Function
from pydl.function import once_differentiable
from pydl.testing import gradcheck, gradgradcheck


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3.0 * g * x * x


class Exponential(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class ScaledSum(Function):
    """Two tensors, a number in between, two outputs of which one has no derivative."""

    @staticmethod
    def forward(ctx, a, factor, b):
        ctx.factor = factor
        rounded = (a + b).round()
        ctx.mark_non_differentiable(rounded)
        return a * factor + b, rounded

    @staticmethod
    def backward(ctx, g, _):
        assert ctx.needs_input_grad == (True, False, True)
        return g * ctx.factor, None, g


def leaf(*values):
    return pydl.tensor(values, dtype=pydl.float64, requires_grad=True)


@pytest.mark.parametrize("function", [Cube, Exponential])
def test_gradients_of_first_and_second_order(function):
    x = leaf(0.5, -1.0, 2.0)
    assert gradcheck(function.apply, x)
    assert gradgradcheck(function.apply, x)


def test_arguments_that_are_no_tensors_and_outputs_without_derivative():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y, rounded = ScaledSum.apply(a, 5.0, b)
    assert not rounded.requires_grad
    y.sum().backward()
    assert a.grad.tolist() == [5.0, 5.0]
    assert b.grad.tolist() == [1.0, 1.0]


def test_nothing_is_recorded_under_no_grad():
    with pydl.no_grad():
        assert not Cube.apply(leaf(1.0)).requires_grad


def test_a_saved_output_makes_no_cycle():
    gc.disable()
    try:
        y = Exponential.apply(leaf(1.0))
        alive = weakref.ref(y.grad_fn)
        del y
        assert alive() is None
    finally:
        gc.enable()


def test_saved_tensors_are_checked_for_in_place_writes():
    x = leaf(1.0, 2.0) * 1.0
    y = Cube.apply(x)
    with pydl.no_grad():
        x.add_(1.0)
    with pytest.raises(
        RuntimeError, match=r"Cube: a tensor saved for its gradient .* was modified by an in-place operation"
    ):
        y.sum().backward()


def test_a_second_backward_needs_retain_graph():
    y = Cube.apply(leaf(1.0)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()


def test_once_differentiable_refuses_the_second_derivative():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return pydl.tensor(2.0 * g.data * ctx.saved_tensors[0].data)

    x = leaf(3.0)
    (g,) = pydl.autograd.grad(Square.apply(x), x, create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_setup_context_takes_the_saving():
    class Sine(Function):
        @staticmethod
        def forward(x):
            return x.sin()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0].cos()

    assert gradcheck(Sine.apply, leaf(0.3, 2.0))


def test_missing_gradients_are_zeros_unless_asked_otherwise():
    seen = []

    class Pair(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x + 1.0, x + 2.0

        @staticmethod
        def backward(ctx, g, h):
            seen.append(h if h is None else h.tolist())
            return g, None

    for materialize in (True, False):
        Pair.apply(leaf(1.0), materialize)[0].sum().backward()
    assert seen == [[0.0], None]


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda g: (g, g), RuntimeError, "returned 2 gradients, expected 1"),
        (lambda g: pydl.zeros(7), RuntimeError, r"gradient of shape \(7,\) for argument 0 of shape \(2,\)"),
    ],
)
def test_wrong_gradients_are_named(result, error, message):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x + 0.0

        @staticmethod
        def backward(ctx, g):
            return result(g)

    with pytest.raises(error, match=message):
        Wrong.apply(leaf(1.0, 2.0)).sum().backward()


def test_forward_must_return_tensors():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x.data

    with pytest.raises(TypeError, match="Wrong: forward returned ndarray as output 0, expected a Tensor"):
        Wrong.apply(leaf(1.0))


def test_an_input_handed_through_keeps_its_own_history():
    class Through(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10.0

    x = leaf(2.0)
    y = Through.apply(x)
    assert x.is_leaf
    assert np.shares_memory(x.data, y.data)
    (y * 3.0).sum().backward()
    assert x.grad.item() == 30.0
