"""The cases of every op once more, with PyTorch in pydl's place: the same names must give the same numbers and gradients."""

import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from test_ops import ROOMS, load

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::UserWarning:torch")]  # hints on speed


def load_for_torch(room: str) -> list:
    """The cases of a room, their file read with PyTorch's modules under pydl's names."""
    path = Path(__file__).parent / "cases" / f"{room}.py"
    modules = {"pydl": torch, "pydl.nn": torch.nn, "pydl.nn.functional": torch.nn.functional}
    namespace: dict = {"__name__": f"torch_cases_{room}"}
    with mock.patch.dict(sys.modules, modules):
        exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace["CASES"]


PAIRS = [
    pytest.param(ours, theirs, id=f"{room}-{ours}")
    for room in ROOMS
    for ours, theirs in zip(load(room), load_for_torch(room), strict=True)
    if ours.peer
]


def run_torch(case, arrays, requires_grad):
    tensors = [None if a is None else torch.from_numpy(a.copy()) for a in arrays]
    for t in tensors:
        if t is not None and t.is_floating_point():
            t.requires_grad_(requires_grad)
    results = case.function(*tensors, **case.attrs)
    return tensors, list(results) if isinstance(results, tuple | list) else [results]


def close(got: np.ndarray, want: np.ndarray, dtype, what: str):
    assert got.shape == want.shape, f"{what}: shape {got.shape}, PyTorch's is {want.shape}"
    assert got.dtype == want.dtype, f"{what}: {got.dtype}, PyTorch's is {want.dtype}"
    scale = np.abs(want[np.isfinite(want)]).max(initial=0.0) if want.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(got, want, rtol=0, atol=256 * np.finfo(dtype).eps * scale, err_msg=what)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_case_agrees_with_torch(ours, theirs, dtype):
    arrays = ours.arrays(np.dtype(dtype))
    tensors, results = ours.run(arrays, requires_grad=ours.orders > 0)
    torch_tensors, torch_results = run_torch(theirs, arrays, ours.orders > 0)
    assert len(results) == len(torch_results)
    for i, (r, t) in enumerate(zip(results, torch_results, strict=True)):
        close(r.data, t.detach().numpy(), dtype, f"result {i}")
    if not ours.orders:
        return
    import pydl

    rng = np.random.default_rng(5)
    seeds = [rng.standard_normal(r.shape).astype(dtype) for r in results if r.requires_grad]
    inputs = [t for t in tensors if t is not None and t.requires_grad]
    outputs = [r for r in results if r.requires_grad]
    ours_g = pydl.autograd.grad(
        outputs, inputs, [pydl.tensor(s) for s in seeds], allow_unused=True, materialize_grads=True
    )
    theirs_g = torch.autograd.grad(
        [t for t in torch_results if t.requires_grad],
        [t for t in torch_tensors if t is not None and t.requires_grad],
        [torch.from_numpy(s) for s in seeds],
        allow_unused=True,
        materialize_grads=True,
    )
    for i, (g, t) in enumerate(zip(ours_g, theirs_g, strict=True)):
        close(g.data, t.numpy(), dtype, f"gradient {i}")
