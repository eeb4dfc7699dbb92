import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.optim import Adagrad

VARIANTS = [
    {},
    {"lr_decay": 0.1, "weight_decay": 0.2},
    {"initial_accumulator_value": 0.5, "maximize": True, "eps": 0.01},
]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("options", VARIANTS)
def test_kernel_is_the_reference(against_reference, options, inside):
    against_reference(Adagrad, {"beta": 0.25}, lr=0.1, eps_inside_sqrt=inside, **options)


@pytest.mark.parity
@pytest.mark.parametrize("options", VARIANTS)
def test_torch(against_torch, options):
    against_torch(Adagrad, {"lr": 0.3}, lr=0.1, **options)


def test_beta_scales_the_steps():
    """Adagrad with beta is standard Adagrad with lr / √beta (eps aside)."""
    a, b = nn.Parameter(np.array([1.0, 2.0])), nn.Parameter(np.array([1.0, 2.0]))
    first, second = Adagrad([a], lr=0.1, beta=0.25, eps=0.0), Adagrad([b], lr=0.2, eps=0.0)
    for g in ([1.0, -3.0], [0.5, 2.0]):
        a.grad, b.grad = pydl.tensor(np.array(g)), pydl.tensor(np.array(g))
        first.step(), second.step()
    np.testing.assert_allclose(a.data, b.data, rtol=1e-14)
