import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.optim import AdamW

VARIANTS = [{}, {"weight_decay": 0.3, "amsgrad": True}, {"weight_decay": 0.0, "maximize": True}]


@pytest.mark.parametrize("options", VARIANTS)
def test_kernel_is_the_reference(against_reference, options):
    against_reference(AdamW, {"lr": 0.1}, lr=0.02, **options)


@pytest.mark.parity
@pytest.mark.parametrize("options", VARIANTS)
def test_torch(against_torch, options):
    against_torch(AdamW, {"lr": 0.1}, lr=0.02, **options)


def test_decay_does_not_pass_through_the_moments():
    p = nn.Parameter(np.full(5, 2.0))
    p.grad = pydl.tensor(np.zeros(5))
    AdamW([p], lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(p.data, 2.0 * (1 - 0.1 * 0.5), rtol=1e-15)
