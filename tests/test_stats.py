"""pydl.stats beyond the worked examples: dtypes, odd shapes, and what it refuses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pydl
from pydl import stats

RNG = np.random.default_rng(0)
X = RNG.standard_normal((9, 3))
Y = RNG.standard_normal((9, 2))


def test_columns_of_y_are_independent_problems():
    theta = stats.ridge(pydl.tensor(X), pydl.tensor(Y), 0.3)
    assert theta.shape == (3, 2)
    for j in range(2):
        one = stats.ridge(pydl.tensor(X), pydl.tensor(Y[:, j].copy()), 0.3)
        assert_allclose(theta.numpy()[:, j], one.numpy(), rtol=1e-12)


def test_float32_is_solved_in_float64():
    X32, Y32 = X.astype(np.float32), Y.astype(np.float32)
    theta = stats.ols(pydl.tensor(X32), pydl.tensor(Y32))
    assert theta.dtype == pydl.float32
    expected = np.linalg.lstsq(X32.astype(float), Y32.astype(float), rcond=None)[0]
    assert_allclose(theta.numpy(), expected, rtol=2 * np.finfo(np.float32).eps)
    for covariance in (stats.ols_covariance(pydl.tensor(X32)), stats.ridge_covariance(pydl.tensor(X32), 1.0)):
        assert covariance.dtype == pydl.float32


def test_noise_variance_scales_the_covariance():
    one = stats.ols_covariance(pydl.tensor(X)).numpy()
    assert_allclose(stats.ols_covariance(pydl.tensor(X), noise_variance=4.0).numpy(), 4 * one, rtol=1e-12)


def test_ridge_without_data_is_zero():
    """With no row, and in every direction that no row sees, the penalty alone decides."""
    nothing = stats.ridge(pydl.zeros(0, 3), pydl.zeros(0), 1.0)
    assert nothing.tolist() == [0, 0, 0]
    unseen = stats.ridge_covariance(pydl.tensor([[1.0, 0.0]]), 1.0)
    assert_allclose(unseen.numpy(), [[0.25, 0], [0, 0]], atol=1e-12)


def test_prediction_variance_of_many_inputs():
    covariance = stats.ols_covariance(pydl.tensor(X))
    got = stats.prediction_variance(pydl.tensor(X.reshape(3, 3, 3)), covariance)
    assert got.shape == (3, 3)
    assert_allclose(got.numpy().reshape(-1), np.diag(X @ covariance.numpy() @ X.T), rtol=1e-12)


def test_parts_of_the_mean_squared_error_add_up():
    f, y = RNG.standard_normal((5, 4)), RNG.standard_normal((7, 4)) + 1
    parts = stats.bias_variance(pydl.tensor(f), pydl.tensor(y))
    assert_allclose(parts.mse.numpy(), ((y[None] - f[:, None]) ** 2).mean((0, 1)), rtol=1e-12)


def t(*shape):
    return pydl.zeros(*shape, dtype=pydl.float64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.ols(t(3), t(3)), r"ols: X must be a floating \(n, d\) matrix, got float64 \(3,\)"),
        (lambda: stats.ols(pydl.tensor([[1, 2]]), t(1)), "ols: X must be a floating"),
        (lambda: stats.ols(pydl.tensor([[1.0], [float("nan")]]), t(2)), "ols: X .* contains NaN or infinity"),
        (lambda: stats.ridge(pydl.tensor(X), t(8), 1.0), r"ridge: Y must be .* n = 9 rows of X \(9, 3\), got \(8,\)"),
        (lambda: stats.ridge(pydl.tensor(X), t(9), -1.0), "ridge: penalty must be >= 0, got -1.0"),
        (lambda: stats.ridge(pydl.tensor(X), t(9), float("nan")), "penalty must be >= 0"),
        (lambda: stats.ridge(t(5, 2), t(5), 0.0), r"ridge: X \(5, 2\) has rank 0, 2 is needed"),
        (
            lambda: stats.ridge_bias(pydl.tensor(X), t(2), 1.0),
            r"theta must have the 3 columns of X \(9, 3\), got \(2,\)",
        ),
        (lambda: stats.prediction_variance(t(2), t(3, 3)), r"x \(2,\) and covariance \(3, 3\)"),
        (lambda: stats.prediction_variance(t(2), t(())), r"covariance \(\)"),
        (lambda: stats.bias_variance(t(5, 2), t(5, 3)), r"predictions \(5, 2\), targets \(5, 3\)"),
        (lambda: stats.bias_variance(t(0, 2), t(5, 2)), r"predictions \(0, 2\)"),
        (lambda: stats.zero_one_loss(t(3), t(3), reduction="max"), "reduction must be"),
        (lambda: stats.probability(t(3)), "event must be a bool tensor"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_refuses_to_lose_a_gradient():
    """The estimators are not differentiated: an input that wants a gradient is an error, not a silent constant."""
    with pytest.raises(RuntimeError, match="detach"):
        stats.ols(pydl.tensor(X, requires_grad=True), pydl.tensor(Y))
