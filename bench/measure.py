"""Runs workloads in pydl and in a peer, checks that both agree, and times them in turn."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

import pydl
import pydl.nn.functional

from .timing import alternate, measure_ceilings
from .workload import Workload


def _torch_program(workload: Workload, backward: bool, compiled: bool = False):
    import torch

    run = torch.compile(workload.run) if compiled else workload.run
    return _program(torch, torch.nn.functional, torch.from_numpy, run, workload, backward)


def _pydl_program(workload: Workload, backward: bool):
    return _program(pydl, pydl.nn.functional, pydl.from_numpy, workload.run, workload, backward)


PEERS = {
    "torch": _torch_program,
    "torch-compile": lambda workload, backward: _torch_program(workload, backward, compiled=True),
}


def _program(lib, functional, from_numpy, run, workload: Workload, backward: bool):
    """(a function to time, its results as arrays): forward alone without a tape, or forward and backward."""
    tensors = [from_numpy(a.copy()) for a in workload.make()]
    if not backward:

        def forward():
            with lib.no_grad():
                return run(lib, functional, *tensors)

        return forward, lambda: [np.asarray(forward())]
    for i in workload.differentiated():
        tensors[i].requires_grad_()
    wanted = [tensors[i] for i in workload.differentiated()]
    shape = tuple(run(lib, functional, *tensors).shape)
    seed = from_numpy(np.random.default_rng(2).standard_normal(shape, dtype=np.float32))

    def both():
        return lib.autograd.grad(run(lib, functional, *tensors), wanted, seed)

    return both, lambda: [np.asarray(g.detach()) for g in both()]


def rows(workloads: Iterable[Workload], threads: int, peer: str = "torch", quick: bool = False, progress=None):
    """Measures on the threads in use; yields one row (a dict) a workload and direction."""
    ceilings = measure_ceilings()
    for workload in workloads:
        for direction in ("forward", "forward+backward"):
            backward = direction != "forward"
            if backward and not workload.differentiated():
                continue
            ours, our_results = _pydl_program(workload, backward)
            theirs, their_results = PEERS[peer](workload, backward)
            if workload.op != "dropout":
                _agree(workload, direction, our_results(), their_results())
            a, b = alternate([ours, theirs], 7 if quick else 31, 5e-4 if quick else 2e-3)
            with pydl.no_grad():
                output = workload.run(pydl, pydl.nn.functional, *map(pydl.from_numpy, workload.make())).numel()
            products = 1 + backward * len({0, 1} & set(workload.differentiated()))  # forward, one for each gradient
            gflops = products * workload.flops / a.median / 1e9
            gbps = workload.moved(output, backward) / a.median / 1e9
            share = max(gflops * 1e9 / ceilings.flops["float32"], gbps * 1e9 / ceilings.bytes)
            row = {
                "room": workload.room, "op": workload.op, "case": workload.case, "direction": direction, "dtype": "float32",
                "threads": threads, "pydl_s": a.median, "pydl_min_s": a.minimum, "peer": peer, "peer_s": b.median,
                "peer_min_s": b.minimum, "ratio": b.median / a.median, "gflops": gflops, "gbps": gbps,
                "percent_of_ceiling": 100 * share,
            }  # fmt: skip
            if progress:
                progress(row)
            yield row


def _agree(workload: Workload, direction: str, ours, theirs) -> None:
    """Both libraries must have computed the same thing before it is timed."""
    for a, b in zip(ours, theirs, strict=True):
        scale = np.abs(b[np.isfinite(b)]).max(initial=0.0)
        if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=2e-4 * scale + 1e-30, equal_nan=True):
            raise AssertionError(f"{workload.op} {workload.case} {direction}: pydl and the peer do not agree")


def summary(rows: list[dict]) -> list[dict]:
    """Geometric mean and smallest ratio for each direction and number of threads."""
    keys = sorted({(r["direction"], r["threads"], r["peer"]) for r in rows})
    result = []
    for direction, threads, peer in keys:
        ratios = [r["ratio"] for r in rows if (r["direction"], r["threads"], r["peer"]) == (direction, threads, peer)]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        result.append(
            {
                "direction": direction,
                "threads": threads,
                "peer": peer,
                "cases": len(ratios),
                "geomean": mean,
                "min": min(ratios),
            }
        )
    return result
