"""Adagrad: steps scaled by the sum of the squares of all past gradients."""

from __future__ import annotations

from .. import backend
from .optimizer import Optimizer, decayed, root, run


class Adagrad(Optimizer):
    """s ← s + beta · g², p ← p - lr / (1 + (t - 1) lr_decay) · g / (√s + eps); eps_inside_sqrt: g / √(s + eps).

    s begins as initial_accumulator_value. beta and eps_inside_sqrt: the course's form. Source: Duchi et al. 2011.
    """

    OPTIONS = {  # noqa: RUF012
        "lr": 1e-2, "lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10,
        "maximize": False, "beta": 1.0, "eps_inside_sqrt": False,
    }  # fmt: skip

    def __init__(
        self, params, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, *,
        maximize=False, beta=1.0, eps_inside_sqrt=False,
    ):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "eps": eps, "maximize": maximize, "beta": beta,
            "eps_inside_sqrt": eps_inside_sqrt,
        })  # fmt: skip

    def _check(self, group):
        super()._check(group)
        if not group["initial_accumulator_value"] >= 0.0:
            raise ValueError(f"Invalid initial_accumulator_value value: {group['initial_accumulator_value']}")

    def _update(self, params, grads, group):
        sums = self._states(params, "sum", group["initial_accumulator_value"])
        run(
            backend.cpu.adagrad, [[p.data for p in params], sums], [grads], self._count(params), float(group["lr"]),
            group["lr_decay"], group["eps"], group["weight_decay"], group["beta"], group["eps_inside_sqrt"],
            group["maximize"],
        )  # fmt: skip

    @staticmethod
    def _reference(
        param, grad, state, *, lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize, beta,
        eps_inside_sqrt,
    ):  # fmt: skip
        grad = decayed(param, grad, weight_decay, maximize)
        t = state.get("step", 0) + 1
        s = state.get("sum", 0.0 * grad + initial_accumulator_value) + beta * grad * grad
        size = lr / (1 + (t - 1) * lr_decay)
        scale = (s + eps).sqrt() if eps_inside_sqrt else root(s) + eps
        return param - size * grad / scale, {"step": t, "sum": s}
