"""Every op, case and dtype through the one oracle, `pydl.testing.check`."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from pydl.testing import check

ROOMS = sorted(p.stem for p in (Path(__file__).parent / "cases").glob("[a-z]*.py"))


def load(room: str):
    """The cases of a room."""
    path = Path(__file__).parent / "cases" / f"{room}.py"
    spec = importlib.util.spec_from_file_location(f"cases_{room}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


ALL = [pytest.param(case, id=f"{room}-{case}") for room in ROOMS for case in load(room)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", ALL)
def test_op(case, dtype):
    check(case, dtype)
