import numpy as np

import pydl.nn.functional as F
from pydl.testing import Case


def log_softmax(x, axis=1):
    z = x - x.max(axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


def nll(logp, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Label by label, as the formula says."""
    classes = logp.shape[1]
    w = np.ones(classes) if weight is None else weight
    loss, total = np.zeros(target.shape, logp.dtype), 0.0
    for at in np.ndindex(target.shape):
        t = target[at]
        if t != ignore_index:
            lp = logp[(at[0], slice(None), *at[1:])]
            loss[at] = -(1 - label_smoothing) * w[t] * lp[t] - label_smoothing / classes * (w * lp).sum()
            total += w[t]
    return loss if reduction == "none" else loss.sum() / (total if reduction == "mean" else 1)


def labels(classes, *shape, ignored=0.0, mark=-100):
    def make(rng):
        t = rng.integers(0, classes, shape)
        t[rng.random(shape) < ignored] = mark
        return t

    return make


def positive(*shape):
    return lambda rng: rng.uniform(0.5, 2.0, shape)


def probabilities(*shape):
    def make(rng):
        p = rng.uniform(0.1, 1.0, shape)
        return p / p.sum(1, keepdims=True)

    return make


def inside(*shape):
    return lambda rng: rng.uniform(0.05, 0.95, shape)


REDUCED = {"none": lambda v: v, "sum": np.sum, "mean": np.mean}
SHAPES = [(3, 31), (33, 1), (1, 257), (257, 10), (2, 4099), (4, 5, 3), (2, 7, 5, 7), (3, 2, 33)]

CASES = [
    *(
        Case(
            "cross_entropy",
            F.cross_entropy,
            (shape, labels(shape[1], shape[0], *shape[2:])),
            lambda x, t: nll(log_softmax(x), t),
        )
        for shape in SHAPES
    ),
    *(
        Case(
            f"cross_entropy {reduction} e={smoothing}",
            lambda x, t, **attrs: F.cross_entropy(x, t, **attrs),
            (shape, labels(shape[1], shape[0], *shape[2:], ignored=0.3, mark=mark)),
            lambda x, t, **attrs: nll(log_softmax(x), t, **attrs),
            attrs={"reduction": reduction, "label_smoothing": smoothing, "ignore_index": mark},
        )
        for shape in [(33, 19), (3, 19, 21)]
        for reduction in ("none", "mean", "sum")
        for smoothing, mark in [(0.0, -100), (0.1, 3)]
    ),
    *(
        Case(
            f"cross_entropy weighted e={smoothing}",
            lambda x, t, smoothing=smoothing: F.cross_entropy(
                x,
                t,
                (x.detach()[0] * 0 + 2).reshape(x.shape[1], -1)[:, 0] + t.reshape(-1)[0],
                label_smoothing=smoothing,
            ),
            (shape, labels(shape[1], shape[0], *shape[2:])),
            lambda x, t, smoothing=smoothing: nll(
                log_softmax(x), t, np.full(x.shape[1], 2.0 + t.reshape(-1)[0]), label_smoothing=smoothing
            ),
        )
        for shape in [(9, 21), (2, 5, 20)]
        for smoothing in (0.0, 0.2)
    ),
    *(
        Case(
            f"{name} class weights {reduction}",
            lambda x, t, w, f=f, reduction=reduction: f(x, t, w.detach(), reduction=reduction),
            (shape, labels(shape[1], shape[0], *shape[2:], ignored=0.2), np.linspace(0.5, 2.0, shape[1])),
            lambda x, t, w, o=o, reduction=reduction: nll(o(x), t, w, -100, reduction),
            orders=0,
        )
        for name, f, o in [("cross_entropy", F.cross_entropy, log_softmax), ("nll_loss", F.nll_loss, lambda x: x)]
        for shape in [(9, 21), (2, 5, 20)]
        for reduction in ("none", "mean", "sum")
    ),
    Case("cross_entropy", F.cross_entropy, ((5,), np.array(3)), lambda x, t: nll(log_softmax(x[None]), t[None])),
    Case(
        "cross_entropy none",
        lambda x, t: F.cross_entropy(x, t, reduction="none"),
        ((5,), np.array(3)),
        lambda x, t: nll(log_softmax(x[None]), t[None]),
    ),
    Case(
        "cross_entropy no samples",
        F.cross_entropy,
        ((0, 4), np.zeros(0, np.int64)),
        lambda x, t: np.full((), np.nan, x.dtype),
        orders=0,
    ),
    Case(
        "cross_entropy all ignored",
        F.cross_entropy,
        ((2, 4), np.full(2, -100)),
        lambda x, t: np.full((), np.nan, x.dtype),
        orders=0,
    ),
    Case(
        "cross_entropy all ignored",
        lambda x, t: F.cross_entropy(x, t, reduction="sum"),
        ((2, 4), np.full(2, -100)),
        lambda x, t: np.zeros((), x.dtype),
    ),
    Case(
        "cross_entropy large",
        F.cross_entropy,
        (lambda rng: rng.standard_normal((5, 40)) + 1e4, labels(40, 5)),
        lambda x, t: nll(log_softmax(x), t),
        orders=1,
    ),
    Case(
        "cross_entropy NaN",
        lambda x, t: F.cross_entropy(x, t, reduction="none"),
        (np.array([[0.0, np.nan], [1.0, 2.0]]), np.array([0, 1])),
        lambda x, t: nll(log_softmax(x), t, reduction="none"),
        orders=0,
    ),
    *(
        Case(
            f"cross_entropy of probabilities {reduction}",
            lambda x, q, reduction=reduction: F.cross_entropy(x, q, reduction=reduction, label_smoothing=0.1),
            (shape, probabilities(*shape)),
            lambda x, q, reduction=reduction: REDUCED[reduction](
                -((0.9 * q + 0.1 / x.shape[1]) * log_softmax(x)).sum(1)
            ),
        )
        for shape in [(4, 6), (2, 3, 5)]
        for reduction in ("none", "mean", "sum")
    ),
    *(
        Case(
            f"nll_loss {reduction}",
            lambda x, t, reduction=reduction: F.nll_loss(x, t, reduction=reduction),
            (shape, labels(shape[1], shape[0], *shape[2:], ignored=0.2)),
            lambda x, t, reduction=reduction: nll(x, t, reduction=reduction),
        )
        for shape in [(9, 4), (2, 5, 3)]
        for reduction in ("none", "mean", "sum")
    ),
    *(
        Case(
            f"{name} {reduction}",
            lambda a, b, f=f, reduction=reduction: f(a, b, reduction=reduction),
            ((3, 31), (3, 31)),
            lambda a, b, o=o, reduction=reduction: REDUCED[reduction](o(a - b)),
        )
        for name, f, o in [
            ("mse_loss", F.mse_loss, np.square),
            ("l1_loss", F.l1_loss, np.abs),
            ("smooth_l1_loss", F.smooth_l1_loss, lambda d: np.where(abs(d) < 1, d * d / 2, abs(d) - 0.5)),
            ("huber_loss", F.huber_loss, lambda d: np.where(abs(d) <= 1, d * d / 2, abs(d) - 0.5)),
        ]
        for reduction in ("none", "mean", "sum")
    ),
    *(  # the target as whole numbers, which are not differentiated: then the kernels run
        Case(
            f"{f.__name__} kernel {reduction} {attrs}",
            lambda x, t, f=f, reduction=reduction, attrs=attrs: f(
                x, (t.to(x.dtype) - 4) / 4, reduction=reduction, **attrs
            ),
            (shape, lambda rng, shape=shape: rng.integers(0, 9, shape)),
            orders=1 if f is F.l1_loss else 2,
        )
        for f, attrs in [
            (F.mse_loss, {}),
            (F.l1_loss, {}),
            (F.smooth_l1_loss, {"beta": 0.4}),
            (F.smooth_l1_loss, {"beta": 0.0}),
            (F.huber_loss, {"delta": 0.7}),
            (F.binary_cross_entropy_with_logits, {}),
        ]
        for shape in [(0,), (31,), (3, 257), (5, 4099)]
        for reduction in ("none", "mean", "sum")
    ),
    Case(
        "smooth_l1_loss beta",
        lambda a, b: F.smooth_l1_loss(a, b, beta=0.3),
        ((33,), (33,)),
        lambda a, b: np.where(abs(a - b) < 0.3, (a - b) ** 2 / 0.6, abs(a - b) - 0.15).mean(),
    ),
    Case(
        "smooth_l1_loss beta=0",
        lambda a, b: F.smooth_l1_loss(a, b, beta=0.0),
        ((33,), (33,)),
        lambda a, b: abs(a - b).mean(),
    ),
    Case(
        "huber_loss delta",
        lambda a, b: F.huber_loss(a, b, delta=0.3),
        ((33,), (33,)),
        lambda a, b: np.where(abs(a - b) <= 0.3, (a - b) ** 2 / 2, 0.3 * (abs(a - b) - 0.15)).mean(),
    ),
    Case(
        "binary_cross_entropy",
        F.binary_cross_entropy,
        (inside(4, 5), inside(4, 5)),
        lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(),
    ),
    Case(
        "binary_cross_entropy weight",
        lambda p, t, w: F.binary_cross_entropy(p, t.detach(), w.detach(), reduction="sum"),
        (inside(4, 5), inside(4, 5), positive(5)),
        lambda p, t, w: -(w * (t * np.log(p) + (1 - t) * np.log(1 - p))).sum(),
        orders=0,
    ),
    Case(
        "binary_cross_entropy bounds",
        lambda p, t: F.binary_cross_entropy(p, t, reduction="none"),
        (np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1])),
        lambda p, t: np.array([0.0, 100, 100, 0]).astype(p.dtype),
        orders=0,
    ),
    *(
        Case(
            f"binary_cross_entropy_with_logits {reduction}",
            lambda x, t, reduction=reduction: F.binary_cross_entropy_with_logits(x, t, reduction=reduction),
            ((3, 33), inside(3, 33)),
            lambda x, t, reduction=reduction: REDUCED[reduction](
                t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
            ),
        )
        for reduction in ("none", "mean", "sum")
    ),
    Case(
        "binary_cross_entropy_with_logits weights",
        lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w.detach(), pos_weight=p.detach()),
        (lambda rng: rng.standard_normal((4, 5)) * 100, inside(4, 5), positive(5), positive(5)),
        lambda x, t, w, p: (w * (p * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))).mean(),
        orders=0,
    ),
    Case(
        "kl_div",
        F.kl_div,
        ((4, 5), probabilities(4, 5)),
        lambda x, t: (t * (np.log(t) - x)).mean(),
        peer=False,  # PyTorch warns that its mean will change
    ),
    Case(
        "kl_div 0",
        lambda x, t: F.kl_div(x, t.detach(), reduction="batchmean"),
        ((2, 3), np.array([[0.0, 0.5, 0.5], [1, 0, 0]])),
        lambda x, t: (np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0) - t * x).sum() / 2,
        orders=0,
    ),
    Case(
        "kl_div log_target",
        lambda x, t: F.kl_div(x, t, reduction="sum", log_target=True),
        ((4, 5), (4, 5)),
        lambda x, t: (np.exp(t) * (t - x)).sum(),
    ),
]
