"""Training programs, one file each: `pydl train NAME` runs them.

A recipe has, top to bottom: a docstring whose first line says what it does, a dataclass `Config(recipe.Config)` whose
every field is a flag, and `train(config, run)`: data, model, loop, metric, pictures.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

_BASE = ("recipe", "folder", "progress", "pictures")  # what recipes stand on


def names() -> dict[str, str]:
    """Name and first line of each recipe, read without importing it."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not path.stem.startswith("_") and path.stem not in _BASE:
            docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            found[path.stem] = docstring.partition("\n")[0]
    return found


def find(name: str) -> ModuleType:
    """The recipe's module. Raises KeyError for an unknown one, ImportError where a package that it needs is missing."""
    if name not in names():
        raise KeyError(name)
    return importlib.import_module(f"{__name__}.{name}")
