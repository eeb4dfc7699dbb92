"""Random programs of views, in-place writes and reads: PyTorch's values and gradients, and its refusals."""

import random

import numpy as np
import pytest

import pydl

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

A = np.random.default_rng(0).standard_normal((3, 4))

VIEWS = [
    lambda v, i: v.t() if v.ndim == 2 else v[i:],
    lambda v, i: v[i],
    lambda v, i: v[i:],
    lambda v, i: v[:, ::2] if v.ndim == 2 else v[::2],
    lambda v, i: v.reshape(-1),
    lambda v, i: v.unsqueeze(0)[0],
]
CHANGES = [
    lambda u, s: u * s,
    lambda u, s: u + s,
    lambda u, s: u - s,
    lambda u, s: u.sin(),
    lambda u, s: u.tanh(),
    lambda u, s: (u * 0.1).exp(),
    lambda u, s: u * u,
]
WRITES = [
    lambda v, s: v.mul_(s),
    lambda v, s: v.add_(s),
    lambda v, s: v.sub_(s),
    lambda v, s: v.sin_(),
    lambda v, s: v.tanh_(),
    lambda v, s: v.mul_(0.1).exp_(),
    lambda v, s: v.mul_(v.clone()),
]


def run(library, seed):
    """(value, gradient of x, gradient of w) of the program with this seed, or the word that says it was refused."""
    rng = random.Random(seed)
    x = library.tensor(A, dtype=library.float64, requires_grad=True)
    w = library.tensor(A[::-1] * 0.5, dtype=library.float64, requires_grad=True)
    tensors, total = [x * 2.0], (x * 0.0).sum()
    for _ in range(rng.randint(2, 9)):
        v = rng.choice(tensors)
        i = rng.randrange(v.shape[0])
        s = w[0, :1] * 1.5 if rng.random() < 0.6 else 0.7
        step = rng.choice(
            ["view", "view", "view", "write", "write", "write", "set", "read", "scale", "clone", "detach"]
        )
        if step == "view":
            u = rng.choice(VIEWS)(v, i)
            tensors += [u] if u.ndim else []
        elif step == "write":
            k = rng.randrange(len(WRITES))
            if library is torch:  # which does not keep what `mul_` itself overwrites; the same in a form that does
                v.copy_(CHANGES[k](v.clone(), s))
            else:
                WRITES[k](v, s)
        elif step == "set":
            v[i] = w[0, 0] * 2.0 if rng.random() < 0.5 else 0.25
        elif step == "read":
            total = total + ((v * v).sum() if rng.random() < 0.4 else (v * 3.0).sum())
        elif step == "scale":
            with library.no_grad():
                v.mul_(1.1)
        elif step == "clone":
            tensors.append(v.clone())
        else:
            total = total + (v.detach() * w[0, 0]).sum()
    for i, v in enumerate(tensors):
        total = total + (v * (1.0 + i)).sum()
    try:
        total.backward()
    except RuntimeError as error:
        assert "modified" in str(error)
        return "refused"
    return [np.zeros(A.shape) if t is None else np.asarray(t.detach()) for t in (total, x.grad, w.grad)]


@pytest.mark.parametrize("block", range(4))
def test_programs_agree(block):
    refused = 0
    for seed in range(100 * block, 100 * (block + 1)):
        ours, theirs = run(pydl, seed), run(torch, seed)
        if isinstance(ours, str) or isinstance(theirs, str):
            assert isinstance(ours, str) and isinstance(theirs, str), f"program {seed}: {ours} and {theirs}"
            refused += 1
            continue
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=f"program {seed}")
    assert 0 < refused < 50  # both kinds occur
