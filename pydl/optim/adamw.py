"""AdamW: Adam whose weight decay shrinks the parameters by themselves, not through the gradient."""

from __future__ import annotations

from .adam import Adam


class AdamW(Adam):
    """Adam with p ← p - lr · weight_decay · p before each step. Source: Loshchilov, Hutter 2019."""

    OPTIONS = {**Adam.OPTIONS, "weight_decay": 1e-2, "decoupled_weight_decay": True}  # noqa: RUF012

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
