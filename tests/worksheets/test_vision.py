"""Discussion 5 of Berkeley CS182's worksheets: vision. Here the transposed convolution."""

import numpy as np
from numpy.testing import assert_allclose

import pydl
from pydl.nn import functional as F


def test_transposed_convolution_two_by_two():
    """Problem 2: input and kernel both ((0, 1), (2, 3)), stride 1, no padding: each entry stamps the scaled kernel."""
    a = pydl.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    assert F.conv_transpose2d(a, a).tolist() == [[[[0, 0, 1], [0, 4, 6], [4, 12, 9]]]]


def test_transposed_convolution_swaps_forward_and_backward():
    """Section 3: it is the backward pass of the convolution of the same weight, stride and padding, and vice versa."""
    rng = np.random.default_rng(0)
    x = pydl.tensor(rng.standard_normal((2, 3, 7, 7)), requires_grad=True)
    w = pydl.tensor(rng.standard_normal((4, 3, 3, 3)))
    y = F.conv2d(x, w, stride=2, padding=1)
    d = pydl.tensor(rng.standard_normal(y.shape), requires_grad=True)
    up = F.conv_transpose2d(d, w, stride=2, padding=1)
    (gx,) = pydl.autograd.grad(y, x, d.detach())
    assert_allclose(up.data, gx.data, rtol=1e-11, atol=1e-13)
    (gd,) = pydl.autograd.grad(up, d, x.detach())
    assert_allclose(gd.data, y.data, rtol=1e-11, atol=1e-13)
