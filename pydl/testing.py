"""One oracle for every op: `check` runs a case against float64, numpy, finite differences, odd layouts and guard bands."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from . import autograd, backend, op
from .grad_mode import enable_grad, no_grad
from .tensor import Tensor


@dataclass
class Case:
    """One use of an op: a function of tensors and the inputs it gets.

    `inputs`: for each argument a shape (filled with standard normal numbers), an array (a floating one is cast to the
    dtype under test), a function of a numpy random Generator that makes an array, or None. `oracle`: the same function on
    numpy arrays, from first principles; needed where no fused op with a reference is involved. `orders`: how often it is
    differentiated (0: not differentiable). `exact`: the result must equal the oracle's to the bit.
    """

    name: str
    function: Callable
    inputs: tuple = ()
    oracle: Callable | None = None
    orders: int = 2
    exact: bool = False
    peer: bool = True  # False: PyTorch has no such function, or means something else by it
    seed: int = 0
    attrs: dict = field(default_factory=dict)

    def arrays(self, dtype: np.dtype) -> list:
        """The inputs; the same numbers for every dtype, those that float32 can hold."""
        rng = np.random.default_rng(self.seed)
        made = []
        for spec in self.inputs:
            a = spec(rng) if callable(spec) else rng.standard_normal(spec) if isinstance(spec, tuple) else spec
            if a is not None:
                a = np.asarray(a)
                a = a.astype(np.float32).astype(dtype) if a.dtype.kind == "f" else a
            made.append(a)
        return made

    def run(self, arrays, requires_grad: bool = False):
        """Tensors of the inputs and of the results."""
        tensors = [None if a is None else Tensor(a, requires_grad and a.dtype.kind == "f") for a in arrays]
        results = self.function(*tensors, **self.attrs)
        return tensors, list(results) if isinstance(results, tuple | list) else [results]

    def __str__(self) -> str:
        shapes = [None if a is None else "x".join(map(str, a.shape)) or "()" for a in self.arrays(np.dtype(np.float64))]
        return f"{self.name}[{','.join(map(str, shapes))}]"


def check(case: Case, dtype) -> None:
    """Raises AssertionError unless the case holds in `dtype`: value, gradients of order 1 and 2, purity, layout, threads."""
    dtype = np.dtype(dtype)
    arrays = case.arrays(dtype)
    kept: list = [None if a is None else a.copy() for a in arrays]
    with guard_bands():
        _, results = case.run(arrays)
    values = [r.data for r in results]
    for a, b in zip(arrays, kept, strict=True):
        same = a is None or np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        assert same, f"{case}: an input was changed"
    _check_values(case, dtype, values)
    _check_layouts_and_threads(case, arrays, values)
    if case.orders >= 1:
        _check_gradients(case, dtype)
        if dtype == np.float64:
            for order in range(1, case.orders + 1):
                _check_directional(case, order)


def _truth(case: Case, dtype: np.dtype) -> list[np.ndarray]:
    """The result by definition: the numpy oracle, or the references of the fused ops."""
    arrays = case.arrays(dtype)
    if case.oracle is not None:
        results = case.oracle(*arrays, **case.attrs)
        return [np.asarray(r) for r in (results if isinstance(results, tuple | list) else [results])]
    with references() as used:
        _, results = case.run(arrays)
    assert used, f"{case}: needs an oracle, for no op in it has a reference"
    return [r.data for r in results]


def _check_values(case: Case, dtype: np.dtype, values) -> None:
    exact, rough = _truth(case, np.dtype(np.float64)), _truth(case, np.dtype(np.float32))
    assert len(exact) == len(values), f"{case}: {len(values)} results, expected {len(exact)}"
    for got, want, same in zip(values, exact, rough, strict=True):
        if got.dtype.kind == "f":
            assert got.dtype == dtype, f"{case}: result is {got.dtype}, expected {dtype}"
        assert got.shape == want.shape, f"{case}: result has shape {got.shape}, expected {want.shape}"
        if case.exact or got.dtype.kind != "f":
            np.testing.assert_array_equal(got, want.astype(got.dtype), err_msg=str(case))
        else:
            _close(str(case), got, want, same)


def _close(what: str, got: np.ndarray, want: np.ndarray, reference: np.ndarray) -> None:
    """|got - want| <= 4 x the reference's own error in that dtype, plus 8 ulp of the largest value.

    `want` is the reference in float64, `reference` in float32; their difference, in ulp, is its error in any dtype.
    """
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    finite = np.isfinite(want)
    assert (same | finite).all(), f"{what}: NaN or infinity in the wrong place"
    if not finite.any():
        return
    scale = np.abs(want[finite]).max()
    with np.errstate(invalid="ignore", over="ignore"):
        own = np.abs(reference.astype(np.float64) - want)
        own = own[finite & np.isfinite(own)].max(initial=0.0) * (np.finfo(got.dtype).eps / np.finfo(np.float32).eps)
        error = np.where(same, 0.0, np.abs(got.astype(np.float64) - want))
    bound = 4 * own + 8 * np.finfo(got.dtype).eps * scale + np.finfo(got.dtype).tiny
    worst = error[finite].max()
    assert worst <= bound, f"{what}: error {worst:.3g} of values up to {scale:.3g}; bound {bound:.3g} ({got.dtype})"


def _check_layouts_and_threads(case: Case, arrays, values) -> None:
    """The same bits for transposed and strided inputs, and for 1, 2 and 3 threads."""

    def same(results, what):
        for r, v in zip(results, values, strict=True):
            assert np.array_equal(r.data, v, equal_nan=v.dtype.kind == "f"), f"{case}: another result {what}"

    def strided(a):
        wide = np.zeros((*a.shape, 2), a.dtype)
        wide[..., 0] = a
        return wide[..., 0]

    same(case.run([None if a is None else a.copy(order="F") for a in arrays])[1], "for column-major inputs")
    same(case.run([None if a is None else strided(a) for a in arrays])[1], "for strided inputs")
    threads = backend.get_num_threads()
    try:
        for n in (1, 2, 3):
            backend.set_num_threads(n)
            same(case.run(arrays)[1], f"with {n} threads")
    finally:
        backend.set_num_threads(threads)


def _floats(results) -> list[Tensor]:
    return [r for r in results if r.dtype.kind == "f" and r._requires_grad]


def _gradients(case: Case, dtype: np.dtype) -> list[np.ndarray]:
    """d(results · fixed random numbers)/d(floating inputs)"""
    tensors, results = case.run(case.arrays(dtype), requires_grad=True)
    outputs = _floats(results)
    rng = np.random.default_rng(case.seed + 1)
    seeds = [Tensor(rng.standard_normal(r.shape).astype(np.float32).astype(dtype)) for r in outputs]
    inputs = [t for t in tensors if t is not None and t._requires_grad]
    found = autograd.grad(outputs, inputs, seeds, allow_unused=True, materialize_grads=True)
    return [g.data for g in found]


def _check_gradients(case: Case, dtype: np.dtype) -> None:
    with guard_bands():
        got = _gradients(case, dtype)
    with references() as used:
        want = _gradients(case, np.dtype(np.float64))
        same = _gradients(case, np.dtype(np.float32))
    for i, (g, w, r) in enumerate(zip(got, want, same, strict=True)):
        # Without a fused op the reference is the same code: then the gradient has to stay within 128 ulp of float64's.
        reference = r if used else w + 32 * np.finfo(np.float32).eps * np.abs(w).max(initial=0.0)
        _close(f"{case}: gradient {i}", g, w, reference)


def _check_directional(case: Case, order: int) -> None:
    """The derivative of that order along random directions against a central difference of the order below."""
    arrays: list = case.arrays(np.dtype(np.float64))
    rng = np.random.default_rng(case.seed + 2)
    moved = [i for i, a in enumerate(arrays) if a is not None and a.dtype.kind == "f" and a.size]
    if not moved:
        return
    directions = [{i: rng.standard_normal(arrays[i].shape) for i in moved} for _ in range(order)]
    weights: dict[int, np.ndarray] = {}

    def derivative(shift: float, n: int) -> float:
        at = [np.asarray(a + shift * directions[order - 1][i]) if i in moved else a for i, a in enumerate(arrays)]
        tensors, results = case.run(at, requires_grad=True)
        value = None
        for j, r in enumerate(_floats(results)):
            w = weights.setdefault(j, np.random.default_rng(case.seed + 3 + j).standard_normal(r.shape))
            term = (r * Tensor(w)).sum()
            value = term if value is None else value + term
        for k in range(n):
            if value is None or not value._requires_grad:
                return 0.0
            inputs = [tensors[i] for i in moved]
            gs = autograd.grad(value, inputs, create_graph=True, allow_unused=True)
            terms = [(g * Tensor(directions[k][i])).sum() for i, g in zip(moved, gs, strict=True) if g is not None]
            value = None
            for term in terms:
                value = term if value is None else value + term
        return 0.0 if value is None else value.item()

    step = 1e-5
    numeric = (derivative(step, order - 1) - derivative(-step, order - 1)) / (2 * step)
    analytic = derivative(0.0, order)
    scale = max(abs(numeric), abs(analytic), abs(derivative(0.0, order - 1)), 1e-3)
    assert abs(numeric - analytic) <= 2e-5 * scale, (
        f"{case}: derivative of order {order}: {analytic}, numerically {numeric}"
    )


# ---- what the checks switch


@contextlib.contextmanager
def references() -> Iterator[set]:
    """Inside, fused ops run their references instead of their kernels; yields the names of those that did."""
    used: set[str] = set()

    def run_reference(self, *inputs, **attrs):
        used.add(self.name)
        return self.reference(*inputs, **attrs)

    original = op.Fused.__call__
    op.Fused.__call__ = run_reference  # type: ignore[method-assign]
    try:
        yield used
    finally:
        op.Fused.__call__ = original  # type: ignore[method-assign]


_GUARD = 64  # bytes on each side of a guarded array


@contextlib.contextmanager
def guard_bands() -> Iterator[None]:
    """Inside, results are allocated between bands of known bytes; raises where a kernel wrote into one."""
    made = []

    def empty(shape, dtype):
        count = int(np.prod(shape, dtype=np.int64))
        memory = np.full(count * dtype.itemsize + 2 * _GUARD, 0xA5, np.uint8)
        made.append(memory)
        return memory[_GUARD : memory.size - _GUARD].view(dtype).reshape(shape)

    def empty_like(x):
        return empty(x.shape, x.dtype)

    ours = [m for name, m in sys.modules.items() if name.startswith("pydl.")]
    replaced = [
        (module, name, getattr(backend, name))
        for name in ("empty", "empty_like")
        for module in ours
        if getattr(module, name, None) is getattr(backend, name)
    ]
    for module, name, _original in replaced:
        setattr(module, name, empty if name == "empty" else empty_like)
    try:
        yield
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)
    for memory in made:
        assert (memory[:_GUARD] == 0xA5).all() and (memory[-_GUARD:] == 0xA5).all(), "a kernel wrote outside its result"


# ---- for users' own functions


def gradcheck(function: Callable, inputs, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3) -> bool:
    """Compares every entry of the Jacobian of function(*inputs) with central differences; raises AssertionError.

    inputs: tensors, float64; those with requires_grad are checked.
    """
    inputs = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    checked = [(i, t) for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires grad")
    for i, t in checked:
        if t.dtype != np.float64:
            raise ValueError(f"gradcheck: input {i} is {t.dtype}; finite differences need float64")

    def outputs():
        results = function(*inputs)
        return [r for r in (results if isinstance(results, tuple | list) else [results]) if r.dtype.kind == "f"]

    for o, y in enumerate(outputs()):
        for i, t in checked:
            analytic = np.zeros((y.numel(), t.numel()))
            for row in range(y.numel() if y.requires_grad else 0):
                seed = np.zeros(y.numel())
                seed[row] = 1.0
                g = autograd.grad(y, t, Tensor(seed.reshape(y.shape)), retain_graph=True, allow_unused=True)[0]
                analytic[row] = 0.0 if g is None else g.data.reshape(-1)
            numeric = _jacobian(lambda o=o: outputs()[o].data, t.data, eps)
            if not np.allclose(analytic, numeric, rtol, atol):
                raise AssertionError(
                    f"gradcheck: output {o}, input {i}: largest difference {np.abs(analytic - numeric).max():.3g}\n"
                    f"analytic:\n{analytic}\nnumeric:\n{numeric}"
                )
    return True


def _jacobian(function: Callable, x: np.ndarray, eps: float) -> np.ndarray:
    columns = []
    with no_grad():
        for i in np.ndindex(x.shape):
            value = x[i]
            x[i] = value + eps
            above = function().reshape(-1).copy()
            x[i] = value - eps
            below = function().reshape(-1).copy()
            x[i] = value
            columns.append((above - below) / (2 * eps))
    return np.stack(columns, axis=1) if columns else np.zeros((function().size, 0))


def gradgradcheck(function: Callable, inputs, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3) -> bool:
    """`gradcheck` of the gradient of function(*inputs), with random output gradients that are inputs too."""
    inputs = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    results = function(*inputs)
    results = [r for r in (results if isinstance(results, tuple | list) else [results]) if r.dtype.kind == "f"]
    rng = np.random.default_rng(0)
    seeds = [Tensor(rng.standard_normal(r.shape), True) for r in results]
    n = len(inputs)

    def gradient(*arguments):
        with enable_grad():
            again = function(*arguments[:n])
            again = [r for r in (again if isinstance(again, tuple | list) else [again]) if r.dtype.kind == "f"]
            wanted = [t for t in arguments[:n] if isinstance(t, Tensor) and t.requires_grad]
            return autograd.grad(
                again, wanted, list(arguments[n:]), create_graph=True, allow_unused=True, materialize_grads=True
            )

    return gradcheck(gradient, (*inputs, *seeds), eps=eps, atol=atol, rtol=rtol)
