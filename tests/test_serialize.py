import io
import os
import signal
import subprocess
import sys
import time
from collections import OrderedDict

import numpy as np
import pytest

import pydl
from pydl.serialize import load, load_weights, save, save_weights

STATE = {
    "model": {"conv.weight": np.arange(6.0).reshape(2, 3), "empty": np.zeros((0, 3), np.float32)},
    "optimizer": {"state": {0: {"step": 3, "m": np.float32(2.5)}, 1: {}}, "param_groups": [{"betas": (0.9, 0.999)}]},
    "generator": {"seed": 2**64 - 1, "big": -(2**200)},
    "floats": [0.1, 1e-320, float("inf"), -float("inf"), -0.0, 1 / 3, 1.0],
    "odd": {None: None, True: False, 1.5: "x", ("a", 1): b"\x00\xff", "$tensor": "not one", "": ""},
    "texts": ["", "ä\n\0", "$tuple"],
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
    "nested": ([], (), {}, [[(1,)]]),
}


def same(a, b):
    """Equal in type and bits, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and [*map(type, a)] == [*map(type, b)] and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, pydl.Tensor):
        return same(a.data, b.data)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return repr(a) == repr(b)


def test_nested_states_come_back_equal(tmp_path):
    save(STATE, tmp_path / "state.safetensors")
    assert same(load(tmp_path / "state.safetensors"), STATE)
    assert np.isnan(load_from({"x": float("nan")})["x"])


def load_from(obj):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_tensors_of_every_dtype_and_layout(dtype):
    base = np.random.default_rng(0).normal(size=(4, 6)).astype(dtype)
    readonly = base.copy()
    readonly.flags.writeable = False
    for array in (base, base.T, base[::2, ::-3], base[:0], base[0, 0, ...].reshape(()), readonly):
        back = load_from({"t": pydl.Tensor(array)})["t"]
        assert isinstance(back, pydl.Tensor)
        assert same(back.data, np.array(array))
        assert back.data.flags.writeable
        assert back.data.flags.c_contiguous
        assert back.data.flags.aligned


def test_one_tensor_or_number_alone():
    assert same(load_from(pydl.ones(3)), pydl.ones(3))
    assert load_from(5) == 5
    assert load_from({}) == {}


def test_paths_that_collide_keep_both():
    state = {"a.b": pydl.zeros(2), "a": {"b": pydl.ones(3)}, 1: pydl.full((1,), 7.0), "1": pydl.full((1,), 8.0)}
    assert same(load_from(state), state)


def test_the_same_state_gives_the_same_bytes(tmp_path):
    for name in "ab":
        save(STATE, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_safetensors_library_reads_it_and_we_read_its_files(tmp_path):
    from safetensors.numpy import load_file, save_file

    weights = {"a.weight": np.arange(6.0, dtype=np.float32).reshape(2, 3), "b": np.array(True)}
    save({k: pydl.Tensor(v) for k, v in weights.items()}, tmp_path / "ours")
    theirs = load_file(tmp_path / "ours")
    assert all(same(theirs[k], v) for k, v in weights.items())
    save_file(weights, tmp_path / "theirs", {"format": "np"})
    back = load(tmp_path / "theirs")
    assert all(same(back[k].data, v) for k, v in weights.items())


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"a": {"f": print}}, "a.f is of type builtin_function_or_method; what can be saved"),
        ([1, {2}], "1 is of type set"),
        (object(), "the object is of type object"),
        ({"c": np.zeros(2, complex)}, "c is an array of complex128; expected bool, integers or floats"),
        ({"o": np.array([None])}, "o is an array of object"),
        ({"k": {frozenset(): 1}}, "k has a key of type frozenset"),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_is_written(tmp_path, obj, message):
    save({"x": 1}, tmp_path / "f")
    with pytest.raises(TypeError, match=message):
        save(obj, tmp_path / "f")
    assert load(tmp_path / "f") == {"x": 1}
    assert os.listdir(tmp_path) == ["f"]


def test_every_truncation_is_an_error_that_names_the_file(tmp_path):
    save({"w": pydl.ones(50), "n": 3}, tmp_path / "whole")
    content, file = (tmp_path / "whole").read_bytes(), tmp_path / "part.safetensors"
    for n in range(len(content)):
        file.write_bytes(content[:n])
        with pytest.raises(ValueError, match=r"load: .*part\.safetensors is (empty|truncated|not a safetensors file)"):
            load(file)
    file.write_bytes(content + b"x")
    with pytest.raises(ValueError, match="longer than its header says"):
        load(file)


def test_every_damaged_byte_of_the_header_is_harmless(tmp_path):
    """A wrong byte gives an error of ours or a wrong value, never a crash."""
    save({"w": pydl.ones(5), "n": [3, (1.5,)]}, tmp_path / "whole")
    content, file = bytearray((tmp_path / "whole").read_bytes()), tmp_path / "damaged"
    for i in range(len(content) - 20):
        for flip in (1, 0x10, 0x80):
            damaged = content.copy()
            damaged[i] ^= flip
            file.write_bytes(damaged)
            try:
                load(file)
            except ValueError as error:
                assert "damaged" in str(error)  # the file's name


@pytest.mark.parametrize(
    "content", [b"\x80\x04\x95 a pickle, say, of some length", b"PK\x03\x04" + bytes(40), b"{}", b"x" * 99]
)
def test_other_files_are_not_safetensors(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.pt is not a safetensors file"):
        load(tmp_path / "model.pt")


def test_missing_files_and_unwritable_places(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors"):
        load(tmp_path / "nothing.safetensors")
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "x", tmp_path / "no folder" / "x"):
        with pytest.raises(OSError, match=r"cannot write .*x: (Not a directory|No such file or directory)"):
            save({}, place)
    with pytest.raises(RuntimeError, match="device cuda is not available"):
        load(tmp_path / "file", map_location="cuda")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"cannot write .*Permission denied"):
        save({}, tmp_path / "x")


def test_a_kill_while_saving_leaves_a_whole_file(tmp_path):
    file = tmp_path / "state.safetensors"
    program = (
        "import pydl, sys\nfrom pydl.serialize import save\n"
        "i = 0\nwhile True:\n    i += 1\n    save({'i': i, 'w': pydl.full((300_000,), float(i))}, sys.argv[1])"
    )
    before = 0
    for pause in (0.0, 0.013, 0.029):
        child = subprocess.Popen([sys.executable, "-c", program, str(file)])
        deadline = time.monotonic() + 30
        while not (file.exists() and load(file)["i"] != before) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.wait()
        state = load(file)
        assert (state["w"].data == state["i"]).all()
        before = state["i"]


class Net:
    """The part of a module that weights need."""

    def __init__(self):
        self.state = {"a.weight": pydl.zeros(2, 3), "a.bias": pydl.zeros(2), "steps": pydl.tensor(0)}
        self.loaded = None

    def state_dict(self):
        return self.state

    def load_state_dict(self, state, strict=True):
        self.loaded = state, strict


def test_weights_come_back_into_a_module(tmp_path):
    net, file = Net(), tmp_path / "w.safetensors"
    net.state["a.bias"] = pydl.tensor([1.0, 2.0])
    save_weights(net, file)
    other = Net()
    load_weights(other, file)
    assert same(dict(other.loaded[0]), dict(net.state))
    assert other.loaded[1] is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("a.bias"), r"no tensors for a\.bias"),
        (lambda s: s.update(b=pydl.zeros(1)), "tensors that the module does not have: b"),
        (lambda s: s.update({"a.weight": pydl.zeros(3, 2)}), r"a\.weight has shape \(3, 2\), expected \(2, 3\)"),
        (lambda s: s.update(steps=pydl.tensor(0.5)), "steps is float32, expected int64"),
        (
            lambda s: s.update(lr=0.1),
            r"holds the keys a\.weight, a\.bias, steps, lr, expected one tensor a parameter of Net",
        ),
    ],
)
def test_weights_that_do_not_fit_change_nothing(tmp_path, change, message):
    net, state = Net(), dict(Net().state)
    change(state)
    save(state, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=rf"w\.safetensors .*{message}"):
        load_weights(net, tmp_path / "w.safetensors")
    assert net.loaded is None
    if "tensors" in message and "expected" not in message:
        load_weights(net, tmp_path / "w.safetensors", strict=False)
        assert net.loaded[1] is False
