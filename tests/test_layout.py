"""The house rules, executable: where things are, and that nothing is without a test."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from test_ops import ROOMS, load

import pydl
from pydl import backend, op

ROOT = Path(__file__).parent.parent
SOURCES = [
    p
    for folder in ("csrc", "pydl", "tests", "bench")
    for p in (ROOT / folder).rglob("*")
    if p.suffix in (".py", ".cpp", ".h", ".cu", ".cuh")
]
SHARED_BY_KERNELS = {"ceiling", "gemm", "memory", "parallel", "strided"}  # csrc/cpu files that are not rooms
WITHOUT_OPS = {"optim", "random"}  # rooms of kernels that no op calls


def rooms(folder: str, pattern: str) -> set[str]:
    """Names of the files, `conv_direct.cpp` counting to `conv`; `__init__` and the like left out."""
    return {p.stem for p in (ROOT / folder).glob(pattern) if not p.stem.startswith("_")}


def kernel_rooms() -> set[str]:
    known = rooms("pydl/ops", "*.py") | WITHOUT_OPS
    return {
        stem if stem in known else stem.split("_")[0] for stem in rooms("csrc/cpu", "*.cpp") - SHARED_BY_KERNELS
    } - SHARED_BY_KERNELS


def test_rooms_have_one_name_in_every_folder():
    ops = rooms("pydl/ops", "*.py")
    assert kernel_rooms() - WITHOUT_OPS <= ops
    assert ops == set(ROOMS), "every room of pydl/ops has its cases in tests/cases, and the other way round"


def test_every_public_function_of_a_room_has_a_case():
    missing = []
    for room in ROOMS:
        text = (ROOT / f"tests/cases/{room}.py").read_text()
        names = importlib.import_module(f"pydl.ops.{room}").__all__
        missing += [f"{room}.{name}" for name in names if not re.search(rf"\b{name}\b", text)]
    assert not missing


def test_every_op_runs_in_a_case(monkeypatch):
    ran = set()
    original = op.Op.__call__
    monkeypatch.setattr(op.Op, "__call__", lambda self, *a, **k: (ran.add(self.name), original(self, *a, **k))[1])
    for room in ROOMS:
        for case in load(room):
            tensors, results = case.run(case.arrays(np.dtype(np.float64)), requires_grad=True)
            outputs = [r for r in results if r.requires_grad]
            if outputs and case.orders:
                inputs = [t for t in tensors if t is not None and t.requires_grad]
                seeds = [pydl.ones_like(r) for r in outputs]
                pydl.autograd.grad(outputs, inputs, seeds, allow_unused=True)
    assert set(op.REGISTRY) - ran == set()


def test_kernel_modules_export_the_same_names():
    modules = [
        importlib.import_module(f"pydl.{name}")
        for name in ("_cpu_v2", "_cpu_v3", "_cpu_v4", "_cpu_neon")
        if importlib.util.find_spec(f"pydl.{name}")
    ]
    assert modules
    names = [{n for n in dir(m) if not n.startswith("_")} for m in modules]
    assert all(n == names[0] for n in names)
    assert backend.cpu in modules


def declared_kernels() -> set[str]:
    """The names in csrc/kernels.h, its lists expanded."""
    text = (ROOT / "csrc/kernels.h").read_text()
    return set(re.findall(r"^KERNEL\((\w+)", text, re.MULTILINE))


def test_every_kernel_is_used():
    used = "".join(p.read_text() for folder in ("pydl", "bench") for p in (ROOT / folder).rglob("*.py"))
    assert [n for n in declared_kernels() if not re.search(rf"\.{n}\b", used)] == []


@pytest.mark.parametrize("folder", ["models", "recipes", "optim"])
def test_models_recipes_and_optimizers_have_a_test(folder):
    tested = {p.stem.removeprefix("test_") for p in (ROOT / "tests" / folder).glob("test_*.py")}
    assert rooms(f"pydl/{folder}", "*.py") - tested - {"recipe"} == set()


def test_files_are_readable_in_one_sitting():
    assert [f"{p.relative_to(ROOT)}" for p in SOURCES if len(p.read_text().splitlines()) > 400] == []


def test_no_file_is_a_drawer():
    assert [p for p in SOURCES if p.stem in ("utils", "util", "helpers", "helper", "misc", "common")] == []


def test_no_pickle():
    pattern = re.compile(r"^\s*(?:import|from) (?:pickle|dill|cloudpickle|joblib|shelve|marshal)\b", re.MULTILINE)
    assert [p for p in (ROOT / "pydl").rglob("*.py") if pattern.search(p.read_text())] == []


def test_top_level_is_what_the_design_says():
    allowed = {"pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE", "csrc", "pydl", "tests", "bench"}
    made = {"build", "dist", "runs"}  # by building and training; not tracked
    found = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert found - made == allowed


def test_readme_and_ci_give_the_same_commands():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    command = "pip install -e '.[test]' && pytest"
    assert command in readme
    assert command in ci
