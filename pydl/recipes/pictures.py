"""Pictures of runs: curves of metrics.csv, grids of images. Figures of their own, without pyplot's global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "pictures are drawn by matplotlib, which is not installed: pip install 'pydl-nn[train]'"
    ) from error


def png(figure: Figure) -> bytes:
    """The figure as a PNG file's content."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def curves(rows: list[dict[str, Any]], panels: Mapping[str, Sequence[str]], x: str = "epoch") -> Figure:
    """One panel for each entry {title: names of columns}, every column a line over `x`."""
    figure = Figure(figsize=(5 * len(panels), 3.6), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        at = [row[x] for row in rows]
        for name in columns:
            axes.plot(
                at, [row[name] for row in rows], marker="." if len(rows) < 40 else None, label=name.replace("_", " ")
            )
        axes.set(title=title, xlabel=x)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def grid(
    images: np.ndarray, titles: Sequence[str], wrong: Sequence[bool], columns: int = 10, title: str = ""
) -> Figure:
    """Images (n, h, w) grey or (n, h, w, 3) with a title each; the wrong ones are framed and titled in red."""
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(columns, 1.25 * rows + 0.4), layout="constrained")
    figure.suptitle(title)
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set(xticks=[], yticks=[])
        if i >= len(images):
            axes.set_axis_off()
            continue
        axes.imshow(images[i], cmap="gray_r")
        axes.set_title(titles[i], fontsize=9, color="red" if wrong[i] else "black")
        for side in axes.spines.values():
            side.set(color="red" if wrong[i] else "lightgray", linewidth=2 if wrong[i] else 0.5)
    return figure
