import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.optim import Adam
from pydl.testing import gradcheck

VARIANTS = [
    {},
    {"weight_decay": 0.1, "betas": (0.5, 0.7)},
    {"amsgrad": True, "eps": 1e-3},
    {"decoupled_weight_decay": True, "weight_decay": 0.2, "maximize": True},
]


@pytest.mark.parametrize("options", VARIANTS)
def test_kernel_is_the_reference(against_reference, options):
    against_reference(Adam, {"betas": (0.8, 0.9)}, lr=0.02, **options)


@pytest.mark.parity
@pytest.mark.parametrize("options", VARIANTS)
def test_torch(against_torch, options):
    against_torch(Adam, {"betas": (0.8, 0.9)}, lr=0.02, **options)


def test_first_step_has_the_size_of_the_learning_rate():
    """Without bias correction it would be lr · (1 - β₁) / √(1 - β₂)."""
    p = nn.Parameter(np.zeros(3))
    p.grad = pydl.tensor(np.array([1e-3, 1.0, -1e3]))
    Adam([p], lr=0.5, eps=0.0).step()
    np.testing.assert_allclose(p.data, [-0.5, -0.5, 0.5], rtol=1e-12)


def test_differentiable_at_zero_gradient():
    w = pydl.tensor(np.array([1.0, -2.0, 0.5]), requires_grad=True)
    c = pydl.tensor(np.array([0.0, 1.0, 3.0]), requires_grad=True)

    def two_steps(w, c):
        p, state = [w], None
        for _ in range(2):
            p, state = Adam.functional(p, [c * p[0]], state, lr=0.1, eps=0.3)
        return p[0]

    gradcheck(lambda w: two_steps(w, c.detach()), w)
    g = pydl.autograd.grad(two_steps(w, c).sum(), c)[0]
    assert np.isfinite(g.data).all()
    np.testing.assert_allclose(g.data[0], 2 * -0.1 / 0.3, rtol=0.2)  # each step moves by about -lr / eps · c · w


def test_bad_options():
    with pytest.raises(ValueError, match="beta parameter at index 1"):
        Adam([nn.Parameter(np.ones(2))], betas=(0.9, 1.0))
