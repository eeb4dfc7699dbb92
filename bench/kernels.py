"""What is timed of the kernels: course-sized, ResNet-50 and GPT-2-small shapes of every room."""

from __future__ import annotations

import numpy as np

from .workload import Workload, conv_flops, matmul_flops


def _labels(n: int, classes: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, classes, n)


def _unary(name: str, *shapes: tuple) -> list[Workload]:
    return [Workload("elementwise", name, lambda lib, F, x: getattr(lib, name)(x), (s,)) for s in shapes]


def _activation(name: str, *shapes: tuple) -> list[Workload]:
    return [Workload("activation", name, lambda lib, F, x: getattr(F, name)(x), (s,)) for s in shapes]


COURSE, LAYER, LARGE = (32, 784), (64, 256, 14, 14), (8, 1024, 768)

ELEMENTWISE = [
    *(w for name in ("exp", "tanh", "sigmoid", "sqrt", "abs", "neg") for w in _unary(name, COURSE, LAYER)),
    *(w for name in ("relu", "gelu", "silu", "elu", "leaky_relu") for w in _activation(name, COURSE, LAYER, LARGE)),
    *(
        Workload("elementwise", name, lambda lib, F, a, b, name=name: getattr(lib, name)(a, b), (s, s))
        for name in ("add", "mul", "div")
        for s in (COURSE, LAYER)
    ),
    Workload("elementwise", "add", lambda lib, F, a, b: a + b, ((8192, 768), (768,)), note="bias"),
    Workload("elementwise", "mul", lambda lib, F, a: a * 2.0, (LAYER,), note="number"),
    Workload("elementwise", "pow", lambda lib, F, a: a**2, (LAYER,), note="square"),
    Workload("elementwise", "clamp", lambda lib, F, a: a.clamp(-1.0, 1.0), (LAYER,)),
    Workload("compare", "where", lambda lib, F, a, b: lib.where(a > b, a, b), (LAYER, LAYER)),
]

REDUCE = [
    *(
        Workload(
            "reduce", name, lambda lib, F, x, name=name, dim=dim: getattr(x, name)(dim), (shape,), note=f"dim={dim}"
        )
        for name in ("sum", "mean", "var", "logsumexp", "amax")
        for shape, dim in [((32, 784), -1), ((8192, 768), -1), ((8192, 768), 0), ((64, 256, 14, 14), (0, 2, 3))]
    ),
    Workload("reduce", "sum", lambda lib, F, x: x.sum(), ((4096, 1024),), note="all"),
    *(
        Workload("reduce", "argmax", lambda lib, F, x, dim=dim: x.argmax(dim), (s,), gradients=(), note=f"dim={dim}")
        for s, dim in [((512, 1000), 1), ((512, 1000), 0)]
    ),
]


def _matmul(m: int, n: int, k: int, kind: str = "NN", batch: int = 0) -> Workload:
    """kind: N plain or T transposed, for each operand."""

    def run(lib, F, a, b):
        a = a.transpose(-1, -2) if kind[0] == "T" else a
        return lib.matmul(a, b.transpose(-1, -2) if kind[1] == "T" else b)

    lead = (batch,) if batch else ()
    a = (*lead, k, m) if kind[0] == "T" else (*lead, m, k)
    b = (*lead, n, k) if kind[1] == "T" else (*lead, k, n)
    return Workload("matmul", "matmul", run, (a, b), matmul_flops(max(batch, 1), m, n, k), note=kind)


MATMUL = [
    *(_matmul(n, n, n, kind) for n in (16, 32, 64, 128, 256, 512, 1024, 2048) for kind in ("NN", "NT", "TN")),
    *(
        _matmul(*s, kind)
        for s in [(128, 512, 784), (4096, 64, 64), (64, 4096, 576), (256, 10, 84)]
        for kind in ("NN", "NT", "TN")
    ),
    *(_matmul(1, n, k, kind) for n, k in [(1000, 512), (2304, 768)] for kind in ("NN", "NT")),
    *(_matmul(m, n, k) for m, n, k in [(1000, 1, 300), (3, 700, 700), (2000, 15, 900)]),
    *(_matmul(64, 64, 32, kind, 96) for kind in ("NN", "NT")),
    _matmul(1024, 64, 1024, "NN", 12),
    *(
        Workload(
            "matmul", "linear", lambda lib, F, x, w, b: F.linear(x, w, b), ((r, k), (n, k), (n,)), matmul_flops(r, n, k)
        )
        for r, k, n in [(32, 784, 64), (64, 400, 120), (256, 512, 1000), (1024, 768, 3072), (1024, 3072, 768)]
    ),
]


def _conv(n, c, h, o, k, stride=1, padding=0, groups=1, first=False) -> Workload:
    return Workload(
        "conv",
        "conv2d",
        lambda lib, F, x, w, b: F.conv2d(x, w, b, stride, padding, 1, groups),
        ((n, c, h, h), (o, c // groups, k, k), (o,)),
        conv_flops(n, c, h, h, o, k, k, stride, padding, groups),
        gradients=(1, 2) if first else None,
        note=f"s{stride} p{padding}" + (f" g{groups}" if groups > 1 else "") + (" first layer" if first else ""),
    )


CONV = [
    _conv(64, 1, 28, 6, 5, 1, 2, first=True),
    _conv(64, 6, 14, 16, 5),
    _conv(128, 1, 8, 32, 3, 1, 1, first=True),
    _conv(32, 3, 32, 64, 3, 1, 1, first=True),
    _conv(8, 3, 224, 64, 7, 2, 3, first=True),
    *(_conv(8, c, s, c, 3, 1, 1) for c, s in [(64, 56), (128, 28), (256, 14), (512, 7)]),
    *(_conv(8, c, s, 2 * c, 3, 2, 1) for c, s in [(64, 56), (128, 28), (256, 14)]),
    *(_conv(8, c, s, 2 * c, 1, 2, 0) for c, s in [(64, 56), (256, 14)]),
    *(_conv(8, c, s, o, 1) for c, s, o in [(64, 56, 256), (256, 56, 64), (512, 28, 128), (1024, 14, 256), (2048, 7, 512)]),
    *(_conv(8, c, s, c, 3, 1, 1, groups=c) for c, s in [(32, 112), (144, 56), (384, 14)]),
    Workload(
        "conv", "conv1d", lambda lib, F, x, w, b: F.conv1d(x, w, b, padding=1), ((32, 128, 256), (128, 128, 3), (128,)),
        conv_flops(32, 128, 1, 256, 128, 1, 3, 1, 0),
    ),
    Workload(
        "conv", "conv_transpose2d", lambda lib, F, x, w: F.conv_transpose2d(x, w, None, 2, 1),
        ((16, 128, 16, 16), (128, 64, 4, 4)),
        2.0 * 16 * 128 * 16 * 16 * 64 * 16,
    ),
    Workload("conv", "unfold", lambda lib, F, x: F.unfold(x, 3, padding=1), ((16, 64, 28, 28),)),
]  # fmt: skip

POOL = [
    *(
        Workload("pool", name, lambda lib, F, x, name=name, a=a: getattr(F, name)(x, *a), (s,), note=str(a))
        for name in ("max_pool2d", "avg_pool2d")
        for s, a in [((64, 6, 28, 28), (2,)), ((64, 16, 10, 10), (2,)), ((8, 64, 112, 112), (3, 2, 1))]
    ),
    Workload("pool", "adaptive_avg_pool2d", lambda lib, F, x: F.adaptive_avg_pool2d(x, 1), ((8, 2048, 7, 7),)),
]

NORM = [
    *(
        Workload(
            "norm", "batch_norm", lambda lib, F, x, w, b: F.batch_norm(x, None, None, w, b, True), (s, (s[1],), (s[1],)),
            note="training",
        )
        for s in [(32, 64), (32, 64, 28, 28), (8, 64, 112, 112), (8, 256, 14, 14), (8, 2048, 7, 7)]
    ),
    *(
        Workload("norm", "layer_norm", lambda lib, F, x, w, b: F.layer_norm(x, w.shape, w, b), (s, s[-1:], s[-1:]))
        for s in [(32, 64), (512, 768), (8192, 768)]
    ),
]  # fmt: skip

SOFTMAX = [
    *(
        Workload("softmax", name, lambda lib, F, x, name=name: getattr(F, name)(x, -1), (s,))
        for name in ("softmax", "log_softmax")
        for s in [(32, 10), (512, 1000), (96, 128, 128), (1024, 50257)]
    ),
    Workload("softmax", "softmax", lambda lib, F, x: F.softmax(x, 1), ((8, 21, 128, 128),), note="dim=1"),
    *(
        Workload("loss", "cross_entropy", lambda lib, F, x, t: F.cross_entropy(x, t), ((n, c), _labels(n, c)))
        for n, c in [(32, 10), (512, 1000), (1024, 50257)]
    ),
    *(
        Workload("loss", name, lambda lib, F, x, t, name=name: getattr(F, name)(x, t), (LAYER, LAYER), gradients=(0,))
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits")
    ),
]

OTHERS = [
    *(Workload("dropout", "dropout", lambda lib, F, x: F.dropout(x, 0.1), (s,)) for s in (COURSE, LAYER, LARGE)),
    *(
        Workload(
            "embedding", "embedding", lambda lib, F, i, w: F.embedding(i, w), (_labels(n, v).reshape(-1, 64), (v, d))
        )
        for n, v, d in [(2048, 1000, 64), (8192, 50257, 768)]
    ),
    Workload(
        "indexing", "gather", lambda lib, F, x, i: x.gather(1, i), ((512, 1000), _labels(512 * 8, 1000).reshape(512, 8))
    ),
    Workload("indexing", "index_select", lambda lib, F, x, i: x.index_select(0, i), ((4096, 256), _labels(2048, 4096))),
    Workload("join", "cat", lambda lib, F, a, b: lib.cat([a, b], 1), (LAYER, LAYER)),
    Workload("join", "pad", lambda lib, F, x: F.pad(x, (1, 1, 1, 1)), (LAYER,)),
    Workload("shape", "contiguous", lambda lib, F, x: x.transpose(1, 2).contiguous(), ((8, 12, 512, 64),)),
]

WORKLOADS = [*ELEMENTWISE, *REDUCE, *MATMUL, *CONV, *POOL, *NORM, *SOFTMAX, *OTHERS]
