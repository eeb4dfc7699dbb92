"""gradcheck and gradgradcheck accept right derivatives and reject planted wrong ones."""

import numpy as np
import pytest

import pydl
from pydl.autograd import Function
from pydl.testing import gradcheck, gradgradcheck


def leaf(*values):
    return pydl.tensor(values, dtype=pydl.float64, requires_grad=True)


def cube(first=3.0, second=6.0):
    """x³ whose first and second derivative claim to be first · x² and second · x."""

    class Slope(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * first

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * second

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * Slope.apply(x)

    return Cube.apply


def test_right_derivatives_are_accepted():
    x, w = leaf(0.5, -1.5, 2.0), leaf(1.0, 0.3, -2.0)
    assert gradcheck(cube(), x) and gradgradcheck(cube(), x)
    assert gradcheck(lambda x, w: ((x * w).tanh(), x.sum()), (x, w))
    assert gradgradcheck(lambda x, w: (x * w).tanh(), (x, w))


def test_a_wrong_first_derivative_is_rejected():
    with pytest.raises(AssertionError, match="gradcheck: output 0, input 0: largest difference"):
        gradcheck(cube(first=3.01), leaf(0.5, -1.5, 2.0))


def test_a_wrong_second_derivative_is_rejected():
    x = leaf(0.5, -1.5, 2.0)
    wrong = cube(second=-6.0)
    assert gradcheck(wrong, x)
    with pytest.raises(AssertionError, match="largest difference"):
        gradgradcheck(wrong, x)


def test_a_missing_derivative_is_rejected():
    with pytest.raises(AssertionError, match="input 1"):
        gradcheck(lambda x, w: x * w.detach(), (leaf(1.0), leaf(2.0)))


def test_inputs_that_cannot_be_checked_are_refused():
    with pytest.raises(ValueError, match="no input requires grad"):
        gradcheck(lambda x: x, pydl.ones(2, dtype=pydl.float64))
    with pytest.raises(ValueError, match="float32; finite differences need float64"):
        gradcheck(lambda x: x, pydl.tensor(np.ones(2, np.float32), requires_grad=True))
