"""One-cycle schedule: the learning rate rises to its maximum and falls far below its start, momentum the opposite."""

from __future__ import annotations

import math
from collections.abc import Callable

from ._schedule import LRScheduler
from .optimizer import Optimizer


def _cos(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2.0 * (1 + math.cos(math.pi * share))


def _linear(start: float, end: float, share: float) -> float:
    return (end - start) * share + start


class OneCycleLR(LRScheduler):
    """initial = max_lr / div_factor to max_lr in a share pct_start of total_steps, then to initial / final_div_factor.

    With cycle_momentum, momentum (or β₁) goes from max_momentum to base_momentum and back meanwhile. three_phase comes
    down to the start first. Step it after every batch. Source: Smith, Topin 2019.
    """

    def __init__(
        self, optimizer: Optimizer, max_lr, total_steps: int | None = None, epochs: int | None = None,
        steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos",
        cycle_momentum: bool = True, base_momentum=0.85, max_momentum=0.95, div_factor: float = 25.0,
        final_div_factor: float = 1e4, three_phase: bool = False, last_epoch: int = -1,
    ):  # fmt: skip
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give either total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0 or not isinstance(total_steps, int):
            raise ValueError(f"OneCycleLR: expected a positive integer number of steps, got {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps, self.anneal_strategy, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        rise = float(pct_start * total_steps) - 1
        if three_phase:
            ends = [rise, 2 * rise, total_steps - 1]
            points = ["initial", "max", "initial", "min"]
        else:
            ends, points = [rise, total_steps - 1], ["initial", "max", "min"]
        self._phases = [(float(end), points[i], points[i + 1]) for i, end in enumerate(ends)]
        groups = optimizer.param_groups
        self._rates, self._momenta = [], []
        for group, high in zip(groups, _each(max_lr, groups, "max_lr"), strict=True):
            start = high / div_factor
            self._rates.append({"initial": start, "max": high, "min": start / final_div_factor})
            if last_epoch == -1:
                group["lr"] = group["initial_lr"] = start
        if cycle_momentum:
            if not any(name in optimizer.defaults for name in ("momentum", "betas")):
                raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
            lows, highs = _each(base_momentum, groups, "base_momentum"), _each(max_momentum, groups, "max_momentum")
            self._momenta = [{"initial": high, "max": low, "min": high} for low, high in zip(lows, highs, strict=True)]
        super().__init__(optimizer, last_epoch)

    def _value(self, points: dict[str, float], step: int) -> float:
        anneal: Callable = _cos if self.anneal_strategy == "cos" else _linear
        start = 0.0
        for i, (end, first, last) in enumerate(self._phases):
            if step <= end or i == len(self._phases) - 1:
                return anneal(points[first], points[last], (step - start) / (end - start))
            start = end
        raise AssertionError

    def get_lr(self):
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: tried to step {step} times, total_steps is {self.total_steps}")
        for group, points in zip(self.optimizer.param_groups, self._momenta, strict=False):
            momentum = self._value(points, step)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return [self._value(points, step) for points in self._rates]


def _each(value, groups: list, name: str) -> list:
    if not isinstance(value, list | tuple):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ValueError(f"OneCycleLR: expected {len(groups)} values for {name}, got {len(value)}")
    return list(value)
