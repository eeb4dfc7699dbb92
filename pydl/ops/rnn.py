"""Recurrent layers: one direction of one layer over whole sequences is one op; stacks and directions are built from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..backend import empty, empty_like
from ..create import zeros
from ..op import op
from ..tensor import Tensor
from .join import cat
from .matmul import linear

# fmt: off
__all__ = ["gru_cell", "lstm_cell", "rnn_relu_cell", "rnn_tanh_cell"]
# fmt: on


def _steps(sizes: tuple[int, ...], reverse: bool):
    """(step, first row, rows) in the order in which time runs."""
    starts = [0]
    for n in sizes:
        starts.append(starts[-1] + n)
    order = range(len(sizes))
    return [(t, starts[t], sizes[t]) for t in (reversed(order) if reverse else order)]


def _unroll(step: Callable, x: Tensor, states: tuple[Tensor, ...], sizes, reverse: bool) -> tuple[Tensor, ...]:
    """Runs `step(rows of x, *states) -> (output, *states)` over time; sequences that have ended keep their state."""
    outputs: list = [None] * len(sizes)
    for t, first, n in _steps(sizes, reverse):
        outputs[t], *new = step(x[first : first + n], *(s[:n] for s in states))
        states = tuple(s if n == len(old) else cat([s, old[n:]]) for s, old in zip(new, states, strict=True))
    return cat(outputs), *states


@op
def _rnn(x, h0, weight, *, relu, sizes, reverse):
    """h = f(x + W h'), f tanh or relu; x (N, H) rows of all steps in packed order, h0 (B, H), weight (H, H)."""

    def step(x, h):
        h = x + h @ weight.t()
        h = h.relu() if relu else h.tanh()
        return h, h

    return _unroll(step, x, (h0,), sizes, reverse)


@_rnn.forward
def _(k, x, h0, weight, *, relu, sizes, reverse):
    y, h = empty_like(x), empty_like(h0)
    k.rnn_forward(x, h0, weight, y, h, relu, sizes, reverse)
    return (y, h), (h0, weight, y)


@_rnn.backward
def _(k, saved, gy, gh, *, relu, sizes, reverse):
    h0, weight, y = saved
    gx, gh0, gweight = empty_like(y), empty_like(h0), empty_like(weight)
    k.rnn_backward(h0, weight, y, gy, gh, gx, gh0, gweight, relu, sizes, reverse)
    return gx, gh0, gweight


@op
def _gru(x, h0, weight, bias, *, sizes, reverse):
    """n = tanh(x_n + r (W_n h' + bias)), h = (1 - z) n + z h'; x (N, 3 H) in the order r, z, n, weight (3 H, H), bias (H,)."""

    def step(x, h):
        xr, xz, xn = x.chunk(3, 1)
        hr, hz, hn = (h @ weight.t()).chunk(3, 1)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        n = (xn + r * (hn if bias is None else hn + bias)).tanh()
        h = n + z * (h - n)
        return h, h

    return _unroll(step, x, (h0,), sizes, reverse)


@_gru.forward
def _(k, x, h0, weight, bias, *, sizes, reverse):
    y, h, gates = empty((x.shape[0], h0.shape[1]), x.dtype), empty_like(h0), empty_like(x)
    inner = empty_like(y)
    k.gru_forward(x, h0, weight, bias, y, h, gates, inner, sizes, reverse)
    return (y, h), (h0, weight, bias, y, gates, inner)


@_gru.backward
def _(k, saved, gy, gh, *, sizes, reverse):
    h0, weight, bias, y, gates, inner = saved
    gx, gh0, gweight = empty_like(gates), empty_like(h0), empty_like(weight)
    gbias = None if bias is None else empty_like(bias)
    k.gru_backward(h0, weight, y, gates, inner, gy, gh, gx, gh0, gweight, gbias, sizes, reverse)
    return gx, gh0, gweight, gbias


@op
def _lstm(x, h0, c0, weight, projection, *, sizes, reverse):
    """c = f c' + i g, h = P (o tanh(c)); x (N, 4 H) in the order i, f, g, o, weight (4 H, H or P), projection (P, H) or None."""

    def step(x, h, c):
        i, f, g, o = (x + h @ weight.t()).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        h = h if projection is None else h @ projection.t()
        return h, h, c

    return _unroll(step, x, (h0, c0), sizes, reverse)


@_lstm.forward
def _(k, x, h0, c0, weight, projection, *, sizes, reverse):
    y, h, c = empty((x.shape[0], h0.shape[1]), x.dtype), empty_like(h0), empty_like(c0)
    gates, cells = empty_like(x), empty((x.shape[0], c0.shape[1]), x.dtype)
    k.lstm_forward(x, h0, c0, weight, projection, y, h, c, gates, cells, sizes, reverse)
    return (y, h, c), (h0, c0, weight, projection, y, gates, cells)


@_lstm.backward
def _(k, saved, gy, gh, gc, *, sizes, reverse):
    h0, c0, weight, projection, y, gates, cells = saved
    gx, gh0, gc0, gweight = empty_like(gates), empty_like(h0), empty_like(c0), empty_like(weight)
    gprojection = None if projection is None else empty_like(projection)
    k.lstm_backward(
        h0, c0, weight, projection, y, gates, cells, gy, gh, gc, gx, gh0, gc0, gweight, gprojection, sizes, reverse
    )
    return gx, gh0, gc0, gweight, gprojection


# ---- layers and stacks


def _both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return a if b is None else b if a is None else a + b


def direction(
    kind: str, x: Tensor, states: Sequence[Tensor], weights: dict, sizes, reverse: bool
) -> tuple[Tensor, ...]:
    """One direction of one layer: outputs (N, ·) and the last states.

    kind "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"; x (N, I) in packed order; weights by PyTorch's names weight_ih, weight_hh,
    bias_ih, bias_hh, weight_hr (absent ones None).
    """
    bias_ih, bias_hh = weights.get("bias_ih"), weights.get("bias_hh")
    if kind == "GRU":  # the candidate's recurrent bias stands inside the reset gate's product
        inner = None
        if bias_hh is not None:
            hidden = states[0].shape[1]
            inner = bias_hh[2 * hidden :]
            outer = cat([bias_hh[: 2 * hidden], zeros(hidden, dtype=bias_hh.dtype)])
            bias_ih = _both(bias_ih, outer)
        gates = linear(x, weights["weight_ih"], bias_ih)
        return _gru(gates, states[0], weights["weight_hh"], inner, sizes=sizes, reverse=reverse)
    gates = linear(x, weights["weight_ih"], _both(bias_ih, bias_hh))
    if kind == "LSTM":
        return _lstm(gates, *states, weights["weight_hh"], weights.get("weight_hr"), sizes=sizes, reverse=reverse)
    return _rnn(gates, states[0], weights["weight_hh"], relu=kind == "RNN_RELU", sizes=sizes, reverse=reverse)


def _cell(kind: str, input, states, w_ih, w_hh, b_ih, b_hh) -> tuple[Tensor, ...]:
    """One step, as a sequence of length 1."""
    weights = {"weight_ih": w_ih, "weight_hh": w_hh, "bias_ih": b_ih, "bias_hh": b_hh}
    name = f"{kind.lower()}_cell"
    if input.ndim != 2 or input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(f"{name}: input has shape {input.shape}, expected (batch, {w_ih.shape[1]})")
    for s in states:
        if s.shape != (input.shape[0], w_hh.shape[1]):
            raise RuntimeError(f"{name}: state has shape {s.shape}, expected {(input.shape[0], w_hh.shape[1])}")
    return direction(kind, input, states, weights, (input.shape[0],), False)[1:]


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> tuple[Tensor, Tensor]:
    """One LSTM step: input (B, I), hx = (h, c) each (B, H), weights (4 H, I) and (4 H, H) in the order i, f, g, o."""
    h, c = _cell("LSTM", input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c


def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor:
    """One GRU step: input (B, I), hx (B, H), weights (3 H, I) and (3 H, H) in the order r, z, n."""
    return _cell("GRU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor:
    """tanh(W_ih x + b_ih + W_hh h + b_hh): input (B, I), hx (B, H)."""
    return _cell("RNN_TANH", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor:
    """relu(W_ih x + b_ih + W_hh h + b_hh): input (B, I), hx (B, H)."""
    return _cell("RNN_RELU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
