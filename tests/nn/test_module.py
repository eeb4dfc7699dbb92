import copy

import numpy as np
import pytest

import pydl
from pydl import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.blocks = nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Linear(4, 4)), nn.Identity()])
        self.scale = nn.Parameter(np.ones((), np.float32))
        self.register_buffer("count", pydl.tensor(0))
        self.register_buffer("cache", pydl.zeros(2), persistent=False)
        self.register_parameter("nothing", None)

    def forward(self, x):
        return self.blocks[1](self.blocks[0](self.first(x))) * self.scale


KEYS = ["scale", "count", "first.weight", "first.bias", "blocks.0.1.weight", "blocks.0.1.bias"]


def test_what_it_holds():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [k for k in KEYS if k != "count"]
    assert [n for n, _ in net.named_buffers()] == ["count", "cache"]
    assert [n for n, _ in net.named_children()] == ["first", "blocks"]
    assert [n for n, _ in net.named_modules()] == [
        "", "first", "blocks", "blocks.0", "blocks.0.0", "blocks.0.1", "blocks.1"
    ]  # fmt: skip
    assert list(net.state_dict()) == KEYS
    assert net.nothing is None and net.scale is net._parameters["scale"]
    assert [p.shape for p in net.parameters(recurse=False)] == [()]
    assert [n for n, _ in net.blocks.named_parameters("b")] == ["b.0.1.weight", "b.0.1.bias"]
    assert {"scale", "count", "first"} <= set(dir(net))


def test_paths():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("blocks.0.1") is net.blocks[0][1]
    assert net.get_parameter("blocks.0.1.bias") is net.blocks[0][1].bias
    assert net.get_buffer("count") is net.count
    with pytest.raises(AttributeError, match="ModuleList has no attribute `7`"):
        net.get_submodule("blocks.7")
    with pytest.raises(AttributeError, match="is not a Module"):
        net.get_submodule("scale")
    with pytest.raises(AttributeError, match="Linear has no parameter `weigth`"):
        net.get_parameter("first.weigth")


def test_assignment():
    net = Net()
    net.scale = None
    assert "scale" not in net.state_dict()
    with pytest.raises(TypeError, match="cannot assign Tensor as parameter 'scale'"):
        net.scale = pydl.zeros(1)
    with pytest.raises(TypeError, match="as child module 'first'"):
        net.first = 3
    with pytest.raises(TypeError, match="as buffer 'count'"):
        net.count = 3
    net.count = nn.Parameter(np.ones(1))  # changes its kind
    assert "count" in net._parameters and "count" not in net._buffers
    del net.first
    assert not hasattr(net, "first")
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'first'"):
        net.first  # noqa: B018
    with pytest.raises(KeyError, match="must not be empty nor contain"):
        net.register_buffer("a.b", None)
    with pytest.raises(KeyError, match="already exists"):
        net.register_module("count", nn.Identity())

    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Identity()

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()


def test_shared_parameters_are_one():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight and twin[0].weight is not net[0].weight
    net.double()
    assert net[0].weight is net[1].weight and net[1].weight.dtype == np.float64
    same = nn.Sequential(net, net)
    assert len(list(same.modules())) == 4


def test_modes_and_gradients():
    net = Net()
    assert not net.eval().blocks[0].training and net.train().blocks[0][1].training
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")
    net(pydl.ones(2, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all((p.grad.data == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(pydl.ones(2, 3)).requires_grad
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Identity", "ModuleList", "Net"]


def test_to():
    net = Net()
    net(pydl.ones(2, 3)).sum().backward()
    weight = net.first.weight
    y = net(pydl.ones(2, 3)).sum()
    assert net.to(pydl.float64) is net
    assert net.first.weight is weight and weight.dtype == weight.grad.dtype == np.float64
    assert net.count.dtype == np.int64 and net.cache.dtype == np.float64
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()
    assert net.float().scale.dtype == np.float32 and net.to("cpu") is net and net.half().scale.dtype == np.float16
    with pytest.raises(TypeError, match="floating point"):
        net.to(pydl.int64)
    with pytest.raises(RuntimeError, match="cuda"):
        net.to("cuda")


def test_load_state_dict():
    a, b = Net(), Net()
    weight = b.first.weight
    result = b.load_state_dict(a.state_dict())
    assert str(result) == "<All keys matched successfully>" and result.missing_keys == []
    assert b.first.weight is weight and np.array_equal(a.first.weight.data, weight.data)
    assert not np.shares_memory(a.first.weight.data, weight.data)
    saved = {k: v.numpy().astype(np.float64) for k, v in a.state_dict().items()}  # arrays will do
    b.load_state_dict(saved)
    assert b.first.weight.dtype == np.float32
    b.load_state_dict(a.state_dict(), assign=True)
    assert isinstance(b.first.weight, nn.Parameter) and np.shares_memory(a.first.weight.data, b.first.weight.data)


def test_load_state_dict_errors_change_nothing():
    net = Net()
    state = {k: pydl.full_like(v, 7) for k, v in Net().state_dict().items()}
    del state["scale"], state["count"]
    state["first.weight"], state["first.bias"] = pydl.zeros(4, 2), "no tensor"
    state["blocks.9.weight"] = pydl.zeros(1)
    before = {k: v.data.copy() for k, v in net.state_dict().items()}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "scale", "count".\n'
        '\tUnexpected key(s) in state_dict: "blocks.9.weight".\n'
        "\tsize mismatch for first.weight: copying a param with shape (4, 2) from checkpoint, "
        "the shape in current model is (4, 3).\n"
        '\t"first.bias": expected a tensor or an array, got str.'
    )
    assert all(np.array_equal(v.data, before[k]) for k, v in net.state_dict().items())
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)
    del state["first.weight"], state["first.bias"]
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == ["scale", "count", "first.weight", "first.bias"] and unexpected == ["blocks.9.weight"]
    assert (net.blocks[0][1].bias.data == 7).all()
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict([1])


def test_an_old_graph_does_not_use_loaded_weights():
    net = Net()
    y = net(pydl.ones(2, 3)).sum()
    net.load_state_dict(Net().state_dict())
    with pytest.raises(RuntimeError, match="modified by an in-place operation"):
        y.backward()


def test_errors_name_the_layer():
    net = nn.Sequential(Net(), nn.Identity())
    net[0].blocks[0][1] = nn.Linear(5, 4)
    with pytest.raises(RuntimeError, match=r"^0\.blocks\.0\.1 \(Linear\): linear: input \(2, 4\)"):
        net(pydl.ones(2, 3))
    with pytest.raises(RuntimeError, match=r"^linear: input"):
        nn.Linear(5, 4)(pydl.ones(2, 4))

    class Broken(nn.Module):
        def forward(self, x):
            raise FileNotFoundError(2, "no such file")

    with pytest.raises(FileNotFoundError) as error:
        nn.Sequential(Broken())(1)
    assert error.value.errno == 2
    with pytest.raises(NotImplementedError, match=r"0 \(Module\): Module has no forward"):
        nn.Sequential(nn.Module())(1)


def test_repr():
    net = Net()
    nn.init.zeros_(net.first.bias)
    lines = repr(net).split("\n")
    assert lines[0] == "Net(" and lines[-1] == ")  # scale ()"
    assert lines[1] == (
        "  (first): Linear(in_features=3, out_features=4, bias=True)"
        "  # weight (4, 3) kaiming_uniform(±0.577), bias (4,) zeros"
    )
    assert lines[4:6] == ["      (0): ReLU()", lines[5]]
    net.load_state_dict(Net().state_dict())
    assert "weight (4, 3) loaded" in repr(net)
    assert "weight (4, 3) loaded" in repr(copy.deepcopy(net))
    assert repr(nn.Module()) == "Module()"


def test_parameter():
    t = pydl.zeros(3)
    p = nn.Parameter(t)
    assert p.requires_grad and p.is_leaf and p.data is t.data and "Parameter containing:" in repr(p)
    with pytest.raises(RuntimeError, match="only floating"):
        nn.Parameter(pydl.tensor([1, 2]))
    assert not nn.Parameter(pydl.tensor([1, 2]), requires_grad=False).requires_grad
    q = copy.deepcopy(p)
    assert type(q) is nn.Parameter and q.data is not p.data and q.requires_grad


@pytest.mark.parity
def test_state_dict_keys_and_repr_are_torchs():
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(
            nn.Linear(3, 4), nn.ModuleDict({"a": nn.PReLU(3), "b": nn.Sequential(nn.GELU(), nn.ELU(0.5), nn.GLU())}),
            nn.ModuleList([nn.LeakyReLU(0.1, True), nn.Hardtanh(), nn.Softplus(), nn.Threshold(0.1, 2)]), nn.Flatten(),
            nn.Unflatten(1, (2, 3)), nn.Bilinear(2, 3, 4), nn.ParameterList([]), nn.Softshrink(0.25),
        )  # fmt: skip

    ours, theirs = build(nn), build(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [line.split("  #")[0] for line in repr(ours).split("\n")] == repr(theirs).split("\n")
    ours.load_state_dict(theirs.state_dict())
    assert np.array_equal(ours[0].weight.data, theirs[0].weight.detach().numpy())


def test_plain_tensors_can_stand_in_for_parameters():
    """What functional calls do: swap the entries of `_parameters`, and gradients flow to what the tensors come from."""
    net = nn.Sequential(nn.Linear(3, 2, bias=False))
    layer, kept = net[0], net[0].weight
    scale = pydl.tensor(2.0, requires_grad=True)
    layer._parameters["weight"] = kept.detach() * scale
    y = net(pydl.ones(1, 3)).sum()
    layer._parameters["weight"] = kept
    y.backward()
    np.testing.assert_allclose(scale.grad.item(), kept.data.sum(), rtol=1e-5, atol=1e-6)
    assert kept.grad is None and net[0].weight is kept
