"""RMSprop: steps scaled by a moving average of the size of gradients."""

from __future__ import annotations

from .. import backend
from .optimizer import Optimizer, decayed, root, run


class RMSprop(Optimizer):
    """s ← α s + (1 - α) g², p ← p - lr · g / (√s + eps), or (eps_inside_sqrt, the course's form) - lr · g / √(s + eps).

    centered subtracts the square of g's own moving average from s; momentum μ: b ← μ b + g / ..., p ← p - lr · b.
    Source: Tieleman, Hinton 2012; Graves 2013.
    """

    OPTIONS = {  # noqa: RUF012
        "lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False,
        "maximize": False, "eps_inside_sqrt": False,
    }  # fmt: skip

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, *, maximize=False,
        eps_inside_sqrt=False,
    ):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
            "centered": centered, "maximize": maximize, "eps_inside_sqrt": eps_inside_sqrt,
        })  # fmt: skip

    def _update(self, params, grads, group):
        self._count(params)
        squares = self._states(params, "square_avg")
        buffers = self._states(params, "momentum_buffer") if group["momentum"] else []
        means = self._states(params, "grad_avg") if group["centered"] else []
        run(
            backend.cpu.rmsprop, [[p.data for p in params], squares, buffers, means], [grads], float(group["lr"]),
            group["alpha"], group["eps"], group["weight_decay"], group["momentum"], group["eps_inside_sqrt"],
            group["maximize"],
        )  # fmt: skip

    @staticmethod
    def _reference(param, grad, state, *, lr, alpha, eps, weight_decay, momentum, centered, maximize, eps_inside_sqrt):
        grad = decayed(param, grad, weight_decay, maximize)
        s = alpha * state.get("square_avg", 0.0 * grad) + (1 - alpha) * grad * grad
        new = {"step": state.get("step", 0) + 1, "square_avg": s}
        if centered:
            new["grad_avg"] = mean = alpha * state.get("grad_avg", 0.0 * grad) + (1 - alpha) * grad
            s = s - mean * mean
        step = grad / ((s + eps).sqrt() if eps_inside_sqrt else root(s) + eps)
        if momentum:
            new["momentum_buffer"] = step = momentum * state.get("momentum_buffer", 0.0 * grad) + step
        return param - lr * step, new
