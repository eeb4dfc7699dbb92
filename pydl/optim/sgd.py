"""Stochastic gradient descent, with heavy-ball or Nesterov momentum."""

from __future__ import annotations

from .. import backend
from .optimizer import Optimizer, decayed, run


class SGD(Optimizer):
    """p ← p - lr · g, and with momentum m: v ← m · v + (1 - dampening) · g, p ← p - lr · v (nesterov: g + m · v for v).

    v begins as the first gradient (heavy ball). weight_decay λ adds λ · p to g. Source: Polyak 1964.
    """

    OPTIONS = {  # noqa: RUF012
        "lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False
    }  # fmt: skip

    def __init__(
        self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, *, maximize=False
    ):
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize,
        })  # fmt: skip

    def _check(self, group):
        super()._check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def _update(self, params, grads, group):
        begun = [p for p in params if self.state[p].get("momentum_buffer") is not None] if group["momentum"] else params
        if 0 < len(begun) < len(params):  # some have no gradient behind them yet
            new = [p for p in params if self.state[p].get("momentum_buffer") is None]
            for part in (begun, new):
                self._update(part, [p.grad.data for p in part], group)
            return
        first = bool(group["momentum"]) and not begun
        if first:
            for p in params:
                self.state[p].pop("momentum_buffer", None)
        buffers = self._states(params, "momentum_buffer") if group["momentum"] else []
        run(
            backend.cpu.sgd, [[p.data for p in params], buffers], [grads], float(group["lr"]), group["momentum"],
            group["dampening"], group["nesterov"], group["weight_decay"], group["maximize"], first,
        )  # fmt: skip

    @staticmethod
    def _reference(param, grad, state, *, lr, momentum, dampening, weight_decay, nesterov, maximize):
        grad = decayed(param, grad, weight_decay, maximize)
        if not (isinstance(momentum, float | int) and momentum == 0):
            v = state.get("momentum_buffer")
            v = grad if v is None else momentum * v + (1 - dampening) * grad
            grad = grad + momentum * v if nesterov else v
            state = {"momentum_buffer": v}
        return param - lr * grad, state
