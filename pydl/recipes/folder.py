"""The run folder: what is in it, and when it may be written to."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

from .. import __version__
from ..serialize import write_atomically

CONFIG, METRICS, SUMMARY, CHECKPOINT = "config.json", "metrics.csv", "summary.json", "checkpoint.safetensors"


class RunError(Exception):
    """A run cannot start or go on for a reason that its user can change."""


class Folder:
    """A run's files. `settings`: the recipe's name and its configuration, as config.json has them."""

    def __init__(self, path: str | os.PathLike, settings: dict[str, Any]):
        self.folder, self.settings = Path(path), settings

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, name: str) -> Path:
        """A file of the folder."""
        return self.folder / name

    @property
    def finished(self) -> bool:
        """Whether it holds a finished run."""
        return self.path(SUMMARY).exists()

    def prepare(self, overwrite: bool) -> None:
        """Makes it ready for a new run, unless an earlier run would be lost."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the run folder {self}: {error.strerror}") from error
        if not overwrite and any(self.path(name).exists() for name in (CONFIG, METRICS, SUMMARY, CHECKPOINT)):
            ways = "--out names another folder, --overwrite replaces it"
            if different := self.differences():
                raise RunError(f"{self} holds a run with other settings ({'; '.join(different)}): {ways}")
            if not self.finished:
                raise RunError(f"{self} holds an unfinished run: --resume continues it, {ways}")
            raise RunError(f"{self} holds the finished run of these settings: {ways}")
        try:
            for name in (SUMMARY, CHECKPOINT, METRICS):
                self.path(name).unlink(missing_ok=True)
            self.sweep()
            self.write(CONFIG, json.dumps({**self.settings, "pydl": __version__}, indent=2) + "\n")
        except OSError as error:
            raise RunError(f"cannot write to the run folder {self}: {error.strerror or error}") from error

    def reopen(self) -> None:
        """Raises RunError unless it holds a run of these settings that can go on."""
        if not self.path(CHECKPOINT).exists():
            raise RunError(f"{self} has no {CHECKPOINT} to resume from; start the run without --resume")
        if different := self.differences():
            raise RunError(
                f"{self} holds a run with other settings ({'; '.join(different)}); a resumed run keeps its own"
            )
        self.sweep()

    def sweep(self) -> None:
        """Removes what a kill in the middle of writing has left."""
        for left in self.folder.glob(".*.tmp"):
            left.unlink(missing_ok=True)

    def differences(self) -> list[str]:
        """How the settings there and these differ: "lr is 0.1 there, 0.2 here"."""
        here, there = self.settings, saved_settings(self.folder)
        there.pop("pydl", None)
        names = [n for n in {**here, **there} if n not in here or n not in there or here[n] != there[n]]
        return [f"{n} is {there.get(n, 'not set')} there, {here.get(n, 'not set')} here" for n in names]

    def write(self, name: str, content: str | bytes) -> None:
        """Puts a file there whole."""
        write_atomically(self.path(name), content.encode() if isinstance(content, str) else content)

    # ---- metrics.csv

    def append(self, row: dict[str, Any], first: bool) -> None:
        """Adds a row, on the disk when this returns."""
        with open(self.path(METRICS), "w" if first else "a", newline="") as f:
            writer = csv.writer(f, lineterminator="\n")
            if first:
                writer.writerow(row)
            writer.writerow(row.values())
            f.flush()
            os.fsync(f.fileno())

    def first_rows(self, n: int) -> list[dict[str, Any]]:
        """The first n rows; what is after them is removed from the file."""
        rows = read_metrics(self.path(METRICS))
        if len(rows) < n:
            raise RunError(f"{self.path(METRICS)} has {len(rows)} rows, the checkpoint was made after {n}")
        if self.path(METRICS).exists():
            lines = self.path(METRICS).read_text().splitlines(keepends=True)
            self.write(METRICS, "".join(lines[: n + 1] if n else []))
        return rows[:n]


def saved_settings(folder: str | os.PathLike) -> dict[str, Any]:
    """config.json of a run folder. Raises RunError if there is none."""
    path = Path(folder) / CONFIG
    try:
        settings = json.loads(path.read_text())
        if not isinstance(settings, dict) or "recipe" not in settings:
            raise ValueError("no 'recipe' in it")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}; is {folder} a run folder?") from error
    except ValueError as error:
        raise RunError(f"{path} is not one of a run ({error})") from error
    return settings


def read_metrics(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The whole rows of a metrics.csv, numbers as numbers; a last line that a kill cut short is left out."""
    if not os.path.exists(path):
        return []
    text = Path(path).read_text()
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [
        {k: int(v) if v.lstrip("-").isdigit() else float(v) for k, v in row.items()} for row in csv.DictReader(lines)
    ]
