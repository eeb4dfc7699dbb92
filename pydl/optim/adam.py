"""Adam: momentum, and steps scaled by the size of past gradients, both without their bias towards 0."""

from __future__ import annotations

from .. import backend
from ..ops.elementwise import maximum
from .optimizer import Optimizer, decayed, root, run


class Adam(Optimizer):
    """m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², p ← p - lr · m̂ / (√v̂ + eps), m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ).

    weight_decay λ adds λ · p to g, or with decoupled_weight_decay shrinks p by lr · λ · p instead (AdamW); amsgrad
    divides by the largest v so far. Source: Kingma, Ba 2015; Loshchilov, Hutter 2019; Reddi, Kale, Kumar 2018.
    """

    OPTIONS = {  # noqa: RUF012
        "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False,
        "decoupled_weight_decay": False,
    }  # fmt: skip

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, *, maximize=False,
        decoupled_weight_decay=False,
    ):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        })  # fmt: skip

    def _update(self, params, grads, group):
        first, second = self._states(params, "exp_avg"), self._states(params, "exp_avg_sq")
        largest = self._states(params, "max_exp_avg_sq") if group["amsgrad"] else []
        run(
            backend.cpu.adam, [[p.data for p in params], first, second, largest], [grads], self._count(params),
            float(group["lr"]), *group["betas"], group["eps"], group["weight_decay"], group["decoupled_weight_decay"],
            group["maximize"],
        )  # fmt: skip

    @staticmethod
    def _reference(
        param, grad, state, *, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay=False
    ):
        beta1, beta2 = betas
        grad = decayed(param, grad, 0.0 if decoupled_weight_decay else weight_decay, maximize)
        if decoupled_weight_decay:
            param = param - lr * weight_decay * param
        step = state.get("step", 0) + 1
        m, v = state.get("exp_avg", 0.0 * grad), state.get("exp_avg_sq", 0.0 * grad)
        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad * grad
        new = {"step": step, "exp_avg": m, "exp_avg_sq": v}
        if amsgrad:
            new["max_exp_avg_sq"] = v = maximum(state.get("max_exp_avg_sq", 0.0 * v), v)
        return param - lr * (m / (1 - beta1**step)) / (root(v / (1 - beta2**step)) + eps), new
