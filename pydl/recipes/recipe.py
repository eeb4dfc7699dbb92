"""What every recipe stands on: settings, the run folder, progress, metrics, checkpoints, resuming.

    with Run("lenet", config, "runs/lenet") as run:
        run.keep(model=model, optimizer=optimizer, schedule=schedule, loader=loader)
        for epoch in run.epochs(config.epochs):
            for x, y in run.batches(loader):
                ...
                run.log(len(x), loss=loss, accuracy=accuracy)      # means over the epoch
            run.record(test_accuracy=...)                          # the epoch's row of metrics.csv, then a checkpoint
        run.finish(test_accuracy=...)                              # summary.json and the closing table

A run that was stopped at any moment and resumed ends in the same bits as one that was not.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from .. import random
from ..serialize import load, save
from .folder import CHECKPOINT, SUMMARY, Folder, RunError
from .progress import Progress, closing_table

_SAVE_EVERY = 60.0  # seconds: longer epochs save in their middle too


class Interrupted(Exception):
    """The run was asked to stop (Ctrl-C, SIGTERM) and has saved its state."""


@dataclasses.dataclass
class Config:
    """Settings of a recipe; subclasses add theirs. Each is a flag of `pydl train` and a line of config.json."""

    seed: int = 0
    """Seed of all random numbers."""

    def check(self) -> None:
        """Raises ValueError, naming the setting, where a value makes no sense."""

    def positive(self, *names: str) -> None:
        """For `check`: these settings must be finite and above 0."""
        for name in names:
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0, got {value}")

    def between(self, low: float, high: float, *names: str) -> None:
        """For `check`: these settings must be in [low, high]."""
        for name in names:
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be between {low} and {high}, got {getattr(self, name)}")

    def values(self) -> dict[str, Any]:
        """The settings by name, as JSON has them."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=str))


class Run:
    """One training run and its folder. Use it as a context: inside, Ctrl-C saves the state at the next step."""

    def __init__(
        self,
        name: str,
        config: Config,
        folder: str | os.PathLike,
        *,
        resume: bool = False,
        overwrite: bool = False,
        unit: str = "images",
        quiet: bool = False,
    ):
        self.name, self.config = name, config
        self.folder = Folder(folder, {"recipe": name, **config.values()})
        try:
            config.check()
            random.manual_seed(config.seed)
        except ValueError as error:
            raise RunError(str(error)) from None
        self.epoch = self.step = self._in_epoch = 0  # epochs finished, steps taken, those of them in this epoch
        self._total_epochs = 0
        self._sums: dict[str, float] = {}  # of the values logged in this epoch, each times its count
        self._count = 0
        self._parts: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []  # of metrics.csv
        self._stop: str | None = None
        self._saved: dict[str, Any] | None = None
        self._checkpointed, self._saved_at = 0, time.perf_counter()
        if resume:
            self._restore_place()
        else:
            self.folder.prepare(overwrite)
        self.progress = Progress(unit, quiet)
        self._began = time.perf_counter()
        self._logged = sum(row["count"] for row in self.rows) + self._count

    @property
    def finished(self) -> bool:
        """Whether the folder holds this run finished."""
        return self.folder.finished

    def _restore_place(self) -> None:
        """Reads the checkpoint of a run that is to go on: its place now, its parts when `keep` names them."""
        self.folder.reopen()
        path = self.folder.path(CHECKPOINT)
        try:
            self._saved = saved = load(path)
            self.epoch, self.step, self._in_epoch = (saved[name] for name in ("epoch", "step", "in_epoch"))
            self._sums, self._count = saved["sums"], saved["count"]
            rows = saved["rows"]
        except (ValueError, KeyError, TypeError) as error:
            what = error if isinstance(error, ValueError) else "it is not a checkpoint of a run"
            raise RunError(f"cannot resume from {path}: {what}") from error
        self._checkpointed, self.rows = self.step, self.folder.first_rows(rows)

    def save_figure(self, name: str, figure) -> None:
        """A matplotlib figure as a PNG in the run folder."""
        from .pictures import png

        self.folder.write(name, png(figure))

    # ---- the loop

    def keep(self, **parts) -> None:
        """What a checkpoint holds beside the random state and the place in the loop: all that have a `state_dict`.

        Call it once, when all are made; in a resumed run it puts them into the saved state.
        """
        self._parts = parts
        if self._saved is None:
            self._checkpoint()
            return
        saved, self._saved = self._saved, None
        if set(saved["parts"]) != set(parts):
            raise RunError(
                f"{self.folder.path(CHECKPOINT)} holds {', '.join(saved['parts'])}; this run keeps {', '.join(parts)}"
            )
        name = ""
        try:
            for name, part in parts.items():
                part.load_state_dict(saved["parts"][name])
            random.set_rng_state(saved["random"])
        except (ValueError, KeyError, RuntimeError, TypeError) as error:
            raise RunError(f"cannot resume from {self.folder.path(CHECKPOINT)}: {name}: {error}") from error

    def epochs(self, n: int, examples: int) -> Iterator[int]:
        """The numbers of the epochs that are left, the first one being 1. At the end of each stands a checkpoint.

        `examples`: how many an epoch will log, for the time left.
        """
        self._total_epochs = n
        self._began = time.perf_counter() - (self.rows[-1]["seconds"] if self.rows else 0)
        self.progress.begin(n * examples, self._logged)
        while self.epoch < n:
            rows = len(self.rows)
            yield self.epoch + 1
            if len(self.rows) == rows:  # the loop recorded nothing of its own
                self.record()
            self.epoch += 1
            self._in_epoch = 0
            self._sums, self._count = {}, 0
            self._checkpoint()
            self._stop_if_asked()
        self.progress.close()

    def batches(self, loader: Iterable) -> Iterator:
        """The batches of `loader` that are left in this epoch; each is a step."""
        for batch in loader:
            yield batch
            self._stepped()

    def steps(self, n: int) -> Iterator[int]:
        """The numbers of the steps that are left of an epoch of `n` steps, for training that reads no loader."""
        while self._in_epoch < n:
            yield self.step + 1
            self._stepped()

    def _stepped(self) -> None:
        self.step += 1
        self._in_epoch += 1
        if self._stop is not None or time.perf_counter() - self._saved_at > _SAVE_EVERY:
            self._checkpoint()
            self._stop_if_asked()

    def log(self, count: int = 1, **values) -> None:
        """Values of one step over `count` examples; their means over the epoch go to the bar and to metrics.csv."""
        self._count += count
        self._logged += count
        for name, value in values.items():
            value = float(value)
            if name == "loss" and not math.isfinite(value):
                raise RunError(
                    f"the loss is {value} at step {self.step + 1} of epoch {self.epoch + 1}: training has diverged "
                    f"(a smaller lr may help). The last checkpoint is that of step {self._checkpointed}"
                )
            self._sums[name] = self._sums.get(name, 0.0) + value * count
        self.progress.update(count, self.epoch + 1, self._total_epochs, self.means())

    def means(self) -> dict[str, float]:
        """Means so far in this epoch of the values logged."""
        return {name: total / self._count for name, total in self._sums.items()}

    def record(self, **metrics) -> None:
        """Adds the epoch's row to metrics.csv: means of what was logged (as train_...), and these."""
        seconds = time.perf_counter() - self._began
        row: dict[str, Any] = {"epoch": self.epoch + 1, "step": self.step}
        row |= {f"train_{name}": mean for name, mean in self.means().items()}
        row |= {name: float(value) for name, value in metrics.items()}
        row |= {"count": self._count, "seconds": round(seconds, 3)}
        if self.rows and list(row) != list(self.rows[0]):
            raise ValueError(f"record: the columns {list(row)} differ from those of the first row {list(self.rows[0])}")
        self.folder.append(row, first=not self.rows)
        self.rows.append(row)
        self.progress.row(row)

    def finish(self, **metrics) -> dict[str, Any]:
        """Writes summary.json (these metrics, then steps and times) and prints the closing table."""
        self.progress.close()
        seconds = self.rows[-1]["seconds"] if self.rows else time.perf_counter() - self._began
        summary: dict[str, Any] = {k: v if isinstance(v, int | str) else float(v) for k, v in metrics.items()}
        summary |= {"epochs": self.epoch, "steps": self.step, "seconds": seconds}
        if seconds > 0 and self._logged:
            summary[f"{self.progress.unit}_per_second"] = round(self._logged / seconds, 1)
        self.folder.write(SUMMARY, json.dumps(summary, indent=2) + "\n")
        if not self.progress.quiet:
            print(closing_table(f"{self.name}: finished", {**summary, "run folder": str(self.folder)}))
        return summary

    def _checkpoint(self) -> None:
        state = {
            "recipe": self.name,
            "epoch": self.epoch,
            "step": self.step,
            "in_epoch": self._in_epoch,
            "sums": self._sums,
            "count": self._count,
            "rows": len(self.rows),
            "random": random.get_rng_state(),
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
        }
        save(state, self.folder.path(CHECKPOINT))
        self._checkpointed, self._saved_at = self.step, time.perf_counter()

    # ---- being stopped

    def __enter__(self) -> Run:
        self._handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._asked_to_stop)
        return self

    def __exit__(self, *_) -> None:
        self.progress.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _asked_to_stop(self, number: int, frame) -> None:
        if self._stop is not None:  # asked twice: at once
            raise KeyboardInterrupt
        self._stop = signal.Signals(number).name
        print("\nstopping after this step; once more stops at once", file=sys.stderr)

    def _stop_if_asked(self) -> None:
        if self._stop is not None:
            raise Interrupted(
                f"{self._stop}: stopped at step {self.step}, epoch {self.epoch + 1}; {CHECKPOINT} is saved"
            )
