import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.optim import RMSprop

VARIANTS = [
    {},
    {"weight_decay": 0.1, "alpha": 0.9},
    {"momentum": 0.9, "eps": 1e-3},
    {"centered": True, "alpha": 0.5, "maximize": True},
    {"centered": True, "momentum": 0.5, "eps": 0.1},
]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("options", VARIANTS)
def test_kernel_is_the_reference(against_reference, options, inside):
    eps = {"eps": 1e-2} if inside or options.get("centered") else {}  # else 1/√eps amplifies rounding at s = 0
    against_reference(RMSprop, {"lr": 0.3}, lr=0.02, **{**options, **eps}, eps_inside_sqrt=inside)


@pytest.mark.parity
@pytest.mark.parametrize("options", VARIANTS)
def test_torch(against_torch, options):
    eps = {"eps": 1e-2} if options.get("centered") else {}
    against_torch(RMSprop, {"lr": 0.3}, lr=0.02, **{**options, **eps})


def test_eps_inside_the_root():
    p = nn.Parameter(np.array([0.0]))
    p.grad = pydl.tensor(np.array([2.0]))
    RMSprop([p], lr=1.0, alpha=0.5, eps=7.0, eps_inside_sqrt=True).step()
    np.testing.assert_allclose(p.data, [-2.0 / 3.0], rtol=1e-15)  # s = 0.5 · 4, √(2 + 7) = 3
