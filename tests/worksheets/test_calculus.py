"""Discussion 2 of Berkeley CS182's worksheets: bias and variance, vector and matrix calculus, optimization methods."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pydl
from pydl import stats
from pydl.optim import SGD, Adagrad, RMSprop

EXACT = 1e-12  # relative, for closed forms in float64
jacobian = pydl.autograd.functional.jacobian


def f64(a, requires_grad=False):
    return pydl.tensor(np.asarray(a, np.float64), requires_grad=requires_grad)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


# ---- bias and variance

X = normal(1, 12, 3) * (3.0, 1.0, 0.3)  # a fixed design whose columns are of different strength
THETA = np.array([1.0, -2.0, 0.5])
PENALTY = 0.5


def estimates(estimator, draws, seed):
    """(draws, d) estimates, each from its own Y = X·θ + ε, ε standard normal."""
    Y = (X @ THETA)[:, None] + normal(seed, len(X), draws)
    return estimator(f64(X), f64(Y)).numpy().T


def assert_moments(samples, mean, covariance):
    """Mean and covariance of normal samples within 5 standard errors of each entry."""
    draws = len(samples)
    variances = np.diag(covariance)
    assert (np.abs(samples.mean(0) - mean) < 5 * np.sqrt(variances / draws)).all()
    centred = samples - mean
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / draws)
    assert (np.abs(centred.T @ centred / draws - covariance) < 5 * error).all()


def test_bias_variance_decomposition():
    """Problem 1: E[(Y - f(x))²] = Var(f(x)) + Bias(f(x))² + σ², for ridge at three inputs.

    The parts against their closed forms, xᵀCov(θ̃)x and xᵀ(E[θ̃] - θ), and their sum against the error of independent
    pairs (training set, Y); bounds of 5 standard errors.
    """
    draws, points = 20_000, f64(normal(2, 3, 3))
    predictions = estimates(lambda A, Y: stats.ridge(A, Y, PENALTY), draws, seed=3) @ points.numpy().T
    truth = points.numpy() @ THETA
    targets = truth + normal(4, draws, 3)
    parts = stats.bias_variance(f64(predictions), f64(targets))

    variance = stats.prediction_variance(points, stats.ridge_covariance(f64(X), PENALTY)).numpy()
    bias = points.numpy() @ stats.ridge_bias(f64(X), f64(THETA), PENALTY).numpy()
    assert (np.abs(parts.variance.numpy() - variance) < 5 * variance * math.sqrt(2 / draws)).all()
    assert (np.abs(parts.noise.numpy() - 1) < 5 * math.sqrt(2 / draws)).all()
    assert (np.abs(parts.bias.numpy() - bias) < 5 * np.sqrt((variance + 1) / draws)).all()
    errors = (targets - predictions) ** 2  # of one pair each, not of all pairs
    assert (np.abs(errors.mean(0) - parts.mse.numpy()) < 5 * errors.std(0) / math.sqrt(draws)).all()
    assert (np.abs(errors.mean(0) - (variance + bias**2 + 1)) < 5 * errors.std(0) / math.sqrt(draws)).all()


def test_erratum_bias_is_over_training_sets_at_one_input():
    """Discussion 1 averages the bias "at a particular x" over x ~ p(x); discussion 2 over training sets, at that x.

    Ridge shrinks: at x = 1 and x = -1 it is biased by ∓λθ/(s²+λ), which an average over both inputs hides.
    """
    column, theta = f64([[1.0], [1.0]]), f64([3.0])  # s² = 2
    points = f64([[1.0], [-1.0]])
    at_each = points.numpy() @ stats.ridge_bias(column, theta, PENALTY).numpy()
    assert_allclose(at_each, [-0.6, 0.6], rtol=EXACT)
    draws = 5_000
    Y = 3.0 + normal(5, 2, draws)
    predictions = f64(stats.ridge(column, f64(Y), PENALTY).numpy().T @ points.numpy().T)
    measured = stats.bias_variance(predictions, f64([[3.0, -3.0]])).bias.numpy()
    error = 5 * math.sqrt(2 / 2.5**2 / draws)
    assert (np.abs(measured - at_each) < error).all()
    printed = measured.mean()  # over x as well
    assert abs(printed) < error < 0.1 < abs(measured).min()


def test_ordinary_least_squares_is_unbiased():
    """Problem 2: θ̂ = (XᵀX)⁻¹XᵀY has mean θ and covariance (XᵀX)⁻¹ for unit noise (40,000 draws, 5 standard errors)."""
    covariance = stats.ols_covariance(f64(X)).numpy()
    assert_allclose(covariance, np.linalg.inv(X.T @ X), rtol=1e-10)
    assert_moments(estimates(stats.ols, 40_000, seed=6), THETA, covariance)


def test_least_squares_by_the_normal_equations():
    """Problem 2: the same estimate by pydl's own products, XᵀXθ̂ = XᵀY, and where the gradient of ‖Y - Xθ‖² is zero."""
    A, Y = f64(X), f64(X @ THETA + normal(7, len(X)))
    theta = stats.ols(A, Y)
    assert_allclose((A.T @ A @ theta).numpy(), (A.T @ Y).numpy(), rtol=1e-11)
    theta.requires_grad_()
    (g,) = pydl.autograd.grad((Y - A @ theta).square().sum(), theta)
    assert np.abs(g.numpy()).max() < 1e-11
    assert theta.shape == (3,)


def test_variance_of_a_prediction():
    """Problem 2: Var(xᵀθ̂) = xᵀ(XᵀX)⁻¹x; for diagonal XᵀX with entries σᵢ² it is Σ xᵢ²/σᵢ², large for small σᵢ."""
    scales, x = np.array([3.0, 1.0, 0.1]), np.array([1.0, 2.0, 3.0])
    covariance = stats.ols_covariance(f64(np.diag(scales)))
    got = stats.prediction_variance(f64(x), covariance).item()
    assert_allclose(got, 1 / 9 + 4 + 900, rtol=EXACT)


def test_errata_shapes_in_least_squares():
    """Problem 2 prints Y ∈ R^d and (θ̂-θ)(θ̂-θ)x. Y has n entries, and the second factor is transposed."""
    with pytest.raises(ValueError, match=r"n = 12 rows of X \(12, 3\), got \(3,\)"):
        stats.ols(f64(X), f64(THETA))  # Y in R^d
    e = f64(THETA)  # any θ̂ - θ
    x = f64([1.0, 2.0, 3.0])
    printed = (e @ e) * x  # the only product of the printed factors that is defined; a vector, not a variance
    assert printed.shape == (3,)
    right = x @ (e.reshape(3, 1) @ e.reshape(1, 3)) @ x
    assert right.shape == ()
    assert_allclose(right.item(), (x @ e).item() ** 2, rtol=EXACT)


def test_ridge_variance():
    """Problem 3: for XᵀX diagonal with entries σᵢ² the covariance of ridge has σᵢ²/(σᵢ²+λ)²: bounded for small σᵢ."""
    design = f64(np.diag([3.0, 1.0, 0.1]))
    covariance = stats.ridge_covariance(design, 0.5).numpy()
    assert_allclose(covariance, np.diag([0.0997230, 0.4444444, 0.0384467]), atol=0.5e-7)
    assert stats.ols_covariance(design).numpy()[2, 2] > 99
    bound = 1 / (4 * 0.5)  # of s²/(s²+λ)² over all s
    assert np.diag(covariance).max() <= bound


def test_ridge_estimator():
    """Problem 3: θ̃ = (XᵀX + λI)⁻¹XᵀY, λ not scaled by n; bias (XᵀX + λI)⁻¹XᵀXθ - θ, variance below that of OLS."""
    A, Y = f64(X), f64(X @ THETA + normal(8, len(X)))
    inverse = np.linalg.inv(X.T @ X + PENALTY * np.eye(3))
    assert_allclose(stats.ridge(A, Y, PENALTY).numpy(), inverse @ X.T @ Y.numpy(), rtol=1e-11)
    covariance = stats.ridge_covariance(A, PENALTY).numpy()
    assert_allclose(covariance, inverse @ X.T @ X @ inverse, rtol=1e-11)
    bias = stats.ridge_bias(A, f64(THETA), PENALTY).numpy()
    assert_allclose(bias, inverse @ X.T @ X @ THETA - THETA, rtol=1e-10)
    assert np.abs(bias).max() > 0.1
    assert (np.diag(covariance) < np.diag(stats.ols_covariance(A).numpy())).all()
    assert_moments(estimates(lambda B, Z: stats.ridge(B, Z, PENALTY), 40_000, seed=9), THETA + bias, covariance)


def test_ridge_is_unique_where_least_squares_is_not():
    """With fewer rows than columns, or equal columns, XᵀX is singular; XᵀX + λI is not."""
    for A in (normal(10, 2, 3), np.ones((5, 2))):
        n, d = A.shape
        with pytest.raises(ValueError, match=f"rank {min(n, d) if n < d else 1}, {d} is needed"):
            stats.ols(f64(A), f64(np.ones(n)))
        expected = np.linalg.solve(A.T @ A + PENALTY * np.eye(d), A.T @ np.ones(n))
        assert_allclose(stats.ridge(f64(A), f64(np.ones(n)), PENALTY).numpy(), expected, rtol=1e-11)


# ---- vector and matrix calculus: a gradient has the shape of its variable, a Jacobian is n x m


def test_gradient_of_the_squared_norm():
    """Problem 4: ∇‖x‖² = 2x."""
    x = f64(normal(11, 5), requires_grad=True)
    (g,) = pydl.autograd.grad(x.square().sum(), x)
    assert_allclose(g.numpy(), 2 * x.data, rtol=EXACT)


def test_jacobian_of_a_linear_map():
    """Problem 5: f(x) = Aᵀx has ∂f/∂x = A in the n x m layout, (∂f/∂x)ᵢⱼ = ∂fⱼ/∂xᵢ: the transpose of the usual one."""
    A = f64(normal(12, 4, 3))
    x = f64(normal(13, 4))
    J = jacobian(lambda v: A.T @ v, x, layout="denominator")
    assert_allclose(J.numpy(), A.numpy(), rtol=EXACT)
    assert_allclose(jacobian(lambda v: A.T @ v, x).numpy(), A.numpy().T, rtol=EXACT)


def test_chain_rule_with_the_output_on_the_right():
    """Problem 6: ∂z/∂x = (∂y/∂x)(∂z/∂y); ∇ₓ‖Aᵀx‖² = 2AAᵀx."""
    A, x = f64(normal(14, 4, 3)), f64(normal(15, 4), requires_grad=True)
    y = A.T @ x
    (g,) = pydl.autograd.grad(y.square().sum(), x)
    assert_allclose(g.numpy(), 2 * A.numpy() @ A.numpy().T @ x.data, rtol=EXACT)
    J = jacobian(lambda v: A.T @ v, x.detach(), layout="denominator")
    assert_allclose(g.numpy(), (J @ (2 * y.detach())).numpy(), rtol=EXACT)


def test_derivative_by_a_matrix():
    """Problem 7: (∂y/∂A)ᵢⱼₖ = xᵢδⱼₖ for y = Aᵀx, and ∇_A‖Aᵀx‖² = 2xxᵀA; flattening A gives the same numbers."""
    A, x = f64(normal(16, 4, 3), requires_grad=True), f64(normal(17, 4))
    J = jacobian(lambda M: M.T @ x, A.detach(), layout="denominator")
    assert J.shape == (4, 3, 3)
    assert_allclose(J.numpy(), x.numpy()[:, None, None] * np.eye(3), rtol=EXACT)
    y = A.T @ x
    (g,) = pydl.autograd.grad(y.square().sum(), A)
    expected = 2 * np.outer(x.numpy(), x.numpy()) @ A.data
    assert_allclose(g.numpy(), expected, rtol=EXACT)
    assert_allclose((J @ (2 * y.detach())).numpy(), expected, rtol=EXACT)
    flat = jacobian(lambda v: v.reshape(4, 3).T @ x, A.detach().reshape(12), layout="denominator")
    assert_allclose((flat @ (2 * y.detach())).numpy().reshape(4, 3), expected, rtol=EXACT)


def test_erratum_index_of_the_matrix_chain_rule():
    """Section 2 prints ∂z/∂Xᵢⱼ = Σₖ ∂z/∂yᵢ · ∂yᵢ/∂Xᵢⱼ; the summation index belongs on y: Σₖ ∂z/∂yₖ · ∂yₖ/∂Xᵢⱼ."""
    A, x = f64(normal(18, 3, 3), requires_grad=True), f64(normal(19, 3))
    y = A.T @ x
    (g,) = pydl.autograd.grad(y.square().sum(), A)
    J = jacobian(lambda M: M.T @ x, A.detach(), layout="denominator").numpy()
    gy = 2 * y.data
    right = np.array([[sum(gy[k] * J[i, j, k] for k in range(3)) for j in range(3)] for i in range(3)])
    printed = np.array([[sum(gy[i] * J[i, j, i] for k in range(3)) for j in range(3)] for i in range(3)])
    assert_allclose(g.numpy(), right, rtol=EXACT)
    assert np.abs(printed - right).max() > 0.1


# ---- optimization methods

BOWL = np.array([1.0, 10.0])  # f(x) = x₁² + 10·x₂², the ill-conditioned case of figure 2


def descend(optimizer_of, steps, start=(1.0, 1.0), gradient=None):
    """The iterates, (steps + 1, 2): of f(x) = Σ aᵢxᵢ², or of a linear function with the given gradient."""
    x = f64(start, requires_grad=True)
    optimizer = optimizer_of([x])
    path = [x.data.copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (x.square() * f64(BOWL)).sum() if gradient is None else (x * f64(gradient)).sum()
        loss.backward()
        optimizer.step()
        path.append(x.data.copy())
    return np.array(path)


def test_gradient_descent_is_a_linear_map():
    """Section 3.3: θ ← θ - α∇L multiplies coordinate i of the bowl by 1 - 2αaᵢ at each step."""
    path = descend(lambda p: SGD(p, lr=0.06), steps=20)
    assert_allclose(path[20], (1 - 2 * 0.06 * BOWL) ** 20, rtol=EXACT)


def test_gradient_descent_converges_below_its_limit():
    """Figures 2b, 2c: it converges iff α < 1/max(a) = 0.1. α = 0.06 converges, α = 0.11 diverges (7e15 at step 200)."""
    assert np.abs(descend(lambda p: SGD(p, lr=0.06), steps=200)[-1]).max() < 1e-10
    away = descend(lambda p: SGD(p, lr=0.11), steps=200)[-1]
    assert_allclose(away[1], 1.2**200, rtol=1e-9)
    assert 6.5e15 < away[1] < 7.5e15
    assert abs(away[0]) < 1e-10  # the flat direction alone would converge


def test_a_minibatch_gradient_is_unbiased():
    """Section 3.2: a random minibatch's gradient has the full gradient as its mean: exactly, over all minibatches."""
    x, y = np.array([1.0, 2.0, -1.0, 0.5]), np.array([1.0, 0.0, 2.0, -1.0])

    def gradient(batch):
        theta = pydl.tensor(0.7, dtype=pydl.float64, requires_grad=True)
        losses = (theta * pydl.tensor(x[batch]) - pydl.tensor(y[batch])).square()
        return pydl.autograd.grad(losses.mean(), theta)[0].item()

    pairs = [[i, j] for i in range(4) for j in range(i)]
    assert_allclose(np.mean([gradient(p) for p in pairs]), gradient([0, 1, 2, 3]), rtol=EXACT)
    assert np.std([gradient(p) for p in pairs]) > 0.1


def test_momentum_three_steps():
    """Section 3.4: v ← m·v + ∇L, θ ← θ - α·v. Three steps from (1, 1), α = 0.01, m = 0.9 end at (0.889712, 0.062)."""
    end = descend(lambda p: SGD(p, lr=0.01, momentum=0.9), steps=3)[-1]
    assert_allclose(end, [0.889712, 0.062], rtol=EXACT)


def test_momentum_is_stable_where_gradient_descent_is_not():
    """Figure 3: heavy ball converges iff 2αaᵢ < 2(1 + m), so α = 0.11, too large for plain descent, is fine.

    Erratum: section 3.4 refers to this figure as figure 4, which is the one on RMSProp.
    """
    assert np.abs(descend(lambda p: SGD(p, lr=0.11, momentum=0.5), steps=200)[-1]).max() < 1e-10
    slow = np.abs(descend(lambda p: SGD(p, lr=0.01), steps=100)[-1][0])
    fast = np.abs(descend(lambda p: SGD(p, lr=0.01, momentum=0.7), steps=100)[-1][0])
    assert fast < slow / 100  # along the flat direction, at the same learning rate


def test_erratum_momentum_is_a_sum_not_an_average():
    """Section 3.4 calls v a moving average. Under a constant gradient g the printed update makes it g/(1 - m), not g.

    SGD does the printed update; the average is its option dampening = m.
    """
    g, m, alpha = np.array([1.0, -2.0]), 0.9, 0.01
    path = descend(lambda p: SGD(p, lr=alpha, momentum=m), steps=300, gradient=g)
    last_step = path[-2] - path[-1]
    assert_allclose(last_step, alpha * g / (1 - m), rtol=1e-10)
    averaged = descend(lambda p: SGD(p, lr=alpha, momentum=m, dampening=m), steps=300, gradient=g)
    assert_allclose(averaged[-2] - averaged[-1], alpha * g, rtol=1e-10)


def rmsprop(p, **options):
    return RMSprop(p, lr=0.01, alpha=0.9, eps=1e-8, **options)


def test_rmsprop_three_steps():
    """Section 3.5: s ← β·s + (1 - β)g², θ ← θ - α·g/√(s + ε). Both coordinates take the same steps, to 0.9270531.

    With ε inside the root, as printed: `eps_inside_sqrt=True`.
    """
    end = descend(lambda p: rmsprop(p, eps_inside_sqrt=True), steps=3)[-1]
    assert_allclose(end, [0.9270531, 0.9270531], atol=0.5e-7)


def test_adagrad_three_steps():
    """Section 3.5: s ← s + β·g², θ ← θ - α·g/√(s + ε); β = 0.5, α = 0.01: three steps end at 0.9678585."""
    end = descend(lambda p: Adagrad(p, lr=0.01, eps=1e-8, eps_inside_sqrt=True, beta=0.5), steps=3)[-1]
    assert_allclose(end, [0.9678585, 0.9678585], atol=0.5e-7)


def test_adagrad_beta_is_a_scaled_learning_rate():
    """Section 3.5: β·g² in place of g² scales s by β, so it is standard Adagrad (β = 1) with learning rate α/√β."""
    eps = 1e-300  # the scaling is exact for ε = 0
    scaled = descend(lambda p: Adagrad(p, lr=0.01, eps=eps, beta=0.25), steps=5)
    standard = descend(lambda p: Adagrad(p, lr=0.02, eps=eps), steps=5)
    assert_allclose(scaled, standard, rtol=EXACT)
    assert np.abs(standard - descend(lambda p: Adagrad(p, lr=0.01, eps=eps), steps=5)).max() > 0.01


def test_adagrad_steps_only_shrink():
    """Section 3.5: Adagrad's s grows monotonically, so under a constant gradient step t is α/√t; RMSProp's stays α."""
    g = np.array([1.0, 1.0])
    steps = -np.diff(descend(lambda p: Adagrad(p, lr=0.1), steps=50, gradient=g)[:, 0])
    assert_allclose(steps, 0.1 / np.sqrt(np.arange(1, 51)), rtol=1e-8)
    steps = -np.diff(descend(lambda p: RMSprop(p, lr=0.1, alpha=0.5), steps=50, gradient=g)[:, 0])
    assert_allclose(steps[-1], 0.1, rtol=1e-7)


@pytest.mark.parametrize("optimizer", ["rmsprop", "adagrad"])
def test_option_epsilon_inside_the_root(optimizer):
    """Section 3.5 prints g/√(s + ε), PyTorch computes g/(√s + ε). One step on g = (2, 20) with ε = 4 shows which."""
    alpha, eps, g = 0.5, 4.0, 2 * BOWL
    s = {"rmsprop": 0.1 * g**2, "adagrad": g**2}[optimizer]

    def first_step(**options):
        if optimizer == "rmsprop":
            path = descend(lambda p: RMSprop(p, lr=alpha, alpha=0.9, eps=eps, **options), steps=1)
        else:
            path = descend(lambda p: Adagrad(p, lr=alpha, eps=eps, **options), steps=1)
        return path[0] - path[1]

    assert_allclose(first_step(eps_inside_sqrt=True), alpha * g / np.sqrt(s + eps), rtol=EXACT)
    assert_allclose(first_step(), alpha * g / (np.sqrt(s) + eps), rtol=EXACT)
    assert np.abs(first_step(eps_inside_sqrt=True) - first_step()).min() > 0.01
