import math

import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.nn import init

SHAPES = [(200, 300), (40, 30, 5, 5)]


def drawn(function, shape=(200, 300), **options):
    pydl.manual_seed(0)
    p = nn.Parameter(np.empty(shape, np.float32))
    assert function(p, **options) is p
    assert p.init.startswith(function.__name__.strip("_"))
    return p.data.astype(np.float64)


def close_to(x, std, mean=0.0):
    np.testing.assert_allclose(x.std(), std, rtol=0.02)
    np.testing.assert_allclose(x.mean(), mean, atol=4 * std / math.sqrt(x.size))


@pytest.mark.parametrize("shape", SHAPES)
def test_variances(shape):
    fan_in, fan_out = math.prod(shape[1:]), shape[0] * math.prod(shape[2:])
    close_to(drawn(init.xavier_normal_, shape), math.sqrt(2 / (fan_in + fan_out)))
    close_to(drawn(init.xavier_uniform_, shape, gain=3), 3 * math.sqrt(2 / (fan_in + fan_out)))
    close_to(drawn(init.xavier_normal_, shape, mode="fan_in"), math.sqrt(1 / fan_in))  # the course's form
    close_to(drawn(init.xavier_uniform_, shape, mode="fan_in"), math.sqrt(1 / fan_in))
    close_to(drawn(init.kaiming_normal_, shape, nonlinearity="relu"), math.sqrt(2 / fan_in))
    close_to(drawn(init.kaiming_uniform_, shape, a=math.sqrt(5)), math.sqrt(1 / 3 / fan_in))
    close_to(drawn(init.kaiming_normal_, shape, mode="fan_out", nonlinearity="tanh"), 5 / 3 / math.sqrt(fan_out))


def test_xavier_keeps_the_variance_of_activations():
    """Var(z) = Var(a) with Var(W) = 1 / D_a: the course's derivation, over several layers."""
    pydl.manual_seed(0)
    a = pydl.randn(256, 512)
    for _ in range(5):
        w = init.xavier_normal_(pydl.empty(512, 512), mode="fan_in")
        a = pydl.nn.functional.linear(a, w)
    assert a.data.var() == pytest.approx(1.0, rel=0.1)


def test_plain_distributions():
    close_to(drawn(init.normal_, mean=2.0, std=0.5), 0.5, 2.0)
    x = drawn(init.uniform_, a=-1.0, b=3.0)
    close_to(x, 4 / math.sqrt(12), 1.0)
    assert x.min() >= -1 and x.max() < 3


def test_truncated_normal():
    from scipy import stats

    for low, high in ((-2.0, 2.0), (0.0, 1.0), (-4.0, -1.5)):
        x = drawn(init.trunc_normal_, mean=0.5, std=2.0, a=low, b=high)
        assert x.min() >= low and x.max() <= high
        p = stats.kstest(x.reshape(-1)[:5000], stats.truncnorm((low - 0.5) / 2, (high - 0.5) / 2, 0.5, 2.0).cdf).pvalue
        assert p > 1e-3
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(pydl.empty(2), 0.0, 0.1, 3.0, 4.0)


def test_constants():
    assert (drawn(init.constant_, (2, 3), val=7) == 7).all()
    assert (drawn(init.zeros_) == 0).all() and (drawn(init.ones_) == 1).all()
    assert np.array_equal(drawn(init.eye_, (2, 3)), np.eye(2, 3))
    count = pydl.tensor(5)
    assert init.zeros_(count).item() == 0 and count.dtype == np.int64


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape):
    q = drawn(init.orthogonal_, shape, gain=2).reshape(shape[0], -1)
    small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_dirac_is_the_identity():
    x = pydl.randn(2, 4, 7)
    w = init.dirac_(pydl.empty(4, 4, 3))
    np.testing.assert_array_equal(nn.functional.conv1d(x, w, padding=1).data, x.data)
    w = init.dirac_(pydl.empty(4, 2, 3), groups=2)
    np.testing.assert_array_equal(nn.functional.conv1d(x, w, padding=1, groups=2).data, x.data)


def test_sparse():
    x = drawn(init.sparse_, (50, 40), sparsity=0.31, std=0.1)
    assert ((x == 0).sum(0) == 16).all() and x.std() == pytest.approx(0.1 * math.sqrt(1 - 0.32), rel=0.1)


def test_generator():
    a, b = pydl.Generator().manual_seed(3), pydl.Generator().manual_seed(3)
    x = init.kaiming_normal_(pydl.empty(4, 4), generator=a)
    y = init.kaiming_normal_(pydl.empty(4, 4), generator=b)
    assert np.array_equal(x.data, y.data)


def test_parameters_are_leaves_and_stay_so():
    p = nn.Parameter(np.empty((3, 3), np.float32))
    loss = (p * p).sum()
    init.normal_(p)
    assert p.is_leaf and p.requires_grad
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()


def test_errors():
    with pytest.raises(ValueError, match="need at least 2 axes"):
        init.kaiming_normal_(pydl.empty(3))
    with pytest.raises(ValueError, match="Mode fan_all not supported"):
        init.kaiming_normal_(pydl.empty(3, 3), mode="fan_all")
    with pytest.raises(ValueError, match="mode must be"):
        init.xavier_normal_(pydl.empty(3, 3), mode="fan_out")
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        init.calculate_gain("sine")
    with pytest.raises(ValueError, match="only tensors with 2 axes"):
        init.eye_(pydl.empty(3))
    with pytest.raises(ValueError, match="divisible by groups"):
        init.dirac_(pydl.empty(3, 1, 3), groups=2)


@pytest.mark.parity
def test_gains_are_torchs():
    torch = pytest.importorskip("torch")
    for name, a in (("linear", None), ("conv2d", None), ("tanh", None), ("relu", None), ("leaky_relu", 0.3),
                    ("leaky_relu", None), ("selu", None), ("sigmoid", None)):  # fmt: skip
        assert init.calculate_gain(name, a) == torch.nn.init.calculate_gain(name, a)
