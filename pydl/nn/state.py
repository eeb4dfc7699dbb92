"""Loading a state_dict into a module: everything is compared first, then everything is written."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..grad_mode import no_grad
from ..tensor import Tensor
from .parameter import Parameter


class IncompatibleKeys(NamedTuple):
    """What load_state_dict found missing in, and left over from, the state_dict."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self):
        return "<All keys matched successfully>" if not (self[0] or self[1]) else tuple.__repr__(self)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{k}"' for k in keys)


def load(module, state_dict, strict: bool, assign: bool) -> IncompatibleKeys:
    """See Module.load_state_dict."""
    if not hasattr(state_dict, "keys"):
        raise TypeError(f"expected state_dict to be dict-like, got {type(state_dict).__name__}")
    places = {
        (f"{path}." if path else "") + name: (owner, name, t)
        for path, owner in module.named_modules(remove_duplicate=False)
        for name, t in (*owner._parameters.items(), *owner._buffers.items())
        if t is not None and name not in owner._non_persistent_buffers_set
    }
    missing = [key for key in places if key not in state_dict]
    unexpected = [key for key in state_dict if key not in places]
    problems, found = [], {}
    if strict and missing:
        problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}.")
    if strict and unexpected:
        problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
    for key, (_, _, t) in places.items():
        if key not in state_dict:
            continue
        value = state_dict[key]
        if not isinstance(value, Tensor):
            if not hasattr(value, "__array__"):
                problems.append(f'"{key}": expected a tensor or an array, got {type(value).__name__}.')
                continue
            value = Tensor(np.asarray(value))
        if value.shape != t.shape and not (t.shape == () and value.shape == (1,)):
            problems.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {t.shape}."
            )
        elif value.dtype.kind not in "biuf":
            problems.append(f'"{key}": its elements are {value.dtype}, expected {t.dtype}.')
        else:
            found[key] = value
    if problems:
        name = type(module).__name__
        raise RuntimeError("Error(s) in loading state_dict for {}:\n\t{}".format(name, "\n\t".join(problems)))
    with no_grad():
        for key, value in found.items():
            owner, name, t = places[key]
            if assign:
                _assign(owner, name, t, value)
            else:
                t.copy_(value.detach().reshape(t.shape))
                if isinstance(t, Parameter):
                    t.init = "loaded"
    return IncompatibleKeys(missing, unexpected)


def _assign(owner, name: str, t: Tensor, value: Tensor) -> None:
    if name in owner._parameters:
        if not isinstance(value, Parameter):
            value = Parameter(value, t.requires_grad)
        owner._parameters[name] = value
    else:
        owner._buffers[name] = value
