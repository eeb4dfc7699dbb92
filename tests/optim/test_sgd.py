import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.optim import SGD

VARIANTS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    {"momentum": 0.8, "nesterov": True, "maximize": True},
    {"weight_decay": 0.2, "maximize": True},
]


@pytest.mark.parametrize("options", VARIANTS)
def test_kernel_is_the_reference(against_reference, options):
    against_reference(SGD, {"lr": 0.3}, lr=0.05, **options)


@pytest.mark.parity
@pytest.mark.parametrize("options", VARIANTS)
def test_torch(against_torch, options):
    against_torch(SGD, {"lr": 0.3}, lr=0.05, **options)


def test_momentum_is_the_heavy_ball():
    """L = x² + 20 y² / 2 ... any two steps by hand: v₁ = g₁, v₂ = m v₁ + g₂."""
    p = nn.Parameter(np.array([1.0, -2.0]))
    optimizer = SGD([p], lr=0.1, momentum=0.5)
    for g in ([1.0, 2.0], [3.0, -1.0]):
        p.grad = pydl.tensor(np.array(g))
        optimizer.step()
    v = np.array([0.5 * 1 + 3, 0.5 * 2 - 1])
    np.testing.assert_allclose(p.data, np.array([1.0, -2.0]) - 0.1 * np.array([1.0, 2.0]) - 0.1 * v, rtol=1e-15)


def test_step_is_differentiable_in_the_learning_rate():
    lr, w = pydl.tensor(0.1, dtype=pydl.float64, requires_grad=True), pydl.tensor([1.0, 2.0], dtype=pydl.float64)
    (new,), _ = SGD.functional([w], [2 * w], lr=lr)
    (g,) = pydl.autograd.grad(new.square().sum(), lr)
    np.testing.assert_allclose(g.item(), sum(2 * (1 - 0.2) * x * -2 * x for x in (1.0, 2.0)), rtol=1e-12)


def test_bad_options():
    p = nn.Parameter(np.ones(2))
    with pytest.raises(ValueError, match="learning rate"):
        SGD([p], lr=-1.0)
    with pytest.raises(ValueError, match="momentum value: nan"):
        SGD([p], lr=1.0, momentum=float("nan"))
    with pytest.raises(ValueError, match="Nesterov"):
        SGD([p], lr=1.0, nesterov=True)
