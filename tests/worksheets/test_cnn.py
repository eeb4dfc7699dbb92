"""Discussion 4 of Berkeley CS182's worksheets: batch normalization, dropout, initialization, ReLU."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pydl
from pydl import nn
from pydl.nn import functional as F


def f64(a, requires_grad=False):
    return pydl.tensor(np.asarray(a, np.float64), requires_grad=requires_grad)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def batch_norm(x, gamma=None, beta=None, eps=1e-5):
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


# ---- batch normalization


def test_batch_norm_forward():
    """Section 2: per feature, (a - μ)/√(σ² + ε)·γ + β with the biased variance σ² = 1/m Σ(a - μ)² of the m rows."""
    a, gamma, beta = normal(1, 6, 3) * 5 + 2, normal(2, 3), normal(3, 3)
    eps = 0.1  # large, so that it shows where it stands
    mean, variance = a.mean(0), ((a - a.mean(0)) ** 2).sum(0) / 6
    expected = (a - mean) / np.sqrt(variance + eps) * gamma + beta
    assert_allclose(batch_norm(f64(a), f64(gamma), f64(beta), eps).numpy(), expected, rtol=1e-12, atol=1e-13)
    y = batch_norm(f64(a), eps=1e-15).numpy()
    assert_allclose(y.mean(0), 0, atol=1e-14)
    assert_allclose(y.var(0), 1, rtol=1e-12)


def test_batch_norm_layer_can_restore_the_activation():
    """Section 2: γ = √(σ² + ε) and β = μ give the input back."""
    a = normal(4, 8, 3) * 4 - 1
    layer = nn.BatchNorm1d(3).double()
    with pydl.no_grad():
        layer.weight.copy_(f64(np.sqrt(a.var(0) + layer.eps)))
        layer.bias.copy_(f64(a.mean(0)))
    assert_allclose(layer(f64(a)).data, a, rtol=1e-11, atol=1e-13)


def printed_gradient(x, gy, gamma, eps):
    """∂f/∂x of problem 3, step by step for one feature; m is the length of x."""
    m, mean, variance = len(x), x.mean(), x.var()
    rstd = (variance + eps) ** -0.5
    gxhat = gy * gamma
    gvariance = -0.5 * (gxhat * (x - mean) * (variance + eps) ** -1.5).sum()
    gmean = (gxhat * -rstd).sum()
    return gxhat * rstd + gmean / m + gvariance * 2 * (x - mean) / m


def test_batch_norm_backward():
    """Problems 2 and 3: ∂f/∂γ = Σ ∂f/∂yᵢ·x̂ᵢ, ∂f/∂β = Σ ∂f/∂yᵢ, and ∂f/∂xᵢ by way of x̂, μ and σ²; Σᵢ ∂f/∂xᵢ = 0."""
    eps = 1e-5
    x, gamma, beta = (f64(normal(s, *n), requires_grad=True) for s, n in ((5, (7, 4)), (6, (4,)), (7, (4,))))
    gy = normal(8, 7, 4)
    gx, ggamma, gbeta = pydl.autograd.grad(batch_norm(x, gamma, beta, eps), (x, gamma, beta), f64(gy))
    xhat = (x.data - x.data.mean(0)) / np.sqrt(x.data.var(0) + eps)
    assert_allclose(ggamma.numpy(), (gy * xhat).sum(0), rtol=1e-12)
    assert_allclose(gbeta.numpy(), gy.sum(0), rtol=1e-12)
    expected = np.stack([printed_gradient(x.data[:, j], gy[:, j], gamma.data[j], eps) for j in range(4)], 1)
    assert_allclose(gx.numpy(), expected, rtol=1e-10, atol=1e-13)
    assert_allclose(gx.numpy().sum(0), 0, atol=1e-14)


def test_batch_norm_backward_by_central_differences():
    """Problem 3: the same gradient by finite differences, independently of any formula."""
    x, gy, h = normal(9, 5, 2), normal(10, 5, 2), 1e-6

    def f(a):
        return (batch_norm(f64(a)) * f64(gy)).sum().item()

    t = f64(x, requires_grad=True)
    (gx,) = pydl.autograd.grad(batch_norm(t), t, f64(gy))
    for i in np.ndindex(5, 2):
        e = np.zeros_like(x)
        e[i] = h
        assert abs((f(x + e) - f(x - e)) / (2 * h) - gx.data[i]) < 1e-8  # h² and the rounding of f over h


def test_erratum_m_is_the_size_of_the_batch():
    """Problem 2 calls m the number of batches. μ = 1/m Σᵢ₌₁ᵐ aᵢ is a mean only if m counts the examples of a batch."""
    batches = normal(11, 3, 8) + 4.0  # three batches of eight examples
    y = batch_norm(f64(batches[0][:, None]), eps=1e-15).numpy()[:, 0]

    def normalized(m):
        mean = batches[0].sum() / m
        return (batches[0] - mean) / math.sqrt(((batches[0] - mean) ** 2).sum() / m)

    assert_allclose(y, normalized(m=8), rtol=1e-11)
    assert np.abs(normalized(m=3) - y).max() > 0.1


# ---- dropout


def test_dropout_keeps_the_expectation():
    """Section 4: units are kept with probability p_keep and divided by it: E[mask/p_keep] = 1; within 5 std. errors."""
    pydl.manual_seed(0)
    n = 200_000
    for keep in (0.9, 0.5, 0.2):
        y = F.dropout(pydl.ones(n, dtype=pydl.float64), p=1 - keep, training=True).numpy()
        kept = y != 0
        assert_allclose(y[kept], 1 / keep, rtol=1e-12)
        assert abs(kept.mean() - keep) < 5 * math.sqrt(keep * (1 - keep) / n)
        assert abs(y.mean() - 1) < 5 * math.sqrt((1 - keep) / keep / n)


def test_dropout_at_test_time_is_the_identity():
    """Section 4: the model is unchanged at test time."""
    layer = nn.Dropout(0.3)
    x = f64(normal(12, 50, 4))
    layer.eval()
    assert (layer(x).numpy() == x.numpy()).all()
    layer.train()
    assert (layer(x).numpy() == 0).any()


def test_dropout_gradient_is_the_mask():
    """Section 4: H *= mask/p_keep, so the gradient passes where the unit was kept, times 1/p_keep."""
    pydl.manual_seed(1)
    x = f64(np.abs(normal(13, 1000)) + 1, requires_grad=True)
    y = F.dropout(x, p=0.25)
    (g,) = pydl.autograd.grad(y.sum(), x)
    assert_allclose(g.numpy(), np.where(y.data != 0, 1 / 0.75, 0.0), rtol=1e-12)
    assert_allclose(y.data, x.data * g.numpy(), rtol=1e-12)


def test_erratum_p_is_the_probability_of_keeping():
    """Section 4 writes p for the probability of keeping a unit ("divide by p"); p of F.dropout is that of dropping it.

    The worksheet's dropout_train(X, p) is F.dropout(X, 1 - p): passing its p unchanged keeps the wrong share.
    """
    pydl.manual_seed(2)
    p, n = 0.8, 100_000
    ones = pydl.ones(n)
    error = 5 * math.sqrt(p * (1 - p) / n)

    def share_kept(drop):
        return (F.dropout(ones, drop).numpy() != 0).mean()

    printed = ((np.random.default_rng(3).random(n) < p) / p != 0).mean()
    assert abs(printed - p) < error
    assert abs(share_kept(1 - p) - p) < error
    assert abs(share_kept(p) - (1 - p)) < error < 0.01


# ---- initialization


def test_xavier_keeps_the_variance():
    """Problem 5: with Wᵢⱼ ~ N(0, 1/D_a), z = Wa has Var(zᵢ) = Var(W)·Var(a)·D_a = Var(a).

    20,000 independent pairs (row of W, a). z is a sum of 64 independent products of normals, so its fourth moment is
    3 + 6/64 for unit variance; bound of 5 standard errors.
    """
    pydl.manual_seed(3)
    draws, D = 20_000, 64
    W = nn.init.xavier_normal_(pydl.empty(draws, D, dtype=pydl.float64), mode="fan_in")
    n = draws * D
    assert abs(W.data.mean()) < 5 * math.sqrt(1 / D / n)
    assert abs((W.data**2).mean() - 1 / D) < 5 / D * math.sqrt(2 / n)
    a = f64(normal(14, draws, D))
    z = (W * a).sum(1).numpy()
    assert abs((z**2).mean() - 1) < 5 * math.sqrt((2 + 6 / D) / draws)


def test_erratum_xavier_by_fan_in_only():
    """Problem 5 calls N(0, 1/D_a) Xavier's; Glorot and Bengio's is N(0, 2/(D_in + D_out)), the same for square W only.

    xavier_normal_ is theirs, as in PyTorch; the printed one is its option mode="fan_in".
    """
    pydl.manual_seed(4)
    D_out, D_in = 100, 900

    def variance(shape, **options):
        return (nn.init.xavier_normal_(pydl.empty(*shape, dtype=pydl.float64), **options).data ** 2).mean()

    error = 5 * math.sqrt(2 / (D_out * D_in))  # relative, 5 standard errors
    glorot, printed = 2 / (D_in + D_out), 1 / D_in
    assert abs(variance((D_out, D_in)) / glorot - 1) < error
    assert abs(variance((D_out, D_in), mode="fan_in") / printed - 1) < error
    assert glorot / printed - 1 > 10 * error
    assert abs(variance((300, 300)) / variance((300, 300), mode="fan_in") - 1) < 2 * error


# ---- ReLU and its relatives

X = np.array([[1.5, 2.2, 1.3, 6.7], [4.3, -0.3, -0.2, 4.9], [-4.5, 1.4, 5.5, 1.8], [0.1, -0.5, -0.1, 2.2]])
GY = np.array([[4.5, 1.2, 2.3, 1.3], [-1.3, -6.3, 4.1, -2.9], [-0.5, 1.2, 3.5, 1.2], [-6.1, 0.5, -4.1, -3.2]])
Y = [[1.5, 2.2, 1.3, 6.7], [4.3, 0, 0, 4.9], [0, 1.4, 5.5, 1.8], [0.1, 0, 0, 2.2]]
GX = [[4.5, 1.2, 2.3, 1.3], [-1.3, 0, 0, -2.9], [0, 1.2, 3.5, 1.2], [-6.1, 0, 0, -3.2]]


@pytest.mark.parametrize("relu", [F.relu, nn.ReLU()], ids=["function", "layer"])
def test_relu_four_by_four(relu):
    """Problem 6: forward and backward pass of ReLU on the printed 4x4 matrices."""
    x = f64(X, requires_grad=True)
    y = relu(x)
    assert y.tolist() == Y
    (gx,) = pydl.autograd.grad(y, x, f64(GY))
    assert gx.tolist() == GX


def test_relatives_of_relu():
    """Section 6: for x < 0 leaky ReLU is a small multiple of x and ELU is α(eˣ - 1): a unit there can still learn."""
    x = f64(X, requires_grad=True)
    leaky, elu = F.leaky_relu(x, 0.1), F.elu(x, alpha=0.5)
    assert_allclose(leaky.data, np.where(X > 0, X, 0.1 * X), rtol=1e-12)
    assert_allclose(elu.data, np.where(X > 0, X, 0.5 * np.expm1(X)), rtol=1e-12)
    for y in (leaky, elu):
        (g,) = pydl.autograd.grad(y.sum(), x)
        assert (g.data > 0).all()


def test_dying_relu():
    """Problem 7.2: a ReLU unit that is negative on all data has zero gradient and never recovers; leaky ReLU does."""
    data = f64(np.abs(normal(15, 20, 3)))

    def loss_after(activation):
        w, b = f64([-1.0, -1.0, -1.0], requires_grad=True), f64(-1.0, requires_grad=True)
        for _ in range(200):
            loss = (activation(data @ w + b) - 1.0).square().mean()
            for t, g in zip((w, b), pydl.autograd.grad(loss, (w, b)), strict=True):
                t.data -= 0.1 * g.data
        return loss.item()

    assert loss_after(F.relu) == 1.0
    assert loss_after(lambda z: F.leaky_relu(z, 0.1)) < 0.5


def test_sigmoid_gradients_vanish_with_depth():
    """Problem 7.1: each sigmoid multiplies the gradient by at most 1/4, each active ReLU by 1."""
    x = f64(0.5, requires_grad=True)
    depth = 20

    def slope(activation):
        y = x
        for _ in range(depth):
            y = activation(y)
        return pydl.autograd.grad(y, x)[0].item()

    assert 0 < slope(pydl.sigmoid) < 0.25**depth
    assert slope(F.relu) == 1.0
