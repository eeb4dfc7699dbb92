"""Recurrent layers against PyTorch, with the same weights, and their errors."""

import numpy as np
import pytest

import pydl
from pydl import nn
from pydl.nn.packed import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence

KINDS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
    ("GRU", {}),
    ("GRU", {"bias": False, "batch_first": True}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 3}),
    ("GRU", {"num_layers": 3, "bidirectional": True}),
]


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_layers_agree_with_torch(kind, options, packed):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, kind)(4, 6, **options).double()
    ours = getattr(nn, kind)(4, 6, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = random(5, 3, 4)
    lengths = [3, 5, 2] if not options.get("batch_first") else [3, 1, 2, 3, 2]
    a, b = pydl.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    if packed:
        first = options.get("batch_first", False)
        y, state = ours(pack_padded_sequence(a, lengths, first, enforce_sorted=False))
        y, _ = pad_packed_sequence(y, first)
        pack = torch.nn.utils.rnn
        y2, state2 = theirs(pack.pack_padded_sequence(b, torch.tensor(lengths), first, enforce_sorted=False))
        y2, _ = pack.pad_packed_sequence(y2, first)
    else:
        (y, state), (y2, state2) = ours(a), theirs(b)
    states, states2 = ((s,) if kind != "LSTM" else s for s in (state, state2))
    np.testing.assert_allclose(y.data, y2.detach().numpy(), atol=1e-12)
    for s, s2 in zip(states, states2, strict=True):
        np.testing.assert_allclose(s.data, s2.detach().numpy(), atol=1e-12)
    (y.square().sum() + sum(s.sum() for s in states)).backward()
    (y2.square().sum() + sum(s.sum() for s in states2)).backward()
    np.testing.assert_allclose(a.grad.data, b.grad.numpy(), atol=1e-11)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), atol=1e-11)


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
@pytest.mark.parametrize("single", [False, True])
def test_cells_agree_with_torch(kind, single):
    torch = pytest.importorskip("torch")
    theirs, ours = getattr(torch.nn, kind)(4, 6).double(), getattr(nn, kind)(4, 6).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x, h = (random(4), random(6)) if single else (random(3, 4), random(3, 6))
    wrap = (lambda s: (s, s)) if kind == "LSTMCell" else (lambda s: s)
    for with_state in (False, True):
        y = ours(pydl.tensor(x), *([wrap(pydl.tensor(h))] if with_state else []))
        y2 = theirs(torch.tensor(x), *([wrap(torch.tensor(h))] if with_state else []))
        for a, b in zip(y if kind == "LSTMCell" else [y], y2 if kind == "LSTMCell" else [y2], strict=True):
            np.testing.assert_allclose(a.data, b.detach().numpy(), atol=1e-12)


def test_steps_of_a_cell_make_a_layer():
    pydl.manual_seed(0)
    layer, cell = nn.LSTM(4, 6), nn.LSTMCell(4, 6)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = pydl.randn(5, 3, 4)
    y, (h, c) = layer(x)
    state = None
    for t in range(5):
        state = cell(x[t], state)
        assert np.allclose(state[0].data, y[t].data, atol=1e-6)
    assert np.allclose(state[1].data, c[0].data, atol=1e-6)
    assert np.array_equal(h[0].data, y[4].data)


def test_packing_and_padding_are_inverse():
    sequences = [pydl.randn(n, 2) for n in (2, 5, 1, 3)]
    padded = pad_sequence(sequences, padding_value=7.0)
    assert padded.shape == (5, 4, 2)
    back, lengths = pad_packed_sequence(
        pack_sequence(sequences, enforce_sorted=False), padding_value=7.0, total_length=6
    )
    assert lengths.tolist() == [2, 5, 1, 3]
    assert np.array_equal(back.data[:5], padded.data)
    assert (back.data[5] == 7.0).all()


def test_dropout_lies_between_layers_and_only_in_training():
    pydl.manual_seed(0)
    layer = nn.GRU(3, 8, num_layers=2, dropout=0.5)
    x = pydl.randn(4, 2, 3)
    assert not np.array_equal(layer(x)[0].data, layer(x)[0].data)
    layer.eval()
    assert np.array_equal(layer(x)[0].data, layer(x)[0].data)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.LSTM(4, 6)(pydl.zeros(5, 3, 7)), "input has 7 features, expected input_size 4"),
        (lambda: nn.LSTM(4, 6)(pydl.zeros(0, 3, 4)), "at least one step"),
        (
            lambda: nn.GRU(4, 6)(pydl.zeros(5, 3, 4), pydl.zeros(1, 2, 6)),
            r"state has shape \(1, 2, 6\), expected \(1, 3, 6\)",
        ),
        (lambda: nn.RNN(4, 6)(pydl.zeros(4)), "2 or 3 axes"),
        (lambda: nn.RNN(4, 6, nonlinearity="sin"), "'tanh' or 'relu', got 'sin'"),
        (lambda: nn.LSTM(4, 6, proj_size=6), "proj_size"),
        (lambda: nn.GRUCell(4, 6)(pydl.zeros(2, 5)), r"input has shape \(2, 5\), expected \(batch, 4\)"),
        (lambda: pack_padded_sequence(pydl.zeros(3, 2, 1), [2, 4]), "lengths run from 2 to 4, expected 1 to 3"),
        (lambda: pack_padded_sequence(pydl.zeros(3, 2, 1), [2, 3]), "enforce_sorted"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((RuntimeError, ValueError), match=message):
        call()
