"""Derivatives of functions: `pydl.autograd.functional` and `pydl.func`."""

import numpy as np
import pytest

import pydl
from pydl import func
from pydl.autograd import functional

A = np.random.default_rng(0).standard_normal((3, 4))
X = np.random.default_rng(1).standard_normal(4)
Y = np.random.default_rng(2).standard_normal(4)


def t(a, requires_grad=False):
    return pydl.tensor(a, requires_grad=requires_grad)


def linear(x):
    return t(A) @ x


def cubic(x, y):
    """A number: sum of x³ y."""
    return (x * x * x * y).sum()


def test_jacobian_in_both_layouts():
    j = functional.jacobian(linear, t(X))
    np.testing.assert_allclose(j.data, A)
    assert not j.requires_grad
    np.testing.assert_allclose(functional.jacobian(linear, t(X), layout="denominator").data, A.T)
    np.testing.assert_allclose(func.jacobian(lambda x: x * x, t(X)).data, np.diag(2 * X))
    m = functional.jacobian(lambda m: (t(A) @ m).sum(0), t(A.T))
    assert m.shape == (3, 4, 3)
    flipped = functional.jacobian(lambda m: (t(A) @ m).sum(0), t(A.T), layout="denominator")
    np.testing.assert_array_equal(flipped.data, np.moveaxis(m.data, 0, -1))
    with pytest.raises(ValueError, match="layout"):
        functional.jacobian(linear, t(X), layout="mixed")


def test_jacobian_of_several_inputs_and_outputs():
    (jx, jy), (kx, ky) = functional.jacobian(lambda x, y: (x * y, x.sum()), (t(X), t(Y)))
    np.testing.assert_allclose(jx.data, np.diag(Y))
    np.testing.assert_allclose(jy.data, np.diag(X))
    np.testing.assert_allclose(kx.data, np.ones(4))
    np.testing.assert_allclose(ky.data, np.zeros(4))
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        functional.jacobian(lambda x, y: x.sum(), (t(X), t(Y)), strict=True)
    assert functional.jacobian(lambda x: x[:0], t(X)).shape == (0, 4)
    assert isinstance(functional.jacobian(linear, (t(X),)), tuple)


def test_create_graph_connects_to_the_inputs():
    x = t(X, True)
    functional.jacobian(lambda x: x * x * x, x, create_graph=True).sum().backward()
    np.testing.assert_allclose(x.grad.data, 6 * X)
    assert not functional.jacobian(lambda x: x * x, x).requires_grad


def test_products():
    v, w = t(np.arange(3.0)), t(Y)
    y, g = functional.vjp(linear, t(X), v)
    np.testing.assert_allclose(y.data, A @ X)
    np.testing.assert_allclose(g.data, v.data @ A)
    y, d = functional.jvp(lambda x: linear(x * x), t(X), w)
    np.testing.assert_allclose(d.data, A @ (2 * X * Y))
    y, (hx, hy) = functional.hvp(cubic, (t(X), t(Y)), (t(Y), t(X)))
    np.testing.assert_allclose(hx.data, 6 * X * Y * Y + 3 * X**2 * X)
    np.testing.assert_allclose(hy.data, 3 * X**2 * Y)
    with pytest.raises(RuntimeError, match=r"v has shapes \[\(4,\)\], expected \[\(3,\)\]"):
        functional.vjp(linear, t(X), w)


def test_hessian():
    np.testing.assert_allclose(functional.hessian(lambda x: (x**3).sum(), t(X)).data, np.diag(6 * X))
    (xx, xy), (yx, yy) = functional.hessian(cubic, (t(X), t(Y)))
    np.testing.assert_allclose(xx.data, np.diag(6 * X * Y))
    np.testing.assert_allclose(xy.data, np.diag(3 * X * X))
    np.testing.assert_allclose(yx.data, np.diag(3 * X * X))
    np.testing.assert_allclose(yy.data, np.zeros((4, 4)))
    np.testing.assert_allclose(func.hessian(lambda x: (x**3).sum())(t(X)).data, np.diag(6 * X))
    np.testing.assert_allclose(func.hessian(lambda x: (x**3).sum(), t(X)).data, np.diag(6 * X))
    with pytest.raises(RuntimeError, match="must return one number"):
        functional.hessian(lambda x: x, t(X))


def test_grad_as_a_function():
    g = func.grad(cubic)(t(X), t(Y))
    np.testing.assert_allclose(g.data, 3 * X**2 * Y)
    assert not g.requires_grad
    _, gy = func.grad(cubic, argnums=(0, 1))(t(X), t(Y))
    np.testing.assert_allclose(gy.data, X**3)
    g, (value, aux) = func.grad_and_value(lambda x: ((x * x).sum(), "aux"), has_aux=True)(t(X))
    assert aux == "aux" and not value.requires_grad
    np.testing.assert_allclose(value.item(), (X * X).sum())
    with pytest.raises(RuntimeError, match="0-d tensor"):
        func.grad(lambda x: x)(t(X))
    with pytest.raises(RuntimeError, match="argnums"):
        func.grad(cubic, argnums=2)(t(X), t(Y))


def test_grad_nests_and_reaches_what_it_closes_over():
    third = func.grad(func.grad(func.grad(lambda x: x**4)))
    assert third(t(2.0)).item() == 48.0
    w = t(3.0, True)
    func.grad(lambda x: w * w * x * x)(t(2.0)).backward()  # 2 w² x
    assert w.grad.item() == 24.0
    x = t(2.0, True)
    func.grad(lambda x: x * x * x)(x).backward()
    assert x.grad.item() == 12.0
    with pydl.no_grad():
        g = func.grad(lambda x: w * x * x)(t(2.0))
    assert g.item() == 12.0 and not g.requires_grad


def test_nested_arguments():
    params = {"a": t(X), "rest": [t(Y), (t(X),)]}
    g = func.grad(lambda p: (p["a"] * p["rest"][0] * p["rest"][1][0]).sum())(params)
    np.testing.assert_allclose(g["rest"][1][0].data, X * Y)
    j = func.jacrev(lambda p: {"y": p["a"] * 2.0})({"a": t(X)})
    np.testing.assert_allclose(j["y"]["a"].data, 2 * np.eye(4))


def test_vjp_and_jvp_as_functions():
    y, pull = func.vjp(lambda x, y: x * y, t(X), t(Y))
    gx, gy = pull(pydl.ones(4, dtype=pydl.float64))
    np.testing.assert_allclose(gx.data, Y)
    np.testing.assert_allclose(gy.data, X)
    gx, _ = pull(pydl.zeros(4, dtype=pydl.float64))  # as often as wanted
    assert not gx.data.any()
    y, d = func.jvp(lambda x, y: x * y, (t(X), t(Y)), (t(Y), t(X)))
    np.testing.assert_allclose(d.data, Y * Y + X * X)
    assert not d.requires_grad and not y.requires_grad
    np.testing.assert_allclose(func.jacfwd(lambda x: x * x)(t(X)).data, np.diag(2 * X))


class Layer(pydl.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = pydl.nn.Parameter(t(A))
        self.register_buffer("shift", t(np.ones(3)))

    def forward(self, x, scale=1.0):
        return (self.weight @ x + self.shift) * scale


class Net(pydl.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Layer()

    def forward(self, x, **options):
        return self.inner(x, **options)


def test_functional_call():
    net = Net()
    weight, shift = net.inner.weight, net.inner.shift
    other = {"inner.weight": t(2 * A), "inner.shift": t(np.zeros(3))}
    np.testing.assert_allclose(func.functional_call(net, other, t(X), {"scale": 0.5}).data, A @ X)
    assert net.inner.weight is weight and net.inner.shift is shift
    np.testing.assert_allclose(
        func.functional_call(net, {"inner.weight": other["inner.weight"]}, (t(X),)).data, 2 * A @ X + 1
    )
    g = func.grad(lambda p: func.functional_call(net, p, t(X)).sum())(other)
    np.testing.assert_allclose(g["inner.weight"].data, np.tile(X, (3, 1)))
    with pytest.raises(KeyError, match=r"no parameter or buffer 'inner\.bias'"):
        func.functional_call(net, {**other, "inner.bias": t(X)}, t(X))
    with pytest.raises(RuntimeError, match=r"strict=True.*inner\.shift"):
        func.functional_call(net, {"inner.weight": t(A)}, t(X), strict=True)
    with pytest.raises(ValueError, match="more than once"):
        func.functional_call(net, (other, other), t(X))
    with pytest.raises(RuntimeError, match="inner sizes differ"):
        func.functional_call(net, other, t(Y[:2]))
    assert net.inner.weight is weight and net.inner.shift is shift


def test_one_inner_step_of_maml():
    """The gradient through a gradient step: w' = w - a dL/dw, L = (w - 1)², outer loss w'²."""
    w = t(3.0, True)
    inner = func.grad(lambda w: (w - 1.0) ** 2)(w)
    step = w - 0.1 * inner
    (step * step).backward()
    np.testing.assert_allclose(w.grad.item(), 2 * (3 - 0.1 * 4) * (1 - 0.2))


# ---- the same by PyTorch


def flat(tree) -> list:
    """The arrays of nested tuples and dicts of tensors, in order."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    return [a for branch in tree for a in flat(branch)] if isinstance(tree, tuple) else [np.asarray(tree.detach())]


def waves(x, y):
    return (x * y).sin() + (x * x).sum(), y.exp() * x[0]


def energy(x, y):
    return (x * y).sin().sum() + (x * x * y).sum()


FUNCTIONAL = {
    "jacobian": lambda F, x, y, v: F.jacobian(waves, (x, y)),
    "jacobian of one": lambda F, x, y, v: F.jacobian(lambda x: x * x.sum(), x),
    "hessian": lambda F, x, y, v: F.hessian(energy, (x, y)),
    "hessian of one": lambda F, x, y, v: F.hessian(lambda x: (x**3).prod(), x),
    "vjp": lambda F, x, y, v: F.vjp(waves, (x, y), (v, x)),
    "vjp without v": lambda F, x, y, v: F.vjp(energy, (x, y)),
    "jvp": lambda F, x, y, v: F.jvp(waves, (x, y), (v, x)),
    "hvp": lambda F, x, y, v: F.hvp(energy, (x, y), (v, x)),
}
FUNC = {
    "grad": lambda F, x, y, v: F.grad(energy)(x, y),
    "grad of both": lambda F, x, y, v: F.grad(energy, argnums=(0, 1))(x, y),
    "grad of grad": lambda F, x, y, v: F.grad(lambda x: F.grad(energy)(x, y).sum())(x),
    "grad and value": lambda F, x, y, v: F.grad_and_value(energy, argnums=1)(x, y),
    "vjp": lambda F, x, y, v: (lambda out, pull: (out, pull((v, x))))(*F.vjp(waves, x, y)),
    "jvp": lambda F, x, y, v: F.jvp(waves, (x, y), (v, x)),
    "jacrev": lambda F, x, y, v: F.jacrev(waves, argnums=(0, 1))(x, y),
    "jacfwd": lambda F, x, y, v: F.jacfwd(waves)(x, y),
    "hessian": lambda F, x, y, v: F.hessian(energy, argnums=(0, 1))(x, y),
    "dict": lambda F, x, y, v: F.grad(lambda p: energy(p["a"], p["b"]))({"a": x, "b": y}),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_is_pytorch_s(name):
    torch = pytest.importorskip("torch")
    agree(FUNCTIONAL[name](functional, t(X), t(Y), t(A[0])), FUNCTIONAL[name](torch.autograd.functional, *peers(torch)))


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own forward mode
@pytest.mark.parametrize("name", FUNC)
def test_func_is_pytorch_s(name):
    torch = pytest.importorskip("torch")
    agree(FUNC[name](func, t(X), t(Y), t(A[0])), FUNC[name](torch.func, *peers(torch)))


def peers(torch):
    return [torch.from_numpy(a.copy()) for a in (X, Y, A[0])]


def agree(ours, theirs):
    assert type(ours) is type(theirs) or not isinstance(theirs, tuple | dict)
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parity
def test_functional_call_is_pytorch_s():
    torch = pytest.importorskip("torch")
    results = []
    for L in (pydl, torch):
        net = L.nn.Sequential(L.nn.Linear(4, 3), L.nn.Tanh(), L.nn.Linear(3, 1)).double()
        values = np.random.default_rng(3)
        params = {k: L.tensor(values.standard_normal(tuple(p.shape))) for k, p in net.named_parameters()}
        x = L.tensor(X)
        results.append(L.func.grad(lambda p, L=L, net=net, x=x: L.func.functional_call(net, p, (x,)).sum())(params))
    agree(*results)
