"""Bad input to pooling, and windows at the edges of what is allowed."""

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F


def tensor(*shape, dtype=np.float32):
    return pydl.Tensor(np.zeros(shape, dtype))


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_windows_that_do_not_fit(pool):
    with pytest.raises(RuntimeError, match=r"input \(1, 1, 4, 4\) is too small for kernel_size 7"):
        pool(tensor(1, 1, 4, 4), 7)
    with pytest.raises(RuntimeError, match="padding must be between 0 and half of the window's extent, got padding 2"):
        pool(tensor(1, 1, 4, 4), 2, padding=2)
    with pytest.raises(RuntimeError, match="padding must be between"):
        pool(tensor(1, 1, 4, 4), 2, padding=-1)
    for kernel, stride in [(0, 1), (2, 0), (-1, 1)]:
        with pytest.raises(RuntimeError, match="must be positive"):
            pool(tensor(1, 1, 4, 4), kernel, stride)
    with pytest.raises(TypeError, match=r"kernel_size must be an int or 2 of them, got \(2, 2, 2\)"):
        pool(tensor(1, 1, 4, 4), (2, 2, 2))
    with pytest.raises(TypeError, match="kernel_size must be an int"):
        pool(tensor(1, 1, 4, 4), 2.5)


@pytest.mark.parametrize(
    "pool", [lambda x: F.max_pool2d(x, 2), lambda x: F.avg_pool2d(x, 2), lambda x: F.adaptive_avg_pool2d(x, 1)]
)
def test_inputs(pool):
    for shape in [(4, 4), (1, 1, 1, 4, 4), (1, 0, 4, 4), (1, 1, 4, 0)]:
        with pytest.raises(RuntimeError, match=r"expected an input \(C, H, W\) or \(N, C, H, W\), only N may be 0"):
            pool(tensor(*shape))
    with pytest.raises(RuntimeError, match="expected a floating tensor, got int64"):
        pool(tensor(1, 1, 4, 4, dtype=np.int64))


def test_divisor_and_output_size():
    with pytest.raises(RuntimeError, match="divisor_override must not be 0"):
        F.avg_pool2d(tensor(1, 1, 4, 4), 2, divisor_override=0)
    with pytest.raises(RuntimeError, match="output_size must not be negative, got -1"):
        F.adaptive_avg_pool2d(tensor(1, 1, 4, 4), -1)
    assert F.adaptive_avg_pool2d(tensor(1, 1, 4, 4), 0).shape == (1, 1, 0, 0)


def test_a_window_that_falls_between_the_elements_is_empty():
    """Two dilated taps round one element: both are padding. The maximum is -inf, and nothing gets its gradient."""
    x = tensor(1, 1, 1, 1).requires_grad_()
    y = F.max_pool2d(x, 2, padding=5, dilation=10)
    assert (y.data == -np.inf).all()
    y.sum().backward()
    assert (x.grad.data == 0).all()


def test_the_first_of_equals_gets_the_gradient():
    x = tensor(1, 4, 4).requires_grad_()
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.data[0].tolist() == [[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4]
