import numpy as np
import pytest

from pydl import nn, optim
from pydl.optim.schedule import OneCycleLR


def adam():
    return optim.Adam([nn.Parameter(np.zeros(1))], lr=1.0)


def test_it_rises_and_falls_and_momentum_does_the_opposite():
    optimizer = adam()
    scheduler = OneCycleLR(optimizer, max_lr=0.5, total_steps=10, pct_start=0.4)
    rates, betas = [], []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        betas.append(optimizer.param_groups[0]["betas"])
        if len(rates) < 10:
            scheduler.step()
    assert rates[0] == pytest.approx(0.5 / 25) and rates[3] == 0.5 and rates[9] == pytest.approx(0.5 / 25 / 1e4)
    assert rates[:4] == sorted(rates[:4]) and rates[3:] == sorted(rates[3:], reverse=True)
    assert betas[0] == (0.95, 0.999) and betas[3] == (0.85, 0.999) and betas[9][0] == pytest.approx(0.95)


def test_it_ends():
    optimizer = adam()
    scheduler = OneCycleLR(optimizer, 0.5, total_steps=2)
    scheduler.step(), scheduler.step()
    with pytest.raises(ValueError, match="tried to step 3 times, total_steps is 2"):
        scheduler.step()


def test_bad_arguments():
    with pytest.raises(ValueError, match="give either total_steps"):
        OneCycleLR(adam(), 0.5, epochs=3)
    with pytest.raises(ValueError, match="positive integer"):
        OneCycleLR(adam(), 0.5, total_steps=0)
    with pytest.raises(ValueError, match="pct_start"):
        OneCycleLR(adam(), 0.5, total_steps=5, pct_start=2)
    with pytest.raises(ValueError, match="anneal_strategy"):
        OneCycleLR(adam(), 0.5, total_steps=5, anneal_strategy="sine")
    with pytest.raises(ValueError, match="expected 1 values for max_lr, got 2"):
        OneCycleLR(adam(), [0.5, 0.5], total_steps=5)
    with pytest.raises(ValueError, match="must support momentum"):
        OneCycleLR(optim.Adagrad([nn.Parameter(np.zeros(1))]), 0.5, total_steps=5)
