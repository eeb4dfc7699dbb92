"""Discussion 1 of Berkeley CS182's worksheets: probability, estimators, losses, derivatives of sigmoid and softmax."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pydl
from pydl import stats
from pydl.nn import functional as F

ROUNDING = 1e-13  # a few float64 roundings, relative

HEADACHE = [False, True, False, True, True, False]
FLU = [False, False, False, True, True, True]


def test_flu_and_headache_by_bayes_theorem():
    """Problem 2: six patients, headache and flu. P(F|H) = P(H|F)·P(F) / P(H), and the same by counting."""
    headache, flu = pydl.tensor(HEADACHE), pydl.tensor(FLU)
    p_flu, p_headache = stats.probability(flu), stats.probability(headache)
    likelihood = stats.probability(headache, given=flu)
    assert (p_flu, p_headache) == (1 / 2, 1 / 2)
    assert likelihood == 2 / 3
    assert likelihood * p_flu / p_headache == stats.probability(flu, given=headache) == 2 / 3


def test_probability_refuses_an_event_that_never_happens():
    """P(A|B) is undefined where B was never observed."""
    with pytest.raises(ValueError, match="no observation"):
        stats.probability(pydl.tensor(FLU), given=pydl.tensor([False] * 6))
    with pytest.raises(ValueError, match=r"given must be a bool tensor of shape \(n,\), got bool \(2,\)"):
        stats.probability(pydl.tensor(FLU), given=pydl.tensor([False, True]))


def test_iid_joint_is_the_product():
    """Equation 2: for independent observations log P(x₁, …, xₙ) = Σᵢ log P(xᵢ)."""
    p = pydl.tensor([0.5, 0.25, 0.125], dtype=pydl.float64)
    joint = p[0] * p[1] * p[2]
    assert joint.item() == 1 / 64
    assert_allclose(pydl.log(p).sum().item(), math.log(joint.item()), rtol=ROUNDING)


def test_sample_mean_divides_by_the_number_of_terms():
    """Definition 6: X̄ = 1/n Σᵢ₌₁ⁿ Xᵢ. Erratum: printed 1/N with a second symbol; where N is not n it is no mean."""
    x = pydl.tensor([1.0, 2.0, 4.0, 5.0])
    assert x.mean().item() == 3.0

    def printed(N):
        return x.sum().item() / N

    assert printed(N=4) == x.mean().item()
    assert printed(N=2) != x.mean().item()


def test_sample_mean_is_unbiased():
    """Definition 7: E[X̄] = μ and Var(X̄) = σ²/n, over 20,000 samples of size 5; bounds of 5 standard errors."""
    draws, n, mu, sigma = 20_000, 5, 1.5, 2.0
    x = pydl.tensor(np.random.default_rng(0).normal(mu, sigma, (draws, n)))
    means = x.mean(1)
    variance = sigma**2 / n
    assert abs(means.mean().item() - mu) < 5 * math.sqrt(variance / draws)
    measured = (means - mu).square().mean().item()
    assert abs(measured - variance) < 5 * variance * math.sqrt(2 / draws)  # Var(z²) = 2 for a standard normal z


def test_zero_one_loss_counts_errors():
    """Section 4.1: Σᵢ [f(xᵢ) ≠ yᵢ], a sum and not a mean; the mean is the error rate."""
    prediction, target = pydl.tensor([0, 2, 1, 1, 3]), pydl.tensor([0, 1, 1, 0, 3])
    assert stats.zero_one_loss(prediction, target).item() == 2
    assert stats.zero_one_loss(prediction, target, reduction="mean").item() == 2 / 5
    assert stats.zero_one_loss(prediction, target, reduction="none").tolist() == [0, 1, 0, 1, 0]
    with pytest.raises(ValueError, match="differ in shape"):
        stats.zero_one_loss(prediction, target[:2])


def test_derivative_of_sigmoid():
    """Problem 3: σ'(x) = σ(x)(1 - σ(x)). Its maximum is 1/4, at 0 (discussion 4, problem 7 only says less than 1)."""
    x = pydl.tensor(np.arange(-400, 401) / 10, requires_grad=True)
    y = pydl.sigmoid(x)
    (slope,) = pydl.autograd.grad(y.sum(), x)
    s = 1 / (1 + np.exp(-x.data))
    assert_allclose(y.data, s, rtol=ROUNDING)
    assert_allclose(slope.data, s * (1 - s), rtol=ROUNDING, atol=np.finfo(float).eps)  # 1 - σ is rounded near σ = 1
    assert slope.data.argmax() == 400
    assert x.data[400] == 0.0
    assert slope.data.max() == 0.25


def softmax_jacobian(z):
    """J[i, k] = ∂pᵢ/∂zₖ by pydl, one backward pass a row."""
    z = pydl.tensor(z, dtype=pydl.float64, requires_grad=True)
    p = F.softmax(z, dim=0)
    rows = [pydl.autograd.grad(p[i], z, retain_graph=True)[0].data for i in range(z.numel())]
    return p.data, np.stack(rows)


def test_derivative_of_softmax():
    """Problem 4: ∂pᵢ/∂fₖ = pᵢ(δᵢₖ - pₖ); at f = (1, 2, 3) the first row starts with 0.08193, -0.02203."""
    p, J = softmax_jacobian([1.0, 2.0, 3.0])
    assert_allclose(p, [0.09003, 0.24473, 0.66524], atol=0.5e-5)
    assert_allclose(J[0, :2], [0.08193, -0.02203], atol=0.5e-5)
    assert_allclose(J, p[:, None] * (np.eye(3) - p), rtol=1e-12)
    assert_allclose(J.sum(1), 0, atol=1e-15)  # the p sum to 1 whatever z is
    assert_allclose(J, J.T, atol=1e-16)


def test_erratum_index_of_the_softmax_derivative():
    """Problem 4 prints ∂pᵢ/∂fₖ with pⱼ, j being the summation index; only j = k is a derivative of probabilities."""
    p, J = softmax_jacobian([1.0, 2.0, 3.0])

    def printed(j):
        return np.array([[p[i] * (1 - p[j]) if i == k else -p[i] * p[j] for k in range(3)] for i in range(3)])

    for j in range(3):
        assert np.abs(printed(j).sum(1)).max() > 0.01, "a fixed j does not keep Σp = 1"
        assert np.abs(printed(j) - J).max() > 0.01
        assert_allclose(printed(j)[:, j], J[:, j], rtol=1e-12)  # right in the column k = j


def test_squared_error_is_the_mean_square():
    """Section 4.1: R(θ) = E[(y - f(x))²], no factor 1/2; empirical risk is 1/n Σ L(xᵢ, yᵢ, θ)."""
    prediction = pydl.tensor([1.0, 2.0, 4.0], dtype=pydl.float64)
    target = pydl.tensor([1.0, 0.0, 1.0], dtype=pydl.float64)
    assert_allclose(F.mse_loss(prediction, target).item(), 13 / 3, rtol=ROUNDING)
