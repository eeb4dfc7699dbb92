"""Pictures of the results."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.figure import Figure


def ratios(rows: list[dict], path: Path) -> None:
    """Geometric mean of peer time / pydl time for each op, a bar for each direction and number of threads."""
    ops = sorted({r["op"] for r in rows})
    kinds = sorted({(r["direction"], r["threads"]) for r in rows})
    figure = Figure(figsize=(10, 0.28 * len(ops) + 1.5), layout="constrained")
    axes = figure.add_subplot()
    for j, kind in enumerate(kinds):
        places, values = [], []
        for i, name in enumerate(ops):
            found = [r["ratio"] for r in rows if r["op"] == name and (r["direction"], r["threads"]) == kind]
            if found:
                places.append(i + 0.8 * (j / len(kinds) - 0.5))
                values.append(math.exp(sum(map(math.log, found)) / len(found)))
        axes.barh(places, values, height=0.8 / len(kinds), label=f"{kind[0]}, {kind[1]} threads")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(ops)), ops)
    axes.invert_yaxis()
    axes.set_xscale("log", base=2)
    axes.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    axes.set_xlabel(f"time of {rows[0]['peer']} / time of pydl (above 1: pydl is faster)")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
