"""The live line of a run, its table of epochs, and the closing table."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_PERCENT = ("accuracy",)  # shown in percent


def show(name: str, value: Any) -> str:
    """A metric as the tables show it: accuracies in percent, other fractions with four significant digits."""
    if isinstance(value, float):
        return (
            f"{100 * value:.2f} %"
            if name.endswith(_PERCENT)
            else f"{value:.4g}"
            if abs(value) < 1e4
            else f"{value:,.0f}"
        )
    return f"{value:,}" if isinstance(value, int) else str(value)


class Progress:
    """One bar over all epochs (loss, accuracy, examples a second, time left) and one printed row an epoch."""

    def __init__(self, unit: str = "images", quiet: bool = False):
        self.unit, self.quiet = unit, quiet
        self._bar: tqdm | None = None
        self._widths: list[int] | None = None

    def begin(self, total: int, done: int) -> None:
        """The run is `total` examples long, of which `done` were seen before."""
        if self._bar is None and not self.quiet:
            live = sys.stderr.isatty()
            self._bar = tqdm(
                total=total,
                initial=done,
                unit=f" {self.unit}",
                unit_scale=True,
                mininterval=0.1 if live else 2,
                bar_format="{desc} |{bar:24}| {percentage:3.0f} %{postfix}, {rate_fmt}, {remaining} left",
                dynamic_ncols=True,
                leave=False,
            )

    def update(self, count: int, epoch: int, epochs: int, means: dict[str, float]) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)
            self._bar.postfix = ", ".join(f"{name} {show(name, value)}" for name, value in means.items())
            self._bar.update(count)

    def row(self, row: dict[str, Any]) -> None:
        if self.quiet:
            return
        row = {name: value for name, value in row.items() if name != "count"}
        lines = []
        if self._widths is None:
            self._widths = [max(len(name), 8) for name in row]
            lines.append("  ".join(name.rjust(w) for name, w in zip(row, self._widths, strict=True)))
        lines.append("  ".join(show(k, v).rjust(w) for (k, v), w in zip(row.items(), self._widths, strict=True)))
        for line in lines:
            tqdm.write(line, file=sys.stdout)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def closing_table(title: str, values: dict[str, Any]) -> str:
    """Names and values below a title."""
    shown = {name.replace("_", " "): show(name, value) for name, value in values.items()}
    left, right = max(map(len, shown)), max(map(len, shown.values()))
    rule = "─" * (left + right + 4)
    return "\n".join([rule, title, rule, *(f"{k:<{left}}    {v:>{right}}" for k, v in shown.items()), rule])
