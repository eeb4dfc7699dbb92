import numpy as np
import pytest

from pydl import nn, optim
from pydl.optim.schedule import ReduceLROnPlateau

METRICS = [
    1.0,
    0.9,
    0.91,
    0.92,
    0.9,
    0.9,
    0.95,
    0.5,
    0.5,
    0.5,
    0.5,
    0.49999,
    0.3,
    np.nan,
    0.4,
    0.4,
    0.4,
    -1.0,
    -1.0,
    -1.0,
]
VARIANTS = [
    {"patience": 2},
    {"patience": 0, "factor": 0.5, "cooldown": 2, "min_lr": 0.02},
    {"mode": "max", "patience": 1, "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 1, "threshold_mode": "abs", "eps": 0.01},
]


def sgd(module=optim, p=None):
    return module.SGD([nn.Parameter(np.zeros(1)) if p is None else p], lr=0.1)


@pytest.mark.parity
@pytest.mark.parametrize("options", VARIANTS)
def test_torch(options):
    torch = pytest.importorskip("torch")
    ours, theirs = sgd(), sgd(torch.optim, torch.nn.Parameter(torch.zeros(1)))
    a, b = ReduceLROnPlateau(ours, **options), torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for m in METRICS:
        a.step(m), b.step(m)
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-14)


def test_waits_then_reduces_and_resumes():
    optimizer = sgd()
    scheduler = ReduceLROnPlateau(optimizer, patience=1)
    for m in (1.0, 1.0):
        scheduler.step(m)
    other = sgd()
    resumed = ReduceLROnPlateau(other, patience=1)
    resumed.load_state_dict(scheduler.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.1
    scheduler.step(1.0), resumed.step(1.0)
    assert optimizer.param_groups[0]["lr"] == other.param_groups[0]["lr"] == pytest.approx(0.01)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"factor should be < 1\.0"):
        ReduceLROnPlateau(sgd(), factor=1.0)
    with pytest.raises(ValueError, match="mode must be"):
        ReduceLROnPlateau(sgd(), mode="low")
    with pytest.raises(ValueError, match="threshold_mode must be"):
        ReduceLROnPlateau(sgd(), threshold_mode="low")
    with pytest.raises(ValueError, match="expected 1 values for min_lr, got 2"):
        ReduceLROnPlateau(sgd(), min_lr=[0.0, 0.0])
