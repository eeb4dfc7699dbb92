from collections import OrderedDict

import numpy as np
import pytest

import pydl
from pydl import nn


def test_sequential():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert (
        len(net) == 3 and isinstance(net[-1], nn.Linear) and [type(m).__name__ for m in net[:2]] == ["Linear", "ReLU"]
    )
    assert list(net[1:]._modules) == ["1", "2"] and net[1:][0] is net[1]
    assert list(net.append(nn.Tanh())._modules) == ["0", "1", "2", "3"]
    net.insert(1, nn.Identity())
    assert isinstance(net[1], nn.Identity) and list(net._modules) == ["0", "1", "2", "3", "4"]
    del net[1]
    net[-1] = nn.Sigmoid()
    assert isinstance(net.pop(), nn.Sigmoid) and len(net) == 3
    assert len(net + nn.Sequential(nn.ReLU())) == 4 and len(net.extend([nn.ReLU()])) == 4
    with pytest.raises(IndexError, match="index 4 is out of range for 4 modules"):
        net[4]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(3)
    named = nn.Sequential(OrderedDict(a=nn.Linear(2, 2), b=nn.ReLU()))
    assert named.b is named[1] and list(named.state_dict()) == ["a.weight", "a.bias"]
    del named[0]
    assert list(named._modules) == ["b"]
    assert nn.Sequential()(5) == 5


def test_module_list():
    layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    assert len(layers) == 3 and layers[-1] is layers[2] and isinstance(layers[:2], nn.ModuleList)
    layers += [nn.ReLU()]
    layers.insert(0, nn.Tanh())
    assert isinstance(layers[0], nn.Tanh) and len(layers) == 5 and layers[4] in layers
    del layers[1:4]
    assert list(layers._modules) == ["0", "1"]
    assert len(layers + [nn.ReLU()]) == 3  # noqa: RUF005
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_dict():
    d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
    d["c"] = nn.Tanh()
    d.update([("d", nn.Identity())])
    assert list(d) == ["a", "b", "c", "d"] == list(d.keys()) and "a" in d and len(d.values()) == 4
    assert isinstance(d.pop("a"), nn.ReLU) and dict(d.items())["b"] is d["b"] and d.b is d["b"]
    del d["c"]
    d.clear()
    assert len(d) == 0


def test_parameter_list_and_dict():
    params = nn.ParameterList([nn.Parameter(np.ones(2)), pydl.zeros(3)])
    params.append(pydl.zeros(1))
    params[0] = pydl.zeros(4)
    assert [p.shape for p in params] == [(4,), (3,), (1,)] and all(isinstance(p, nn.Parameter) for p in params)
    assert list(params.state_dict()) == ["0", "1", "2"] and len(params[1:]) == 2
    with pytest.raises(IndexError, match="out of range for 3 parameters"):
        params[3]
    with pytest.raises(TypeError, match="expected a Parameter or Tensor, got int"):
        params.append(3)
    d = nn.ParameterDict({"w": pydl.zeros(2)})
    d["v"] = nn.Parameter(np.ones(1))
    assert list(d.state_dict()) == ["w", "v"] and d["w"].requires_grad and len(list(d.parameters())) == 2
