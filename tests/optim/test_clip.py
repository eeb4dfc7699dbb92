import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.optim.clip import (
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)

SHAPES = [(3, 5), (0,), (4099,), (1,), (33,), (40_000,)]


def parameters(dtype=np.float32, scale=1.0):
    rng = np.random.default_rng(0)
    params = [nn.Parameter(np.zeros(s, dtype)) for s in SHAPES]
    for p in params:
        p.grad = pydl.tensor((scale * rng.standard_normal(p.shape)).astype(dtype))
    return [*params, nn.Parameter(np.zeros(2, dtype))]  # the last has no gradient


def flat(params):
    return np.concatenate([p.grad.data.reshape(-1) for p in params if p.grad is not None]).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm_type", [2.0, 1, 3.0, float("inf")])
def test_norm_and_scale(dtype, norm_type):
    params = parameters(dtype)
    before = flat(params)
    norm = np.linalg.norm(before, norm_type)
    total = clip_grad_norm_(params, norm / 4, norm_type)
    assert total.dtype == dtype and total.shape == ()
    np.testing.assert_allclose(total.item(), norm, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(flat(params), before / 4, rtol=1e-5)
    kept = flat(params)
    clip_grad_norm_(iter(params), 2 * norm, norm_type)
    assert np.array_equal(flat(params), kept)


def test_large_gradients_do_not_overflow():
    params = parameters(scale=1e30)
    total = clip_grad_norm_(params, 1.0)
    assert np.isfinite(total.item()) and np.linalg.norm(flat(params)) == pytest.approx(1.0, rel=1e-5)


def test_nonfinite():
    params = parameters()
    params[0].grad.data[0, 0] = np.nan
    kept = flat(params)
    with pytest.raises(RuntimeError, match="non-finite, so it cannot be clipped"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert np.array_equal(flat(params), kept, equal_nan=True)
    assert np.isnan(clip_grad_norm_(params, 1.0).item()) and np.isnan(flat(params)).all()


def test_same_bits_for_any_number_of_threads():
    params, threads = parameters(), pydl.get_num_threads()
    norms = set()
    try:
        for n in (1, 2, 3):
            pydl.set_num_threads(n)
            norms.add(get_total_norm([p.grad.double() for p in params[:-1]]).item())
    finally:
        pydl.set_num_threads(threads)
    assert len(norms) == 1


def test_nothing_to_clip():
    assert clip_grad_norm_([nn.Parameter(np.ones(1))], 1.0).item() == 0.0
    p = nn.Parameter(np.ones(2))
    p.grad = pydl.tensor([3.0, 4.0], dtype=pydl.float64)
    assert clip_grad_norm_(p, 1.0).item() == 5.0


def test_value():
    params = parameters()
    before = flat(params)
    clip_grad_value_(params, 0.5)
    assert np.array_equal(flat(params), before.clip(-0.5, 0.5))


def test_torchs_name_of_the_module():
    from pydl.nn.utils import clip_grad_norm_ as same
    from pydl.nn.utils.rnn import pack_padded_sequence

    assert nn.utils.clip_grad_norm_ is same is clip_grad_norm_
    assert nn.utils.rnn.pack_padded_sequence is pack_padded_sequence


def test_vectors():
    net = nn.Linear(3, 2)
    v = parameters_to_vector(net.parameters())
    assert v.shape == (8,) and v.requires_grad
    vector_to_parameters(pydl.arange(8.0), net.parameters())
    assert net.weight.tolist() == [[0, 1, 2], [3, 4, 5]] and net.bias.tolist() == [6, 7]


@pytest.mark.parity
@pytest.mark.parametrize("norm_type", [2.0, 1.5, float("inf")])
def test_torch(norm_type):
    torch = pytest.importorskip("torch")
    params = [p for p in parameters(np.float64) if p.numel()]  # torch has no infinity norm of nothing
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in params]
    for p, t in zip(params, theirs, strict=True):
        t.grad = None if p.grad is None else torch.from_numpy(p.grad.data.copy())
    a = clip_grad_norm_(params, 3.0, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, 3.0, norm_type)
    assert a.item() == pytest.approx(b.item(), rel=1e-13)
    for p, t in zip(params[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(p.grad.data, t.grad.numpy(), rtol=1e-12)
