"""Recurrent layers: Elman networks, LSTM, GRU, and their single steps."""

from __future__ import annotations

import math

from .. import create
from ..ops.join import cat, stack
from ..ops.rnn import direction, gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .packed import PackedSequence
from .parameter import Parameter


class RNNBase(Module):
    """Layers and directions over whole sequences. Weights and biases begin uniform in ±1/√hidden_size."""

    gates = 1

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if hidden_size <= 0 or num_layers <= 0:
            raise ValueError(f"hidden_size and num_layers must be positive, got {hidden_size} and {num_layers}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a probability in [0, 1], got {dropout}")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(
                f"proj_size must be at least 0 and smaller than hidden_size {hidden_size}, got {proj_size}"
            )
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        out_size = proj_size or hidden_size
        for suffix in self._suffixes():
            first = suffix.startswith("l0")
            shapes = {
                "weight_ih": (self.gates * hidden_size, input_size if first else out_size * (1 + bidirectional)),
                "weight_hh": (self.gates * hidden_size, out_size),
                **({"bias_ih": (self.gates * hidden_size,), "bias_hh": (self.gates * hidden_size,)} if bias else {}),
                **({"weight_hr": (proj_size, hidden_size)} if proj_size else {}),
            }
            for name, shape in shapes.items():
                self.register_parameter(f"{name}_{suffix}", Parameter(create.empty(shape, dtype=dtype, device=device)))
        self.reset_parameters()

    def _suffixes(self) -> list[str]:
        ends = ["", "_reverse"] if self.bidirectional else [""]
        return [f"l{layer}{end}" for layer in range(self.num_layers) for end in ends]

    def reset_parameters(self) -> None:
        """Draws all weights and biases anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do: weights are packed once a sequence anyway. For programs that call it."""

    def _weights(self, suffix: str) -> dict[str, Parameter | None]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return {name: self._parameters.get(f"{name}_{suffix}") for name in names}

    def _run(self, rows: Tensor, states: list[Tensor], sizes: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
        """All layers over packed rows; states: one (layers · directions, B, ·) each."""
        directions = 1 + self.bidirectional
        suffixes, last = self._suffixes(), []
        for layer in range(self.num_layers):
            outputs = []
            for d in range(directions):
                i = layer * directions + d
                y, *new = direction(self.mode, rows, [s[i] for s in states], self._weights(suffixes[i]), sizes, d == 1)
                outputs.append(y)
                last.append(new)
            rows = outputs[0] if directions == 1 else cat(outputs, 1)
            if self.dropout and layer + 1 < self.num_layers:
                rows = F.dropout(rows, self.dropout, self.training)
        return rows, [stack(list(s)) for s in zip(*last, strict=True)]

    def _state_sizes(self) -> list[int]:
        return [self.proj_size or self.hidden_size]

    def forward(self, input, hx=None):
        """input (T, B, I), (B, T, I) with batch_first, (T, I), or packed; hx (layers · directions, B, H) or None: zeros.

        Returns the outputs of the last layer in the input's form and the last states (a pair (h, c) for LSTM).
        """
        packed = isinstance(input, PackedSequence)
        if packed:
            rows, sizes = input.data, tuple(input.batch_sizes.tolist())
        elif input.ndim in (2, 3):
            single = input.ndim == 2
            x = input.unsqueeze(1) if single else input.transpose(0, 1) if self.batch_first else input
            rows, sizes = x.reshape(-1, x.shape[-1]), (x.shape[1],) * x.shape[0]
        else:
            raise RuntimeError(f"{type(self).__name__}: input must have 2 or 3 axes, got shape {input.shape}")
        if rows.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{type(self).__name__}: input has {rows.shape[-1]} features, expected input_size {self.input_size}"
            )
        if not sizes:
            raise RuntimeError(f"{type(self).__name__}: a sequence has at least one step, got input {input.shape}")
        batch = sizes[0]
        lead = (self.num_layers * (1 + self.bidirectional), batch)
        if hx is None:
            states = [create.zeros(*lead, n, dtype=rows.dtype) for n in self._state_sizes()]
        else:
            states = list(hx) if isinstance(hx, tuple | list) else [hx]
            states = states if packed or not single else [s.unsqueeze(1) for s in states]
            if packed and input.sorted_indices is not None:
                states = [s.index_select(1, input.sorted_indices) for s in states]
            for s, n in zip(states, self._state_sizes(), strict=True):
                if s.shape != (*lead, n):
                    raise RuntimeError(f"{type(self).__name__}: state has shape {s.shape}, expected {(*lead, n)}")
        rows, states = self._run(rows, states, sizes)
        if packed:
            output = PackedSequence(rows, *input[1:])
            if input.unsorted_indices is not None:
                states = [s.index_select(1, input.unsorted_indices) for s in states]
        else:
            output = rows.reshape(len(sizes), batch, rows.shape[1])
            output = output.squeeze(1) if single else output.transpose(0, 1) if self.batch_first else output
            states = [s.squeeze(1) for s in states] if single else states
        return output, tuple(states) if len(states) > 1 else states[0]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        parts += [f"{n}={getattr(self, n)}" for n, d in defaults.items() if getattr(self, n) != d]
        return ", ".join(parts + (["bidirectional=True"] if self.bidirectional else []))


class RNN(RNNBase):
    """Elman network: h = f(W_ih x + b_ih + W_hh h' + b_hh), f "tanh" or "relu"; see RNNBase for shapes."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", *args, **kwargs
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self_mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(self_mode, input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """Gated recurrent unit (Cho et al. 2014): n = tanh(W_in x + b_in + r (W_hn h' + b_hn)), h = (1 - z) n + z h'."""

    gates = 3

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *args, **kwargs):
        super().__init__("GRU", input_size, hidden_size, num_layers, *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997): c = f c' + i g, h = o tanh(c), projected with proj_size."""

    gates = 4

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *args, **kwargs):
        super().__init__("LSTM", input_size, hidden_size, num_layers, *args, **kwargs)

    def _state_sizes(self) -> list[int]:
        return [self.proj_size or self.hidden_size, self.hidden_size]


class RNNCellBase(Module):
    """One step. Weights and biases begin uniform in ±1/√hidden_size."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool, gates: int, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        shapes = {"weight_ih": (gates * hidden_size, input_size), "weight_hh": (gates * hidden_size, hidden_size)}
        for name, shape in shapes.items():
            self.register_parameter(name, Parameter(create.empty(shape, dtype=dtype, device=device)))
        for name in ("bias_ih", "bias_hh"):
            value = Parameter(create.empty(gates * hidden_size, dtype=dtype, device=device)) if bias else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all weights and biases anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _step(self, cell, input, hx, states: int):
        """Runs `cell` on a batch; without one on a batch of one."""
        if input.ndim not in (1, 2):
            raise RuntimeError(f"{type(self).__name__}: input must have 1 or 2 axes, got shape {input.shape}")
        single = input.ndim == 1
        x = input.unsqueeze(0) if single else input
        if hx is None:
            zero = create.zeros(x.shape[0], self.hidden_size, dtype=x.dtype)
            hx = zero if states == 1 else (zero, zero)
        elif single:
            hx = hx.unsqueeze(0) if states == 1 else tuple(s.unsqueeze(0) for s in hx)
        new = cell(x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if not single:
            return new
        return new.squeeze(0) if states == 1 else tuple(s.squeeze(0) for s in new)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """One step of an Elman network: input (B, I) and h (B, H) to h (B, H)."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        return self._step(rnn_relu_cell if self.nonlinearity == "relu" else rnn_tanh_cell, input, hx, 1)


class GRUCell(RNNCellBase):
    """One step of a GRU: input (B, I) and h (B, H) to h (B, H)."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step(gru_cell, input, hx, 1)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: input (B, I) and (h, c), each (B, H), to the new (h, c)."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        return self._step(lstm_cell, input, hx, 2)
