import json
import math

import numpy as np
import pytest

from pydl import nn, optim
from pydl.optim import lr_scheduler, schedule

STEPS = 25
SCHEDULES = {
    "StepLR": lambda m, o: m.StepLR(o, 4, gamma=0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [3, 9, 9, 12], gamma=0.5),
    "ConstantLR": lambda m, o: m.ConstantLR(o, factor=0.25, total_iters=4),
    "LinearLR": lambda m, o: m.LinearLR(o, start_factor=0.1, end_factor=0.8, total_iters=7),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, gamma=0.9),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, total_iters=20, power=1.5),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, T_max=6, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.01),
    "restarts of one length": lambda m, o: m.CosineAnnealingWarmRestarts(o, T_0=4),
    "LambdaLR": lambda m, o: m.LambdaLR(o, [lambda e: 1 / (1 + e), lambda e: 0.9**e]),
    "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, lambda e: 0.95),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o,
        [m.LinearLR(o, 0.1, total_iters=5), m.CosineAnnealingLR(o, 10), m.StepLR(o, 2, gamma=0.5)],
        milestones=[5, 15],
    ),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9)]),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, max_lr=[0.5, 1.0], total_steps=STEPS),
    "OneCycleLR in three phases": lambda m, o: m.OneCycleLR(
        o, 0.7, epochs=5, steps_per_epoch=5, pct_start=0.4, anneal_strategy="linear", three_phase=True
    ),
}


def parameters():
    return [nn.Parameter(np.zeros(1)) for _ in range(2)]


def optimizer_of(module, params, cls="SGD"):
    options = {"momentum": 0.9} if cls == "SGD" else {}
    return getattr(module, cls)([{"params": params[:1], "lr": 0.1}, {"params": params[1:], "lr": 0.3}], **options)


def history(optimizer, scheduler, steps=STEPS - 1):
    rows = []
    for _ in range(steps):
        assert scheduler.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
        rows.append([g["lr"] for g in optimizer.param_groups])
        scheduler.step()
    return np.array(rows)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCHEDULES)
def test_torch(name):
    torch = pytest.importorskip("torch")
    ours = optimizer_of(optim, parameters())
    theirs = optimizer_of(torch.optim, [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)])
    a = history(ours, SCHEDULES[name](schedule, ours))
    b = history(theirs, SCHEDULES[name](torch.optim.lr_scheduler, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    assert [g["momentum"] for g in ours.param_groups] == pytest.approx([g["momentum"] for g in theirs.param_groups])


@pytest.mark.parametrize("name", SCHEDULES)
def test_resume_is_exact(name):
    whole = optimizer_of(optim, parameters())
    rows = history(whole, SCHEDULES[name](schedule, whole))
    first = optimizer_of(optim, parameters())
    scheduler = SCHEDULES[name](schedule, first)
    history(first, scheduler, 8)
    saved = json.loads(json.dumps(scheduler.state_dict()))  # plain numbers, lists and dicts
    groups = first.state_dict()
    second = optimizer_of(optim, parameters())
    scheduler = SCHEDULES[name](schedule, second)
    scheduler.load_state_dict(saved)
    second.load_state_dict(groups)
    assert np.array_equal(history(second, scheduler, STEPS - 9), rows[8:])


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR",
                                  "CosineAnnealingLR", "LambdaLR"])  # fmt: skip
def test_closed_form_is_the_recursion(name):
    ours = optimizer_of(optim, parameters())
    scheduler = SCHEDULES[name](schedule, ours)
    rows = history(ours, scheduler)
    for epoch in (0, 7, 3, 20):
        scheduler.step(epoch)
        np.testing.assert_allclose([g["lr"] for g in ours.param_groups], rows[epoch], rtol=1e-12, atol=1e-16)


def test_warm_restarts_by_fractions():
    ours = optimizer_of(optim, parameters())
    scheduler = schedule.CosineAnnealingWarmRestarts(ours, T_0=2)
    scheduler.step(2.5)
    assert ours.param_groups[0]["lr"] == pytest.approx(0.1 * (1 + math.cos(math.pi * 0.25)) / 2)


def test_bad_arguments():
    ours = optimizer_of(optim, parameters())
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        schedule.StepLR(3, 1)
    with pytest.raises(KeyError, match="initial_lr"):
        schedule.StepLR(ours, 1, last_epoch=3)
    with pytest.raises(ValueError, match="1 functions for 2"):
        schedule.LambdaLR(ours, [lambda e: 1.0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        schedule.ConstantLR(ours, 2.0)
    with pytest.raises(ValueError, match="start_factor"):
        schedule.LinearLR(ours, 0.0)
    with pytest.raises(ValueError, match="T_0 > 0"):
        schedule.CosineAnnealingWarmRestarts(ours, 0)
    with pytest.raises(ValueError, match="one milestone between"):
        schedule.SequentialLR(ours, [schedule.StepLR(ours, 1)], [1])
    with pytest.raises(ValueError, match="belong to the optimizer"):
        other = optimizer_of(optim, parameters())
        schedule.SequentialLR(ours, [schedule.StepLR(other, 1)], [])
    with pytest.raises(ValueError, match="same optimizer"):
        schedule.ChainedScheduler([schedule.StepLR(other, 1), schedule.StepLR(ours, 1)])


def test_torchs_name_of_the_module():
    from pydl.optim.lr_scheduler import StepLR

    assert StepLR is schedule.StepLR is lr_scheduler.StepLR
