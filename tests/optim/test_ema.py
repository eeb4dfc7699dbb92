import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.optim import EMA


def step(net, i):
    with pydl.no_grad():
        for p in net.parameters():
            p.copy_(pydl.tensor(np.random.default_rng(i).standard_normal(p.shape)))


def test_formula():
    net = nn.Linear(33, 4)
    ema, want = EMA(net, 0.9), net.weight.data.copy()
    for i in range(12):
        step(net, i)
        ema.update()
        want = 0.9 * want + 0.1 * net.weight.data
    np.testing.assert_allclose(ema.averages["weight"].data, want, rtol=1e-5, atol=1e-6)
    assert ema.n_updates == 12


def test_mean_of_all_and_warmup():
    p = nn.Parameter(np.zeros(2))
    mean, warm = EMA([p], None), EMA([p], 0.999, warmup=True)
    for i in range(1, 5):
        p.data[:] = i
        mean.update(), warm.update()
    np.testing.assert_allclose(mean.averages["0"].data, 2.5, rtol=1e-15)
    want = 0.0
    for n in range(1, 5):
        d = (1 + n) / (10 + n)
        want = d * want + (1 - d) * n
    np.testing.assert_allclose(warm.averages["0"].data, want, rtol=1e-14)


def test_average_inside_a_block():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))
    ema = EMA(net, 0.5, use_buffers=True)
    assert set(ema.averages) == {"0.weight", "0.bias", "0.running_mean", "0.running_var", "1.weight", "1.bias"}
    step(net, 0)
    now, average = net[1].weight.data.copy(), ema.averages["1.weight"].data.copy()
    y = net(pydl.ones(2, 3)).sum()
    with pytest.raises(ZeroDivisionError), ema.average():
        assert np.array_equal(net[1].weight.data, average)
        raise ZeroDivisionError
    assert np.array_equal(net[1].weight.data, now) and np.array_equal(ema.averages["1.weight"].data, average)
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()
    ema.copy_to()
    assert np.array_equal(net[1].weight.data, average)


def test_state():
    net = nn.Linear(2, 2)
    ema = EMA(net, 0.5)
    step(net, 1)
    ema.update()
    other = EMA(nn.Linear(2, 2), 0.5)
    other.load_state_dict(ema.state_dict())
    assert other.n_updates == 1 and np.array_equal(other.averages["weight"].data, ema.averages["weight"].data)
    with pytest.raises(ValueError, match="other names"):
        EMA(nn.Linear(2, 2, bias=False)).load_state_dict(ema.state_dict())
    with pytest.raises(ValueError, match="average 'weight' has shape"):
        EMA(nn.Linear(3, 2)).load_state_dict(ema.state_dict())
    with pytest.raises(ValueError, match="decay must be"):
        EMA(net, 1.5)


@pytest.mark.parity
def test_torch():
    torch = pytest.importorskip("torch")
    net = nn.Linear(5, 3)
    theirs = torch.nn.Linear(5, 3)
    theirs.load_state_dict({k: torch.from_numpy(v.data.copy()) for k, v in net.state_dict().items()})
    ema = EMA(net, 0.9)
    swa = torch.optim.swa_utils.AveragedModel(theirs, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    swa.update_parameters(theirs)  # its first update copies
    for i in range(10):
        step(net, i)
        theirs.load_state_dict({k: torch.from_numpy(v.data.copy()) for k, v in net.state_dict().items()})
        ema.update()
        swa.update_parameters(theirs)
    np.testing.assert_allclose(ema.averages["weight"].data, swa.module.weight.detach().numpy(), rtol=1e-5, atol=1e-6)
