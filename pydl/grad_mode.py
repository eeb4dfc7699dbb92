"""Whether operations are recorded for the backward pass, per thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

# fmt: off
__all__ = [
    "detect_anomaly", "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad",
    "set_grad_enabled",
]
# fmt: on


class _Mode(threading.local):
    recording = True
    inference = False
    anomaly = False


mode = _Mode()

_GENERATOR = 0x20  # inspect.CO_GENERATOR


class Switch:
    """Sets some of `mode`'s flags inside a `with` block, or while a decorated function runs."""

    def __new__(cls, function: Callable | None = None, **flags):
        self = super().__new__(cls)
        if callable(function):  # @no_grad without parentheses
            self.__init__(**flags)  # type: ignore[misc]
            return self(function)
        return self

    def __init__(self, **flags: bool):
        self._flags = flags
        self._before: list[dict[str, bool]] = []

    def __enter__(self):
        self._before.append({name: getattr(mode, name) for name in self._flags})
        for name, value in self._flags.items():
            setattr(mode, name, value)

    def __exit__(self, *_):
        for name, value in self._before.pop().items():
            setattr(mode, name, value)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with Switch(**self._flags):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args, **kwargs):  # the flags hold while the generator runs, not between its items
            generator, sent = function(*args, **kwargs), None
            try:
                while True:
                    with Switch(**self._flags):
                        try:
                            item = generator.send(sent)
                        except StopIteration as stop:
                            return stop.value
                    sent = yield item
            finally:
                generator.close()

        is_generator = hasattr(function, "__code__") and function.__code__.co_flags & _GENERATOR
        return generate if is_generator else wrapped


class no_grad(Switch):
    """`with no_grad():` or `@no_grad`: operations inside are not recorded for the backward pass."""

    def __init__(self):
        super().__init__(recording=False)


class enable_grad(Switch):
    """`with enable_grad():` or `@enable_grad`: operations inside are recorded, within no_grad for instance."""

    def __init__(self):
        super().__init__(recording=True)


class _AtOnce(Switch):
    """A switch that is also a function: it takes effect when called, and is undone at the end of a `with` block."""

    def __new__(cls, mode: bool):
        return object.__new__(cls)

    def __init__(self, **flags: bool):
        super().__init__(**flags)
        self.__enter__()

    def __enter__(self):
        if not self._before:
            super().__enter__()

    def __call__(self, function: Callable) -> Callable:
        self.__exit__()  # a decorator takes effect when the function runs
        return super().__call__(function)


class set_grad_enabled(_AtOnce):
    """`with set_grad_enabled(flag):` records the operations inside, or not. Takes effect at once when called as a function."""

    def __init__(self, mode: bool):
        super().__init__(recording=bool(mode))


class inference_mode(Switch):
    """`with inference_mode():` like no_grad; tensors made inside can never take part in a recorded operation."""

    def __new__(cls, mode=True):
        return super().__new__(cls, mode if callable(mode) else None)

    def __init__(self, mode=True):
        on = bool(mode)
        super().__init__(recording=not on, inference=on)


class detect_anomaly(Switch):
    """`with detect_anomaly():` the first operation, forward or backward, that makes a NaN from none raises and is named."""

    def __init__(self):
        super().__init__(anomaly=True)


class set_detect_anomaly(_AtOnce):
    """`with set_detect_anomaly(flag):` as `detect_anomaly`, on or off. Takes effect at once when called as a function."""

    def __init__(self, mode: bool):
        super().__init__(anomaly=bool(mode))


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return mode.recording


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on in this thread."""
    return mode.inference
