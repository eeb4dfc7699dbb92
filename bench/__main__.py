"""`python -m bench kernels`: pydl against PyTorch, op by op, in a table that anyone can reproduce."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kernels = commands.add_parser("kernels", help="time every op against a peer")
    kernels.add_argument("--filter", default="", help="regular expression on 'room op case'")
    kernels.add_argument("--quick", action="store_true", help="fewer and shorter samples")
    kernels.add_argument("--peer", default="torch", choices=["torch", "torch-compile"])
    kernels.add_argument("--threads", type=int, nargs="+", help="numbers of threads (default: 1 and all)")
    kernels.add_argument("--json", type=Path, help="write all rows and their summary to this file")
    kernels.add_argument("--plot", type=Path, help="write ratio bars to this PNG")
    kernels.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    compare = commands.add_parser("compare", help="list what got slower between two result files")
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    compare.add_argument("--tolerance", type=float, default=0.1, help="relative loss of the ratio that is reported")
    options = parser.parse_args()
    if options.command == "compare":
        return run_compare(options)
    return run_worker(options) if options.worker else run_kernels(options)


def run_worker(options) -> int:
    """Measures with the number of threads that the environment sets."""
    import torch

    import pydl

    from . import measure
    from .kernels import WORKLOADS

    threads = options.threads[0]
    torch.set_num_threads(threads)
    pydl.set_num_threads(threads)
    chosen = [w for w in WORKLOADS if re.search(options.filter, f"{w.room} {w.op} {w.case}")]
    rows = list(measure.rows(chosen, threads, options.peer, options.quick, print_row))
    options.worker.write_text(json.dumps(rows))
    return 0


def print_row(row: dict) -> None:
    print(
        f"{row['op']:>22} {row['case'][:44]:<44} {row['direction']:<16} {row['threads']}t "
        f"{row['pydl_s'] * 1e3:9.4f} ms {row['peer_s'] * 1e3:9.4f} ms  {row['ratio']:5.2f}x "
        f"{row['gflops']:7.1f} GF/s {row['gbps']:6.1f} GB/s {row['percent_of_ceiling']:4.0f} %",
        flush=True,
    )


def run_kernels(options) -> int:
    from . import measure

    threads = options.threads or sorted(
        {1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1}
    )
    rows = []
    for n in threads:  # a fresh process for each number of threads: pools of threads cannot be resized fairly
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "rows.json"
            command = [sys.executable, "-m", "bench", *sys.argv[1:], "--threads", str(n), "--worker", str(result)]
            environment = {
                **os.environ,
                "OMP_NUM_THREADS": str(n),
                "MKL_NUM_THREADS": str(n),
                "PYDL_NUM_THREADS": str(n),
            }
            subprocess.run(command, env=environment, check=True)
            rows += json.loads(result.read_text())
    if not rows:
        print("no workload matches the filter", file=sys.stderr)
        return 1
    totals = measure.summary(rows)
    print()
    for t in totals:
        what = f"{t['direction']:<18} {t['threads']} threads"
        print(f"{what}: geometric mean {t['geomean']:.2f}x, smallest {t['min']:.2f}x ({t['cases']} cases)")
    if options.json:
        import pydl

        machine = {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "kernels": pydl.backend.cpu.__name__,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": machine, "rows": rows, "summary": totals}, indent=1))
    if options.plot:
        from .plot import ratios

        ratios(rows, options.plot)
    return 0


def run_compare(options) -> int:
    """Exit code 1 where a case lost more than the tolerance."""

    def load(path: Path) -> dict:
        return {
            (r["op"], r["case"], r["direction"], r["threads"], r["peer"]): r
            for r in json.loads(path.read_text())["rows"]
        }

    old, new = load(options.old), load(options.new)
    slower = [(new[k]["ratio"] / old[k]["ratio"], k) for k in old.keys() & new.keys()]
    slower = sorted(s for s in slower if s[0] < 1 - options.tolerance)
    for change, key in slower:
        print(f"{change - 1:+.0%}  {' '.join(map(str, key))}: {old[key]['ratio']:.2f}x -> {new[key]['ratio']:.2f}x")
    both, one = len(old.keys() & new.keys()), len(old.keys() ^ new.keys())
    print(f"{len(slower)} of {both} cases lost more than {options.tolerance:.0%}; {one} cases are in one file only")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
