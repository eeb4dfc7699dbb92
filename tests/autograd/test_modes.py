"""Whether operations are recorded: grad modes, detach, requires_grad, hooks."""

import threading

import pytest

import pydl
from pydl import autograd


def leaf(*values):
    return pydl.tensor(values, dtype=pydl.float64, requires_grad=True)


def test_no_grad_and_enable_grad_nest():
    x = leaf(1.0)
    with pydl.no_grad():
        assert not (x * 2.0).requires_grad
        with pydl.enable_grad():
            assert (x * 2.0).requires_grad
        assert not pydl.is_grad_enabled()
    assert (x * 2.0).requires_grad
    switch = pydl.no_grad()
    with switch, switch:
        assert not pydl.is_grad_enabled()
    assert pydl.is_grad_enabled()


def test_modes_end_with_an_exception():
    for mode in (pydl.no_grad, pydl.inference_mode):
        with pytest.raises(ZeroDivisionError), mode():
            raise ZeroDivisionError
        assert pydl.is_grad_enabled() and not pydl.is_inference_mode_enabled()


def test_modes_decorate_functions():
    x = leaf(1.0)

    @pydl.no_grad()
    def quiet(y):
        """doc"""
        return x * y

    @pydl.no_grad
    def bare():
        return x * 2.0

    @pydl.inference_mode()
    def fast():
        return x * 2.0

    @pydl.set_grad_enabled(False)
    def off():
        return x * 2.0

    assert pydl.is_grad_enabled()
    for y in (quiet(2.0), bare(), fast(), off()):
        assert not y.requires_grad and y.item() == 2
    assert quiet.__doc__ == "doc" and pydl.is_grad_enabled()
    with pydl.no_grad():
        assert pydl.enable_grad()(lambda: (x * 2.0).requires_grad)()

    @pydl.no_grad()
    def recursive(n):
        return recursive(n - 1) if n else pydl.is_grad_enabled()

    assert not recursive(3) and pydl.is_grad_enabled()


def test_no_grad_covers_a_generator_and_not_its_user():
    x = leaf(1.0)

    @pydl.no_grad()
    def generate():
        for _ in range(2):
            yield x * 2.0

    for y in generate():
        assert not y.requires_grad
        assert pydl.is_grad_enabled()


def test_set_grad_enabled():
    x = leaf(1.0)
    for flag in (False, True):
        with pydl.set_grad_enabled(flag):
            assert (x * 2.0).requires_grad is flag
        assert pydl.is_grad_enabled()
    pydl.set_grad_enabled(False)
    try:
        assert not (x * 2.0).requires_grad
    finally:
        pydl.set_grad_enabled(True)
    assert (x * 2.0).requires_grad


def test_set_detect_anomaly():
    with autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="log: made a NaN"):
        leaf(-1.0).log()
    leaf(-1.0).log()
    autograd.set_detect_anomaly(True)
    try:
        with autograd.set_detect_anomaly(False):
            leaf(-1.0).log()
        with pytest.raises(RuntimeError, match="log: made a NaN"):
            leaf(-1.0).log()
    finally:
        autograd.set_detect_anomaly(False)
    leaf(-1.0).log()


def test_inference_tensors_stay_out_of_the_graph():
    x = leaf(1.0)
    with pydl.inference_mode():
        assert pydl.is_inference_mode_enabled() and not pydl.is_grad_enabled()
        y = x * 2.0
        y.mul_(3.0)
    assert y.item() == 6 and not y.requires_grad
    with pytest.raises(RuntimeError, match="inference"):
        x * y
    assert (y.clone() * x).item() == 6
    with pydl.inference_mode(False):
        assert (x * 2.0).requires_grad


def test_the_mode_is_each_thread_s_own():
    seen = []
    with pydl.no_grad():
        thread = threading.Thread(target=lambda: seen.append(pydl.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not pydl.is_grad_enabled()
    assert seen == [True]


def test_threads_differentiate_at_the_same_time():
    x = [leaf(float(i)) for i in range(4)]

    def work(t):
        for _ in range(50):
            (t * t).sum().backward()

    threads = [threading.Thread(target=work, args=(t,)) for t in x]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [t.grad.item() for t in x] == [0, 100, 200, 300]


def test_detach_shares_memory_and_versions():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    d = y.detach()
    assert not d.requires_grad and d.is_leaf and d.data is y.data
    z = y * y
    d.zero_()
    with pytest.raises(RuntimeError, match="modified"):
        z.sum().backward()
    y = x * 2.0
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    with pytest.raises(RuntimeError, match="view"):
        (x * 2.0)[0].detach_()


def test_requires_grad_can_be_set_on_leaves_only():
    x = pydl.ones(2)
    assert x.requires_grad_() is x and x.requires_grad and x.is_leaf
    x.requires_grad = False
    assert not (x * 2.0).requires_grad
    with pytest.raises(RuntimeError, match="only floating tensors"):
        pydl.tensor([1]).requires_grad_()
    with pytest.raises(RuntimeError, match="leaf tensors"):
        (x.requires_grad_() * 2.0).requires_grad_(False)
    assert (pydl.tensor([1.0], requires_grad=True) > 0).requires_grad is False


# ---- hooks


def test_hooks_see_and_replace_gradients():
    x = leaf(1.0)
    seen = []
    first = x.register_hook(lambda g: seen.append(g.item()))
    second = x.register_hook(lambda g: g * 10.0)
    y = x * 3.0
    y.register_hook(lambda g: g + 1.0)
    y.sum().backward()
    assert seen == [6] and x.grad.item() == 60
    first.remove()
    second.remove()
    third = x.register_hook(lambda g: g * 1.0)
    second.remove()  # again: the hook registered since stays
    assert len(x._hooks) == 1
    third.remove()
    x.grad = None
    (x * 3.0).sum().backward()
    assert seen == [6] and x.grad.item() == 3


def test_a_hook_on_a_leaf_runs_once_on_the_whole_gradient():
    x = leaf(1.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2.0 + x * 3.0).sum().backward()
    assert seen == [5]
    assert autograd.grad((x * 2.0).sum(), x)[0].item() == 2 and seen == [5, 2]


def test_a_hook_may_not_change_the_shape():
    x = leaf(1.0)
    x.register_hook(lambda g: pydl.ones(2))
    with pytest.raises(RuntimeError, match=r"hook returned shape \(2,\), expected \(1,\)"):
        x.sum().backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        pydl.ones(1).register_hook(print)


def test_hooks_are_part_of_the_graph_they_change():
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = autograd.grad(y.sum(), x, create_graph=True)  # 2 x²
    assert g.item() == 18
    g.backward()
    assert x.grad.item() == 12


def test_hooks_on_leaves_run_in_the_mode_of_the_pass():
    x, w = leaf(3.0), leaf(2.0)
    x.register_hook(lambda g: g * w)
    assert not autograd.grad((x * x).sum(), x)[0].requires_grad
    y = (x * x).sum()
    with pydl.no_grad():
        y.backward(create_graph=True)
    assert x.grad.item() == 12
    assert autograd.grad(x.grad.sum(), w)[0].item() == 6
    x.grad = None  # a gradient with a graph refers to its leaf


def test_a_hook_survives_what_happens_to_its_tensor():
    x = leaf(2.0)
    y = x * 3.0
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    z = y * 5.0
    del y
    z.backward()
    assert seen == [5]


def test_retain_grad():
    x = leaf(2.0)
    y = x * 3.0
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.item() == 12 and x.grad.item() == 36
    x.retain_grad()  # a leaf has it anyway
    with pytest.raises(RuntimeError, match="does not require grad"):
        pydl.ones(1).retain_grad()
    y = x * 3.0
    y.register_hook(lambda g: g * 2.0)
    y.retain_grad()
    y.sum().backward()
    assert y.grad.item() == 2  # what the hooks made of it
