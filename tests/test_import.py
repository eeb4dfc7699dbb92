"""What `import pydl` costs and loads, and which kernels it chooses."""

import os
import subprocess
import sys

import pytest

from pydl import _processor, backend


def run(program: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


def test_import_loads_nothing_of_the_extras():
    program = "import sys, pydl; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(run(program).stdout.split())
    extras = {"matplotlib", "sklearn", "scipy", "mlxtend", "pandas", "tyro", "torch", "tqdm", "safetensors", "cupy"}
    assert "numpy" in loaded
    assert loaded & extras == set()


def test_the_best_kernels_are_chosen():
    chosen = backend.cpu.__name__.removeprefix("pydl._cpu_")
    assert chosen in _processor.levels()
    if "PYDL_CPU" in os.environ:
        assert chosen == os.environ["PYDL_CPU"]


@pytest.mark.parametrize("level", _processor.levels())
def test_pydl_cpu_overrides(level):
    done = run("import pydl; print(pydl.backend.cpu.__name__)", PYDL_CPU=level)
    assert done.stdout.strip() == f"pydl._cpu_{level}" or f"looked for pydl._cpu_{level}" in done.stderr


def test_an_impossible_override_is_a_clear_error():
    done = run("import pydl", PYDL_CPU="v9")
    assert done.returncode != 0
    assert f"ImportError: PYDL_CPU='v9': this processor runs {', '.join(_processor.levels())}" in done.stderr
