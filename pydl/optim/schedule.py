"""Schedules of the learning rate: `schedule.step()` after each epoch (or step) sets `lr` of every parameter group.

A schedule computes the next rate from the present one, so that several may act on one optimizer (they multiply).
`last_epoch` counts its steps from 0; -1 starts anew.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from typing import Any

from ._schedule import LRScheduler
from .cycle import OneCycleLR
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau

# fmt: off
__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]
# fmt: on


class StepLR(LRScheduler):
    """base · gamma^⌊epoch / step_size⌋"""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr, base, epoch):
        return lr if epoch == 0 or epoch % self.step_size else lr * self.gamma

    def _at(self, base, epoch):
        return base * self.gamma ** (epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """base · gamma^(number of milestones <= epoch)"""

    def __init__(self, optimizer: Optimizer, milestones, gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr, base, epoch):
        return lr * self.gamma ** self.milestones.count(epoch)

    def _at(self, base, epoch):
        return base * self.gamma ** bisect.bisect_right(self.milestones, epoch)


class ConstantLR(LRScheduler):
    """factor · base for the first total_iters epochs, then base"""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1):
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be between 0 and 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, lr, base, epoch):
        return lr * self.factor if epoch == 0 else lr / self.factor if epoch == self.total_iters else lr

    def _at(self, base, epoch):
        return base * (self.factor if epoch < self.total_iters else 1.0)


class LinearLR(LRScheduler):
    """base times a factor from start_factor to end_factor, in equal steps over total_iters epochs: a warm-up."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5,
        last_epoch: int = -1,
    ):  # fmt: skip
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor must be in (0, 1] and end_factor in [0, 1], got {start_factor}, {end_factor}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, lr, base, epoch):
        if epoch == 0:
            return lr * self.start_factor
        if epoch > self.total_iters:
            return lr
        step = self.end_factor - self.start_factor
        return lr * (1.0 + step / (self.total_iters * self.start_factor + (epoch - 1) * step))

    def _at(self, base, epoch):
        share = min(self.total_iters, epoch) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class ExponentialLR(LRScheduler):
    """base · gamma^epoch"""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr, base, epoch):
        return lr if epoch == 0 else lr * self.gamma

    def _at(self, base, epoch):
        return base * self.gamma**epoch


class PolynomialLR(LRScheduler):
    """base · (1 - epoch / total_iters)^power, 0 from total_iters on"""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _next(self, lr, base, epoch):
        if epoch == 0 or epoch > self.total_iters:
            return lr
        return lr * ((1.0 - epoch / self.total_iters) / (1.0 - (epoch - 1) / self.total_iters)) ** self.power

    def _at(self, base, epoch):
        return base * (1.0 - min(self.total_iters, epoch) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base - eta_min) (1 + cos(π epoch / T_max)) / 2. Source: Loshchilov, Hutter 2017."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _next(self, lr, base, epoch):
        if epoch == 0:
            return lr
        if self._step_count == 1:  # resumed: the rate before is not known to be this schedule's
            return self._at(base, epoch)
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # leaving the minimum, where the ratio below is 0/0
            return lr + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        before, now = (1 + math.cos(math.pi * e / self.T_max) for e in (epoch - 1, epoch))
        return now / before * (lr - self.eta_min) + self.eta_min

    def _at(self, base, epoch):
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing that starts over after T_0 epochs, then T_0 · T_mult, ... `step(epoch)` takes fractions too."""

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        if T_0 <= 0 or T_mult < 1 or not isinstance(T_0, int) or not isinstance(T_mult, int):
            raise ValueError(f"CosineAnnealingWarmRestarts: expected integers T_0 > 0, T_mult >= 1: {T_0}, {T_mult}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def _at(self, base, epoch):
        period, inside = self.T_0, epoch
        if self.T_mult == 1:
            inside = epoch % self.T_0
        while inside >= period:
            inside, period = inside - period, period * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * inside / period)) / 2


class LambdaLR(LRScheduler):
    """base · lr_lambda(epoch); one function, or one for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable | list, last_epoch: int = -1):
        n = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * n
        if len(self.lr_lambdas) != n:
            raise ValueError(f"{type(self).__name__}: {len(self.lr_lambdas)} functions for {n} parameter groups")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def step(self, epoch: int | None = None) -> None:
        """Goes on by one epoch, or to `epoch` from any other."""
        if epoch is not None:
            self.last_epoch = epoch - 1
        super().step()

    def state_dict(self):
        return {k: v for k, v in super().state_dict().items() if k != "lr_lambdas"}


class MultiplicativeLR(LambdaLR):
    """The rate before times lr_lambda(epoch)."""

    def get_lr(self):
        groups = self.optimizer.param_groups
        return [
            g["lr"] if self.last_epoch == 0 else g["lr"] * f(self.last_epoch)
            for g, f in zip(groups, self.lr_lambdas, strict=True)
        ]


class SequentialLR:
    """schedulers[0] up to epoch milestones[0], then schedulers[1] from its own epoch 0 on, and so on."""

    def __init__(self, optimizer: Optimizer, schedulers: list, milestones: list[int], last_epoch: int = -1):
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected one milestone between two schedulers, got {len(milestones)} milestones for "
                f"{len(schedulers)} schedulers"
            )
        if any(s.optimizer is not optimizer for s in schedulers):
            raise ValueError("SequentialLR: all schedulers must belong to the optimizer that is given")
        self.optimizer, self._schedulers, self._milestones = optimizer, schedulers, list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:  # what each scheduler did when it was made does not count
            group["lr"] = group["initial_lr"]
        for s in schedulers:
            s.last_epoch -= 1
            s._step_count = 0
        schedulers[0].step()
        self._last_lr = schedulers[0].get_last_lr()

    def step(self) -> None:
        """Goes on by one epoch."""
        self.last_epoch += 1
        i = bisect.bisect_right(self._milestones, self.last_epoch)
        if i and self._milestones[i - 1] == self.last_epoch:
            self._schedulers[i].step(0)
        else:
            self._schedulers[i].step()
        self._last_lr = self._schedulers[i].get_last_lr()

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """The states of all schedulers and the position."""
        states = [s.state_dict() for s in self._schedulers]
        return {"last_epoch": self.last_epoch, "_last_lr": self._last_lr, "_schedulers": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned."""
        self.last_epoch, self._last_lr = state_dict["last_epoch"], state_dict["_last_lr"]
        for s, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            s.load_state_dict(state)


class ChainedScheduler:
    """Several schedules at once: their effects multiply."""

    def __init__(self, schedulers: list, optimizer: Optimizer | None = None):
        if not schedulers:
            raise ValueError("ChainedScheduler: expected at least one scheduler")
        self._schedulers, self.optimizer = list(schedulers), optimizer or schedulers[0].optimizer
        if any(s.optimizer is not self.optimizer for s in schedulers):
            raise ValueError("ChainedScheduler: all schedulers must belong to the same optimizer")
        self._last_lr = self._schedulers[-1].get_last_lr()

    def step(self) -> None:
        """Steps every schedule."""
        for s in self._schedulers:
            s.step()
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """The states of all schedules."""
        return {"_last_lr": self._last_lr, "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned."""
        self._last_lr = state_dict["_last_lr"]
        for s, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            s.load_state_dict(state)
