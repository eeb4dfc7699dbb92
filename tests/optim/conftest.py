"""What every optimizer must pass: its kernel against its reference in tensor ops, and against PyTorch's optimizer."""

import numpy as np
import pytest

import pydl
from pydl import nn

SHAPES = [(0,), (1,), (33,), (4099,), (3, 5), ()]
STEPS = 12


def numbers(seed: int, dtype):
    rng = np.random.default_rng(seed)
    start = [np.asarray(rng.standard_normal(s)).astype(dtype) for s in SHAPES]
    grads = [[np.asarray(rng.standard_normal(s)).astype(dtype) for s in SHAPES] for _ in range(STEPS)]
    for g in grads:
        g[2][:5] = 0.0  # elements that no gradient ever reaches
    for g in grads[:2]:
        g[4] = None  # a parameter that joins later
    return start, grads


def groups(params: list, options: dict, second: dict) -> list[dict]:
    """Two groups, the second with options of its own."""
    return [{"params": params[:3], **options}, {"params": params[3:], **{**options, **second}}]


def run(optimizer, params, grads, tensor):
    for step in grads:
        for p, g in zip(params, step, strict=True):
            p.grad = None if g is None else tensor(g)
        optimizer.step()


def close(got, want, dtype, what):
    scale = np.abs(want).max(initial=1.0)
    np.testing.assert_allclose(got, want, rtol=0, atol=64 * np.finfo(dtype).eps * scale, err_msg=what)


@pytest.fixture
def against_reference():
    def check(cls, second: dict, **options):
        for dtype in (np.float32, np.float64):
            start, grads = numbers(0, dtype)
            params = [nn.Parameter(a.copy()) for a in start]
            optimizer = cls(groups(params, options, second))
            run(optimizer, params, grads, pydl.tensor)
            values, states = [pydl.tensor(a.astype(np.float64)) for a in start], [{} for _ in start]
            for step in grads:
                wide = [None if g is None else pydl.tensor(g.astype(np.float64)) for g in step]
                a, sa = cls.functional(values[:3], wide[:3], states[:3], **options)
                b, sb = cls.functional(values[3:], wide[3:], states[3:], **{**options, **second})
                values, states = a + b, sa + sb
            for i, (p, want, state) in enumerate(zip(params, values, states, strict=True)):
                assert p.data.dtype == dtype
                close(p.data, want.data, dtype, f"parameter {i}")
                assert optimizer.state[p].keys() == state.keys()
                for name, value in state.items():
                    found = optimizer.state[p][name]
                    if name == "step":
                        assert found == value
                    else:
                        close(found.data, value.data, dtype, f"{name} of parameter {i}")

    return check


@pytest.fixture
def against_torch():
    torch = pytest.importorskip("torch")

    def check(cls, second: dict, **options):
        peer = getattr(torch.optim, cls.__name__)
        for dtype in (np.float32, np.float64):
            start, grads = numbers(1, dtype)
            params = [nn.Parameter(a.copy()) for a in start]
            theirs = [torch.nn.Parameter(torch.from_numpy(a.copy())) for a in start]
            optimizer, other = cls(groups(params, options, second)), peer(groups(theirs, options, second), **options)
            run(optimizer, params, grads[:5], pydl.tensor)
            run(other, theirs, grads[:5], torch.tensor)
            # over to the other's state and on from there: the formats are the same
            theirs_dict = other.state_dict()
            mine = optimizer.state_dict()
            assert {i: set(s) for i, s in mine["state"].items()} == {
                i: {k for k, v in s.items() if v is not None} for i, s in theirs_dict["state"].items()
            }
            optimizer = cls(groups(params, options, second))
            optimizer.load_state_dict(theirs_dict)
            run(optimizer, params, grads[5:], pydl.tensor)
            run(other, theirs, grads[5:], torch.tensor)
            for i, (p, t) in enumerate(zip(params, theirs, strict=True)):
                close(p.data, t.detach().numpy(), dtype, f"parameter {i}")

    return check
