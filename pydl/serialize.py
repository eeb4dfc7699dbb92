"""Files: any nesting of dicts, lists, tuples, numbers, strings and tensors as one safetensors file. Never pickle.

Tensors are the file's tensors, named by their path ("optimizer.state.0.exp_avg"), so that every reader of safetensors
finds them; the rest is JSON in its metadata. Files are written beside their place and renamed: at any moment the last
whole one is there.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from .tensor import Tensor

_KEY = "pydl"  # of the metadata


def write_atomically(path: str | os.PathLike, content: bytes | memoryview) -> None:
    """Puts a file in place whole: a kill at any moment leaves the old one or the new one."""
    target = os.path.realpath(path)
    beside = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.replace(beside, target)
    except OSError as error:
        if os.path.exists(beside):
            os.remove(beside)
        raise type(error)(error.errno, f"cannot write {os.fspath(path)}: {error.strerror}") from error
    if hasattr(os, "O_DIRECTORY"):  # the new name too must be on the disk
        folder = os.open(os.path.dirname(target), os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save(obj: Any, f) -> None:
    """Writes `obj` to the path or binary file `f`; see `load`.

    Raises TypeError for what is none of dict, list, tuple, tensor, array, number, string, bytes, None.
    """
    from safetensors.numpy import save as to_bytes

    tensors: dict[str, np.ndarray] = {}
    tree = _encode(obj, "", tensors)
    content = to_bytes(tensors, {_KEY: json.dumps(tree, allow_nan=False, separators=(",", ":"))})
    if hasattr(f, "write"):
        f.write(content)
    else:
        write_atomically(f, content)


def load(f, map_location=None, *, weights_only: bool = True) -> Any:
    """What `save` wrote, equal in every type and bit; of another program's safetensors file a dict of its tensors.

    Raises ValueError where the file is none or is damaged. `map_location` may be the CPU; nothing in a file is code, so
    `weights_only` has nothing to restrict.
    """
    from . import backend

    backend.check_device(map_location, "load: ")
    if hasattr(f, "read"):
        name, content = getattr(f, "name", "the file"), f.read()
    else:
        name = os.fspath(f)
        with open(f, "rb") as file:
            content = file.read()
    header = _header(name, content)
    metadata = header.pop("__metadata__", {})
    tensors = {key: _array(name, key, entry, content) for key, entry in header.items()}
    if _KEY not in metadata:
        return {key: Tensor(tensors[key]) for key in tensors}
    try:
        return _decode(json.loads(metadata[_KEY]), tensors)
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"load: {name} is damaged: its metadata does not fit its tensors ({error})") from error


def save_weights(module, path: str | os.PathLike) -> None:
    """Writes module.state_dict() as a plain safetensors file, its keys as names."""
    save(dict(module.state_dict()), path)


def load_weights(module, path: str | os.PathLike, strict: bool = True):
    """Reads a safetensors file into `module`; the names, shapes and dtypes must be those of its state_dict.

    With strict=False names that are missing or left over are no error; both are returned, as by `load_state_dict`.
    """
    name, weights, expected = os.fspath(path), load(path), module.state_dict()
    if not isinstance(weights, Mapping) or not all(isinstance(t, Tensor) for t in weights.values()):
        inside = f"the keys {_listed(weights)}" if isinstance(weights, Mapping) else f"a {type(weights).__name__}"
        raise ValueError(
            f"load_weights: {name} holds {inside}, expected one tensor a parameter of {type(module).__name__}"
        )
    problems = []
    if strict and (missing := [k for k in expected if k not in weights]):
        problems.append(f"no tensors for {_listed(missing)}")
    if strict and (foreign := [k for k in weights if k not in expected]):
        problems.append(f"tensors that the module does not have: {_listed(foreign)}")
    for key, t in expected.items():
        if key not in weights:
            continue
        came = weights[key]
        if came.shape != t.shape:
            problems.append(f"{key} has shape {tuple(came.shape)}, expected {tuple(t.shape)}")
        elif came.dtype.kind != t.dtype.kind:
            problems.append(f"{key} is {came.dtype}, expected {t.dtype}")
    if problems:
        raise ValueError(f"load_weights: {name} does not fit {type(module).__name__}: {'; '.join(problems)}")
    return module.load_state_dict(weights, strict=strict)


def _listed(names) -> str:
    names = [str(n) for n in names]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# ---- the tree: JSON where JSON has the type, {"$type": ...} where it has not


def _encode(x: Any, path: str, tensors: dict[str, np.ndarray]) -> Any:
    if x is None or type(x) in (bool, int, str):
        return x
    if type(x) is float:
        return x if math.isfinite(x) else {"$float": repr(x)}
    if isinstance(x, Tensor):
        return {"$tensor": _keep(x.data, path, tensors)}
    if isinstance(x, np.ndarray):
        return {"$array": _keep(x, path, tensors)}
    if isinstance(x, np.generic):
        return {"$scalar": _keep(np.asarray(x), path, tensors)}
    if type(x) is bytes:
        return {"$bytes": x.hex()}
    if type(x) in (list, tuple):
        items = [_encode(v, f"{path}.{i}" if path else str(i), tensors) for i, v in enumerate(x)]
        return items if type(x) is list else {"$tuple": items}
    if isinstance(x, Mapping):
        for key in x:
            if key is not None and type(key) not in (bool, int, float, str, tuple):
                raise TypeError(f"save: {path or 'the object'} has a key of type {type(key).__name__}: {key!r}")
        values = [_encode(v, f"{path}.{k}" if path else str(k), tensors) for k, v in x.items()]
        if type(x) is dict and all(type(k) is str and not k.startswith("$") for k in x):
            return dict(zip(x, values, strict=True))
        keys = [_encode(k, path, tensors) for k in x]
        return {
            "$ordered" if isinstance(x, OrderedDict) else "$dict": [list(p) for p in zip(keys, values, strict=True)]
        }
    raise TypeError(
        f"save: {path or 'the object'} is of type {type(x).__name__}; what can be saved are dicts, lists, tuples, "
        "tensors, arrays, numbers, strings, bytes and None"
    )


def _keep(array: np.ndarray, path: str, tensors: dict[str, np.ndarray]) -> str:
    if array.dtype.name not in _DTYPES.values():
        raise TypeError(f"save: {path or 'the object'} is an array of {array.dtype}; expected bool, integers or floats")
    name, n = path or "value", 1
    while name in tensors:  # {"a.b": ..., "a": {"b": ...}}
        name, n = f"{path}#{n}", n + 1
    tensors[name] = np.require(array, array.dtype.newbyteorder("="), "C")
    return name


def _decode(x: Any, tensors: dict[str, np.ndarray]) -> Any:
    if isinstance(x, list):
        return [_decode(v, tensors) for v in x]
    if not isinstance(x, dict):
        return x
    if len(x) != 1 or not next(iter(x)).startswith("$"):
        return {k: _decode(v, tensors) for k, v in x.items()}
    ((kind, value),) = x.items()
    if kind == "$tensor":
        return Tensor(tensors[value])
    if kind == "$array":
        return tensors[value]
    if kind == "$scalar":
        return tensors[value][()]
    if kind == "$float":
        return float(value)
    if kind == "$bytes":
        return bytes.fromhex(value)
    if kind == "$tuple":
        return tuple(_decode(v, tensors) for v in value)
    if kind in ("$dict", "$ordered"):
        pairs = [(_decode(k, tensors), _decode(v, tensors)) for k, v in value]
        return OrderedDict(pairs) if kind == "$ordered" else dict(pairs)
    raise ValueError(f"unknown type {kind}; was it written by a newer pydl?")


# ---- reading the format: 8 bytes length of the header, the header (JSON), the tensors' bytes

_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "F32": "float32", "F64": "float64",
}  # fmt: skip


def _header(name: str, content: bytes) -> dict[str, dict]:
    """The header, after checking that the file is whole. Read here, not by the library, to say what is wrong where."""
    length = struct.unpack("<Q", content[:8])[0] if len(content) >= 8 else -1
    if not content:
        raise ValueError(f"load: {name} is empty, expected a safetensors file")
    if length < 0 or content[8:9] not in (b"{", b""):
        raise ValueError(f"load: {name} is not a safetensors file (it begins with {content[:9]!r})")
    if 8 + length > len(content):
        raise ValueError(f"load: {name} is truncated: its header has {length} bytes, the file {len(content)}")
    try:
        header = json.loads(content[8 : 8 + length])
        tensors = {k: v for k, v in header.items() if k != "__metadata__"}
        size = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"load: {name} is not a safetensors file: its header cannot be read ({error})") from None
    if 8 + length + size != len(content):
        what = "truncated" if 8 + length + size > len(content) else "longer than its header says"
        raise ValueError(f"load: {name} is {what}: {8 + length + size} bytes expected, the file has {len(content)}")
    return header


def _array(name: str, key: str, entry: dict, content: bytes) -> np.ndarray:
    """The tensor `key`, in memory of its own."""
    start = 8 + struct.unpack("<Q", content[:8])[0]
    try:
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if kind not in _DTYPES:
            raise ValueError(f"dtype {kind} is not one of {', '.join(_DTYPES)}")
        dtype = np.dtype(_DTYPES[kind])
        if not 0 <= begin <= end or end - begin != dtype.itemsize * math.prod(shape) or min(shape, default=0) < 0:
            raise ValueError(f"{end - begin} bytes for {dtype} {shape}")
        flat = np.frombuffer(content, dtype.newbyteorder("<"), math.prod(shape), start + begin)
        return flat.reshape(shape).astype(dtype)  # copies
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"load: {name} is damaged: tensor {key}: {error}") from None
