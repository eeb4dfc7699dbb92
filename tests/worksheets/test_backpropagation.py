"""Discussion 3 of Berkeley CS182's worksheets: backpropagation by hand, and the convolution operator."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pydl
from pydl import nn
from pydl.nn import functional as F

EXACT = 1e-12  # relative, for closed forms in float64


def f64(a, requires_grad=False):
    return pydl.tensor(np.asarray(a, np.float64), requires_grad=requires_grad)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


# ---- backpropagation


def test_gradient_of_a_log_probability():
    """Section 1: ∇ log pᵢ(z) = eᵢ - p(z), for every i."""
    z = f64(normal(1, 5), requires_grad=True)
    log_p = F.log_softmax(z, dim=0)
    p = softmax(z.data)
    for i in range(5):
        (g,) = pydl.autograd.grad(log_p[i], z, retain_graph=True)
        assert_allclose(g.numpy(), np.eye(5)[i] - p, rtol=EXACT, atol=1e-15)


def test_gradients_of_multiclass_logistic_regression():
    """Problems 1 and 2: L = -log p_y(Wx + b). ∇b = p - e_y, ∇W = (p - e_y)xᵀ, ∇x = Wᵀ(p - e_y)."""
    W, b, x = (f64(normal(s, *shape), requires_grad=True) for s, shape in ((2, (4, 3)), (3, (4,)), (4, (3,))))
    y = 2
    loss = F.cross_entropy(F.linear(x, W, b), pydl.tensor(y))
    gW, gb, gx = pydl.autograd.grad(loss, (W, b, x))
    p = softmax(W.data @ x.data + b.data)
    delta = p - np.eye(4)[y]
    assert_allclose(loss.item(), -np.log(p[y]), rtol=EXACT)
    assert_allclose(gb.numpy(), delta, rtol=EXACT)
    assert_allclose(gW.numpy(), np.outer(delta, x.data), rtol=EXACT)
    assert_allclose(gx.numpy(), W.data.T @ delta, rtol=EXACT)


def test_gradient_through_a_skip_connection():
    """Problem 3: y = W₂·relu(W₁x) + x has ∂L/∂x = W₁ᵀR(W₁x)W₂ᵀδ + δ, R the 0/1 diagonal of W₁x > 0.

    Erratum: the solution's first sentence has lost its beginning; x reaches y on two paths, whose gradients add up.
    """
    W1, W2, x = f64(normal(5, 6, 4)), f64(normal(6, 4, 6)), f64(normal(7, 4), requires_grad=True)
    delta = normal(8, 4)
    y = W2 @ F.relu(W1 @ x) + x
    (gx,) = pydl.autograd.grad(y, x, f64(delta))
    R = np.diag((W1.numpy() @ x.data > 0).astype(float))
    assert 0 < np.trace(R) < 6
    assert_allclose(gx.numpy(), W1.numpy().T @ R @ W2.numpy().T @ delta + delta, rtol=EXACT)


def test_relu_passes_no_gradient_at_zero():
    """Problem 3: R has a one only where z > 0, so the derivative of relu at 0 is 0."""
    z = f64([-1.0, -0.0, 0.0, 1e-300, 2.0], requires_grad=True)
    (g,) = pydl.autograd.grad(F.relu(z).sum(), z)
    assert g.tolist() == [0, 0, 0, 1, 1]


# ---- convolution


def conv1d(x, w, **options):
    """F.conv1d of vectors."""
    return F.conv1d(x.reshape(1, 1, -1), w.reshape(1, 1, -1), **options).reshape(-1)


def test_convolution_is_cross_correlation():
    """Section 2.1: yⱼ = Σᵢ wᵢ·x[j+i], n - k + 1 outputs; the convolution of mathematics has the filter reversed."""
    x, w = f64(normal(9, 7)), f64(normal(10, 3))
    y = conv1d(x, w).numpy()
    assert_allclose(y, [w.numpy() @ x.numpy()[j : j + 3] for j in range(5)], rtol=EXACT)
    assert_allclose(y, np.convolve(x.numpy(), w.numpy()[::-1], mode="valid"), rtol=EXACT)
    assert np.abs(y - np.convolve(x.numpy(), w.numpy(), mode="valid")).max() > 0.1


def test_convolution_with_stride():
    """Section 2.1, step 2: with stride s the filter moves by s, output j being the dot product at x[js : js + k]."""
    x, w = f64(normal(11, 9)), f64(normal(12, 3))
    for s in (1, 2, 3, 4):
        expected = [w.numpy() @ x.numpy()[j : j + 3] for j in range(0, 7, s)]
        assert_allclose(conv1d(x, w, stride=s).numpy(), expected, rtol=EXACT)


def test_erratum_slice_of_the_first_window():
    """Section 2.1 multiplies w ∈ R^k with x[0 : k-1] "in Python style": that has k - 1 entries, x[0 : k] has k."""
    x, w, k = f64([1.0, 2.0, 3.0, 4.0]), f64([1.0, 10.0, 100.0]), 3
    with pytest.raises(ValueError):
        w.numpy() @ x.numpy()[0 : k - 1]
    printed = w.numpy()[: k - 1] @ x.numpy()[0 : k - 1]  # what is left of it: the last product is lost
    right = w.numpy() @ x.numpy()[0:k]
    assert (printed, right) == (21, 321)
    assert conv1d(x, w)[0].item() == right


def test_convolution_sizes():
    """Problem 4: a 32x32 image of 3 channels under 5x5x3 filters, padding 0 and 2; parameters; 1x1 filters."""
    image = pydl.tensor(normal(13, 1, 3, 32, 32).astype(np.float32))
    assert nn.Conv2d(3, 1, 5)(image).shape == (1, 1, 28, 28)
    assert nn.Conv2d(3, 1, 5, padding=2)(image).shape == (1, 1, 32, 32)
    layer = nn.Conv2d(3, 10, 5, padding=2)
    assert layer(image).shape == (1, 10, 32, 32)
    assert layer.weight.numel() == 750
    assert sum(p.numel() for p in layer.parameters()) == 760
    assert sum(p.numel() for p in nn.Conv2d(3, 10, 5, bias=False).parameters()) == 750
    assert nn.Conv2d(3, 7, 1)(image).shape == (1, 7, 32, 32)


def test_one_by_one_convolution_is_a_linear_map_of_the_channels():
    """Problem 4.4: a 1x1 convolution applies one matrix to the channels of each pixel."""
    x, w = f64(normal(14, 2, 3, 4, 5)), f64(normal(15, 6, 3, 1, 1))
    expected = np.einsum("oc,nchw->nohw", w.numpy()[:, :, 0, 0], x.numpy())
    assert_allclose(F.conv2d(x, w).numpy(), expected, rtol=1e-11)


def band(w):
    """The 4 x 6 matrix of problem 5."""
    return np.array([[*[0] * i, *w, *[0] * (3 - i)] for i in range(4)])


def test_convolution_as_a_matrix():
    """Problem 5: x ∈ R⁴ padded by 1 on each end, w ∈ R³: a 4 x 6 matrix with w on its diagonals, column by column."""
    w, x = f64([2.0, 3.0, 5.0]), f64(normal(16, 4))
    padded = np.pad(x.numpy(), 1)
    columns = [conv1d(f64(e), w).tolist() for e in np.eye(6)]
    matrix = np.array(columns).T
    assert matrix.tolist() == band([2, 3, 5]).tolist()
    assert_allclose(conv1d(x, w, padding=1).numpy(), matrix @ padded, rtol=EXACT)


def test_convolution_through_im2col():
    """Section 2.2: unfolding the windows into columns makes a convolution one matrix product."""
    x, w = f64(normal(17, 2, 3, 6, 7)), f64(normal(18, 4, 3, 3, 2))
    columns = F.unfold(x, (3, 2), padding=1, stride=2)  # (N, C·kh·kw, windows)
    product = (w.reshape(4, -1) @ columns).reshape(2, 4, 3, 4)
    assert_allclose(F.conv2d(x, w, padding=1, stride=2).numpy(), product.numpy(), rtol=1e-11)


def test_backward_pass_of_a_convolution():
    """Problem 6: x ∈ R⁴, w ∈ R³, δ = ∂L/∂y ∈ R². The printed sums, and the same as convolutions.

    dx = (w₁δ₁, w₂δ₁+w₁δ₂, w₃δ₁+w₂δ₂, w₃δ₂) is δ padded by 2 under w reversed; dwᵢ = δ₁xᵢ + δ₂xᵢ₊₁ is x under δ.
    Erratum: the problem asks for gradients by "x and y", the solution gives those by x and w, as does pydl.
    """
    x, w = f64(normal(19, 4), requires_grad=True), f64(normal(20, 3), requires_grad=True)
    delta = f64(normal(21, 2))
    gx, gw = pydl.autograd.grad(conv1d(x, w), (x, w), delta)
    (w1, w2, w3), (d1, d2), v = w.data, delta.data, x.data
    assert_allclose(gx.numpy(), [w1 * d1, w2 * d1 + w1 * d2, w3 * d1 + w2 * d2, w3 * d2], rtol=EXACT)
    assert_allclose(gw.numpy(), [d1 * v[i] + d2 * v[i + 1] for i in range(3)], rtol=EXACT)
    assert_allclose(gx.numpy(), conv1d(delta, f64(w.data[::-1].copy()), padding=2).numpy(), rtol=EXACT)
    assert_allclose(gw.numpy(), conv1d(x.detach(), delta).numpy(), rtol=EXACT)
    unreversed = conv1d(delta, w.detach(), padding=2).numpy()
    assert np.abs(gx.numpy() - unreversed).max() > 0.1
