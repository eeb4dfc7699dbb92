"""Errors that say in which layer of a model they happened."""

from __future__ import annotations

from typing import NamedTuple


class _Place(NamedTuple):
    """Where an error came from: the path from `module`, which it has reached, to a layer; its message there."""

    module: object
    path: str
    layer: str
    message: str


def locate(error: Exception, module) -> None:
    """Puts the path of the layer that raised `error` before its message, one name at each module on the way out."""
    notes = error.__dict__
    place: _Place | None = notes.get("_pydl_place")
    layer = type(module).__name__
    if place is None:
        if len(error.args) == 1 and isinstance(error.args[0], str):
            notes["_pydl_place"] = _Place(module, "", layer, error.args[0])
        return
    if place.module is module:  # it called itself
        return
    name = next((name for name, m in module.named_modules() if m is place.module), None)
    path = ".".join(filter(None, (name, place.path)))
    if path:
        layer = place.layer
        error.args = (f"{path} ({layer}): {place.message}",)
    notes["_pydl_place"] = _Place(module, path, layer, place.message)
