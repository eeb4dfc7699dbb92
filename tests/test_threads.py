"""The thread pool: the same bits for any number of threads, and no hang after fork or from several Python threads."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import pydl


@pytest.fixture(autouse=True)
def restore_threads():
    before = pydl.get_num_threads()
    yield
    pydl.set_num_threads(before)


def work() -> np.ndarray:
    x = pydl.from_numpy(np.linspace(-3, 3, 300_001, dtype=np.float32))
    return (x.exp() * x).sum().data.reshape(1)


def test_bits_do_not_depend_on_the_number_of_threads():
    results = []
    for n in (1, 2, 3, 8):
        pydl.set_num_threads(n)
        results.append(work())
    assert all(np.array_equal(r, results[0]) for r in results)


def test_number_of_threads_is_checked():
    with pytest.raises(ValueError, match="at least 1"):
        pydl.set_num_threads(0)
    pydl.set_num_threads(3)
    assert pydl.get_num_threads() == 3


def test_python_threads_compute_at_once():
    pydl.set_num_threads(2)
    expected = work()
    results: list = [None] * 8

    def run(i):
        for _ in range(20):
            results[i] = work()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    assert all(np.array_equal(r, expected) for r in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_a_forked_child_computes():
    program = """
import os, warnings, numpy as np, pydl
warnings.simplefilter("ignore")
pydl.set_num_threads(3)
x = pydl.from_numpy(np.linspace(-3, 3, 300_001, dtype=np.float32))
expected = (x.exp() * x).sum().item()
child = os.fork()
if child == 0:
    os._exit(0 if (x.exp() * x).sum().item() == expected else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert (x.exp() * x).sum().item() == expected
print("ok")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "ok", done.stderr


def test_environment_sets_the_number_of_threads():
    environment = {**os.environ, "PYDL_NUM_THREADS": "5"}
    program = "import pydl; print(pydl.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "5"
