import numpy as np
import pytest

import pydl
from pydl import nn, optim


def parameter(*values, dtype=np.float64):
    return nn.Parameter(np.array(values, dtype))


def with_gradient(*values, dtype=np.float64):
    p = parameter(*values, dtype=dtype)
    p.grad = pydl.tensor(np.ones(p.shape, dtype))
    return p


ALL = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad]


def test_what_can_be_optimized():
    p = parameter(1.0)
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="iterable of tensors"):
        optim.SGD(p)
    with pytest.raises(TypeError, match="one of the params is float"):
        optim.SGD([1.0])
    with pytest.raises(ValueError, match="non-leaf"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match="more than one"):
        optim.SGD([{"params": [p]}, {"params": p}])
    with pytest.raises(TypeError, match="unknown options \\['momentun'\\]"):
        optim.SGD([{"params": [p], "momentun": 0.9}])


def test_named_parameters():
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"] == [net.weight, net.bias]


@pytest.mark.parametrize("cls", ALL)
def test_mixed_dtypes_and_layouts(cls):
    a, b = with_gradient(1.0, 2.0), with_gradient(1.0, 2.0, dtype=np.float32)
    c = nn.Parameter(np.ones((3, 4)).T)
    c.grad = pydl.tensor(np.ones((4, 3)))
    before = c.data
    cls([a, c, b], lr=0.1).step()
    assert c.data is before and not c.data.flags.c_contiguous
    assert a.dtype == np.float64 and b.dtype == np.float32
    np.testing.assert_allclose(a.data, b.data, atol=1e-6)
    np.testing.assert_allclose(c.data, a.data[0], rtol=1e-12)


@pytest.mark.parametrize("cls", ALL)
def test_an_old_graph_does_not_use_new_values(cls):
    w = parameter(2.0, 3.0)
    loss = (w * w).sum()
    w.grad = pydl.tensor(np.ones(2))
    cls([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an in-place operation"):
        loss.backward()


@pytest.mark.parametrize("cls", ALL)
def test_resume_is_exact(cls):
    rng = np.random.default_rng(0)
    start, grads = rng.standard_normal(50).astype(np.float32), rng.standard_normal((6, 50)).astype(np.float32)
    options = {"momentum": 0.9} if cls in (optim.SGD, optim.RMSprop) else {}
    p = nn.Parameter(start.copy())
    optimizer = cls([p], lr=0.1, **options)
    for i, g in enumerate(grads):
        if i == 3:
            q, saved = nn.Parameter(p.data.copy()), optimizer.state_dict()
            other = cls([q], lr=0.7, **options)
            other.load_state_dict(saved)
            assert other.param_groups[0]["lr"] == 0.1
        p.grad = pydl.tensor(g)
        optimizer.step()
        if i >= 3:
            q.grad = pydl.tensor(g)
            other.step()
    assert np.array_equal(p.data, q.data)


def test_state_dict_format():
    p, q = with_gradient(1.0), with_gradient(2.0)
    optimizer = optim.Adam([{"params": [p]}, {"params": [q], "lr": 0.5}])
    optimizer.step()
    saved = optimizer.state_dict()
    assert [g["params"] for g in saved["param_groups"]] == [[0], [1]]
    assert saved["param_groups"][1]["lr"] == 0.5
    assert set(saved["state"]) == {0, 1}
    assert saved["state"][0]["step"].data == 1.0 and saved["state"][0]["step"].dtype == np.float32


def test_wrong_state_dicts():
    p = with_gradient(1.0, 2.0)
    optimizer = optim.Adam([p])
    optimizer.step()
    saved = optimizer.state_dict()
    with pytest.raises(ValueError, match="has 1 parameter groups, the optimizer has 2"):
        optim.Adam([{"params": [parameter(1.0)]}, {"params": [parameter(1.0)]}]).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"\[1\] parameters in the groups, expected \[2\]"):
        optim.Adam([parameter(1.0), parameter(1.0)]).load_state_dict(saved)
    other = optim.Adam([parameter(1.0)])
    with pytest.raises(ValueError, match=r"'exp_avg' of parameter 0 has shape \(2,\), the parameter has \(1,\)"):
        other.load_state_dict(saved)
    assert not other.state


def test_wrong_gradients():
    p = with_gradient(1.0, 2.0)
    p.data = np.ones(3)  # the parameter changed behind its gradient's back
    with pytest.raises(ValueError, match=r"sgd: gradient 0 is float64 \(2,\), its parameter is float64 \(3,\)"):
        optim.SGD([p]).step()
    p = nn.Parameter(np.broadcast_to(np.ones(1), (4,)))
    p.grad = pydl.tensor(np.ones(4))
    with pytest.raises(ValueError, match="read-only"):
        optim.SGD([p]).step()


def test_closure_and_zero_grad():
    p = parameter(3.0)
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pydl.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert p.item() == 1.5
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.item() == 0.0
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("cls", ALL)
def test_threads_do_not_change_a_bit(cls):
    rng = np.random.default_rng(0)
    starts, grads = ([rng.standard_normal(n).astype(np.float32) for n in (5, 100_003, 33, 40_000)] for _ in range(2))
    results = []
    threads = pydl.get_num_threads()
    try:
        for n in (1, 2, 3):
            pydl.set_num_threads(n)
            params = [nn.Parameter(a.copy()) for a in starts]
            for p, g in zip(params, grads, strict=True):
                p.grad = pydl.tensor(g)
            optimizer = cls(params, lr=0.1)
            optimizer.step(), optimizer.step()
            results.append(np.concatenate([p.data for p in params]))
    finally:
        pydl.set_num_threads(threads)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


@pytest.mark.parametrize("n", [0, 1, 31, 33, 257, 16_385])
@pytest.mark.parametrize("cls", ALL)
def test_kernels_stay_inside_their_arrays(cls, n, monkeypatch):
    made = []

    def between_guards(array):
        memory = 7 * np.ones(n + 32, np.float32)
        memory[16 : 16 + n] = array
        made.append(memory)
        return memory[16 : 16 + n]

    plain = np.full
    monkeypatch.setattr(np, "full", lambda *args: between_guards(plain(*args)))
    p = nn.Parameter(between_guards(np.ones(n)))
    p.grad = pydl.Tensor(between_guards(np.ones(n)))
    options = {"momentum": 0.9} if cls in (optim.SGD, optim.RMSprop) else {}
    optimizer = cls([p], lr=0.1, **options)
    optimizer.step(), optimizer.step()
    assert len(made) >= 3
    assert all((m[:16] == 7).all() and (m[16 + n :] == 7).all() for m in made)


def test_functional_takes_dicts():
    params = {"w": pydl.tensor([1.0]), "b": pydl.tensor([2.0])}
    new, state = optim.SGD.functional(params, {"w": pydl.tensor([1.0]), "b": None}, lr=0.5, momentum=0.9)
    assert new["w"].item() == 0.5 and new["b"].item() == 2.0
    assert state["w"]["momentum_buffer"].item() == 1.0 and state["b"] == {}
    with pytest.raises(TypeError, match="unknown options"):
        optim.SGD.functional(params, params, rate=1)


def test_repr():
    assert "lr: 0.1" in repr(optim.SGD([parameter(1.0)], lr=0.1))
