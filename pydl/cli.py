"""The command `pydl`: train a recipe, list them, show the installation."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import pydl

USER_ERROR, INTERRUPTED = 2, 130  # exit codes


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 (a mistake of the user's, told in a line), 130 (stopped)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # a terminal without our signs gets question marks instead of an exception
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parser = _parser()
    command = arguments[0] if arguments else None
    if command is not None and not command.startswith("-") and command not in _COMMANDS:
        return _mistake(
            f"unknown command {command!r}{_near(command, _COMMANDS)}; the commands are {', '.join(_COMMANDS)}"
        )
    if command == "train":
        return _train(arguments[1:])
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse has told the reason
        return int(stop.code or 0)
    if options.command is None:
        parser.print_help()
        return USER_ERROR
    return _COMMANDS[options.command]()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("pydl", description=pydl.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"pydl {pydl.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="{train,list,info}")
    commands.add_parser("train", help="train NAME [settings] [--out DIR] [--resume | --overwrite]", add_help=False)
    commands.add_parser("list", help="the recipes that can be trained")
    commands.add_parser("info", help="version, kernels, threads, CUDA, memory pool")
    return parser


def _mistake(message: str) -> int:
    print(f"pydl: error: {message}", file=sys.stderr)
    return USER_ERROR


def _near(word: str, known) -> str:
    close = difflib.get_close_matches(word, list(known), 3, 0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


# ---- train


def _train(arguments: list[str]) -> int:
    from . import recipes

    known = recipes.names()
    if not arguments or arguments[0].startswith("-"):
        print(f"usage: pydl train NAME [settings] [--out DIR] [--resume | --overwrite]\n\nNAME: {', '.join(known)}")
        print("\npydl train NAME --help shows every setting.")
        return 0 if {"-h", "--help"} & set(arguments) else _mistake("train: which recipe?")
    name = arguments[0]
    if name not in known:
        return _mistake(f"unknown recipe {name!r}{_near(name, known)}; `pydl list` shows all {len(known)}")
    from .recipes.folder import RunError
    from .recipes.recipe import Interrupted, Run

    try:
        recipe = recipes.find(name)
        config, options = _settings(recipe, name, arguments[1:])
        if options.threads is not None:
            pydl.set_num_threads(options.threads)
        with Run(name, config, options.out, resume=options.resume, overwrite=options.overwrite) as run:
            if options.resume and run.finished:
                print(f"{options.out} holds a finished run: nothing is left to train")
            recipe.train(config, run)
    except SystemExit as stop:  # the reading of flags has told the reason, or the help
        return int(stop.code or 0)
    except Interrupted as stop:
        print(f"{stop}\ncontinue with: pydl train {name} --resume --out {options.out}", file=sys.stderr)
        return INTERRUPTED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except (RunError, OSError, ImportError, MemoryError) as error:
        return _mistake(f"train {name}: {str(error) or type(error).__name__}")
    return 0


@dataclasses.dataclass
class Options:
    """The run and its folder."""

    out: Path
    """Run folder: config, metrics, checkpoint, summary and pictures go there."""
    resume: bool = False
    """Continue the run in that folder from its checkpoint, with its settings."""
    overwrite: bool = False
    """Replace what is in the folder."""
    threads: int | None = None
    """CPU threads; results do not depend on them."""


def _settings(recipe, name: str, arguments: list[str]):
    """(the recipe's Config, where and how to run) from the flags; a resumed run starts from its own config.json."""
    try:
        import tyro
    except ImportError:
        raise ImportError("flags are read by tyro, which is not installed: pip install 'pydl-nn[train]'") from None
    from .recipes.folder import RunError, saved_settings

    def read(defaults):
        both = dataclasses.make_dataclass(
            "Both",
            [
                ("config", recipe.Config, dataclasses.field(default_factory=lambda: defaults)),
                ("options", Options, dataclasses.field(default_factory=lambda: Options(Path("runs") / name))),
            ],
        )
        return tyro.cli(
            both,
            prog=f"pydl train {name}",
            description=recipe.__doc__,
            args=arguments,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )

    given = read(recipe.Config())
    if given.options.resume:
        if given.options.overwrite:
            raise RunError("--resume and --overwrite exclude each other")
        saved = saved_settings(given.options.out)
        fields = {f.name for f in dataclasses.fields(recipe.Config)}
        if saved["recipe"] != name or not fields <= set(saved):
            raise RunError(
                f"{given.options.out} holds a run of {saved['recipe']} (pydl {saved.get('pydl')}), not of this {name}"
            )
        config = recipe.Config(**{n: saved[n] for n in fields})
        try:
            config.check()
        except (TypeError, ValueError) as error:  # changed by hand
            raise RunError(f"{given.options.out}: a setting in its config.json does not fit: {error}") from error
        given = read(config)
    if given.options.threads is not None and given.options.threads < 1:
        raise RunError(f"--threads must be at least 1, got {given.options.threads}")
    return given.config, given.options


# ---- list, info


def _list() -> int:
    from . import recipes

    known = recipes.names()
    width = max(map(len, known), default=0)
    for name, line in known.items():
        print(f"{name:<{width}}  {line}")
    return 0


def _info() -> int:
    import numpy

    from . import backend, memory

    levels = backend._processor.levels()
    installed = [n for n in levels if is_installed(f"_cpu_{n}")]
    pool = memory.stats()
    rows = {
        "pydl": f"{pydl.__version__}, from {os.path.dirname(pydl.__file__)}",
        "python": f"{platform.python_version()}, numpy {numpy.__version__}, {platform.system()} {platform.machine()}",
        "cpu kernels": f"{backend.cpu.__name__.rpartition('_')[2]} in use; "
        f"this processor runs {', '.join(levels)}, of which {', '.join(installed)} installed (PYDL_CPU chooses)",
        "threads": f"{pydl.get_num_threads()} of {os.cpu_count()} cores",
        "cuda": _cuda(),
        "memory pool": ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in pool.items()),
    }
    for name, text in rows.items():
        print(f"{name:<12}  {text}")
    return 0


def is_installed(module: str) -> bool:
    return importlib.util.find_spec(f"pydl.{module}") is not None


def _cuda() -> str:
    if is_installed("cuda"):
        cuda = importlib.import_module("pydl.cuda")
        return "available" if cuda.is_available() else "kernels installed, no device that runs them"
    return "this build has no CUDA kernels"


_COMMANDS = {"train": lambda: _train([]), "list": _list, "info": _info}
