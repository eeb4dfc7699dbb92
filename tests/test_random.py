"""Random numbers: the same for any number of threads and any split into calls, and distributed as they should be."""

import numpy as np
import pytest
from scipy import stats

import pydl
from pydl import random


def test_known_answers():
    """The first words of Philox4x32-10 for counter 0, key 0 (the known-answer file of Random123)."""
    pydl.manual_seed(0)
    words = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
    assert (pydl.rand(4).data == (words >> 8) * np.float32(2.0**-24)).all()


@pytest.mark.parametrize("make", [pydl.rand, pydl.randn, lambda n, **k: pydl.randint(-5, 2**40, (n,))])
@pytest.mark.parametrize("dtype", [pydl.float32, pydl.float64])
def test_numbers_depend_on_seed_and_place_alone(make, dtype):
    def made(n):
        pydl.manual_seed(5)
        return make(n, dtype=dtype).data

    threads = pydl.get_num_threads()
    long = made(9001)
    try:
        for t in (1, 2, 3):
            pydl.set_num_threads(t)
            assert (made(9001) == long).all()
    finally:
        pydl.set_num_threads(threads)
    for n in (0, 1, 31, 33, 257, 1024, 1025):
        assert (made(n) == long[:n]).all()
    assert not (make(9001).data == make(9001).data).any()  # successive calls take other counters


@pytest.mark.parametrize("dtype", [pydl.float32, pydl.float64])
def test_distributions(dtype):
    pydl.manual_seed(1)
    n = 200_000
    assert stats.kstest(pydl.rand(n, dtype=dtype).data.astype(float), "uniform").pvalue > 1e-3
    assert stats.kstest(pydl.randn(n, dtype=dtype).data.astype(float), "norm").pvalue > 1e-3
    assert stats.kstest(pydl.normal(3.0, 2.0, (n,), dtype=dtype).data.astype(float), stats.norm(3, 2).cdf).pvalue > 1e-3
    assert stats.chisquare(np.bincount(pydl.randint(0, 10, (n,)).data)).pvalue > 1e-3
    y = pydl.empty(n, dtype=dtype).uniform_(-2.0, 3.0).data
    assert y.min() >= -2.0
    assert y.max() < 3.0
    assert abs(pydl.bernoulli(pydl.full((n,), 0.3)).data.mean() - 0.3) < 0.005
    assert abs(pydl.empty(n).bernoulli_(0.7).data.mean() - 0.7) < 0.005


def test_normal_of_tensors():
    pydl.manual_seed(2)
    y = pydl.normal(pydl.tensor([0.0, 100.0]), pydl.tensor([[1.0], [0.0]]))
    assert y.shape == (2, 2)
    assert y.data[1].tolist() == [0.0, 100.0]


def test_randperm_and_multinomial():
    pydl.manual_seed(3)
    assert sorted(pydl.randperm(1000).tolist()) == list(range(1000))
    assert pydl.randperm(0).tolist() == []
    weights = pydl.tensor([[1.0, 0.0, 3.0, 6.0], [0.0, 1.0, 1.0, 0.0]])
    drawn = pydl.multinomial(weights, 20_000, replacement=True).data
    assert np.allclose(np.bincount(drawn[0], minlength=4) / 20_000, [0.1, 0.0, 0.3, 0.6], atol=0.02)
    assert set(drawn[1]) == {1, 2}
    firsts = [pydl.multinomial(weights[0], 3).tolist() for _ in range(2000)]
    assert all(sorted(f) == [0, 2, 3] for f in firsts)
    assert abs(np.mean([f[0] == 3 for f in firsts]) - 0.6) < 0.05


def test_state_goes_and_comes_back():
    g = random.Generator().manual_seed(7)
    pydl.randn(5, generator=g)
    state = g.get_state()
    first = pydl.rand(10, generator=g)
    assert (pydl.rand(10, generator=random.Generator().set_state(state)).data == first.data).all()
    assert g.initial_seed() == 7
    kept = pydl.get_rng_state()
    first = pydl.rand(3)
    pydl.set_rng_state(kept)
    assert (pydl.rand(3).data == first.data).all()


def test_dropout_in_place_and_between_calls():
    from pydl.ops.dropout import dropout

    pydl.manual_seed(4)
    x = pydl.ones(1000)
    assert not (dropout(x).data == dropout(x).data).all()
    y = dropout(x, 0.25, inplace=True)
    assert y is x
    assert abs((x.data == 0).mean() - 0.25) < 0.05


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pydl.randint(3, 3, (2,)), RuntimeError, "low 3 must be below high 3"),
        (lambda: pydl.manual_seed("a"), ValueError, "expected an integer of 64 bits"),
        (lambda: pydl.normal(0.0, -1.0, (2,)), RuntimeError, "standard deviation"),
        (lambda: pydl.bernoulli(pydl.tensor([2.0])), RuntimeError, "probabilities in"),
        (lambda: pydl.multinomial(pydl.tensor([1.0, 0.0]), 2), RuntimeError, "cannot draw 2 of 2"),
        (lambda: pydl.multinomial(pydl.tensor([1.0, -1.0]), 1), RuntimeError, "0 or more"),
        (lambda: random.Generator().set_state(pydl.zeros(3)), TypeError, "16 bytes"),
        (lambda: pydl.rand(2, dtype=pydl.int32), TypeError, "not int32"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
