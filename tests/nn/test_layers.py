"""Every layer against PyTorch's: keys, shapes and words, outputs in both modes, gradients, the spread at the start."""

import re
from pathlib import Path

import numpy as np
import pytest

import pydl
from pydl import nn

# name: (layer, shapes of the inputs); arrays are integer indices
IMAGES, SEQUENCES, ROWS = (2, 4, 9, 8), (2, 4, 11), (5, 4)
LAYERS = {
    "Linear": (lambda nn: nn.Linear(4, 7), [ROWS]),
    "Linear without bias": (lambda nn: nn.Linear(4, 7, bias=False), [(2, 3, 4)]),
    "Bilinear": (lambda nn: nn.Bilinear(4, 3, 5), [ROWS, (5, 3)]),
    "Conv1d": (lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), [SEQUENCES]),
    "Conv2d": (lambda nn: nn.Conv2d(4, 6, (3, 2), padding=(1, 0), dilation=(1, 2)), [IMAGES]),
    "Conv2d same": (lambda nn: nn.Conv2d(4, 4, (5, 3), padding="same", groups=4, bias=False), [IMAGES]),
    "Conv2d valid": (lambda nn: nn.Conv2d(4, 4, 3, padding="valid"), [IMAGES]),
    **{
        f"Conv2d {mode}": (lambda nn, mode=mode: nn.Conv2d(4, 3, 3, padding=(2, 1), padding_mode=mode), [IMAGES])
        for mode in ("reflect", "replicate", "circular")
    },
    "Conv2d same reflect": (lambda nn: nn.Conv2d(4, 3, (4, 3), padding="same", padding_mode="reflect"), [IMAGES]),
    "Conv1d circular": (lambda nn: nn.Conv1d(4, 3, 3, padding=1, padding_mode="circular"), [SEQUENCES]),
    "ConvTranspose1d": (lambda nn: nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1), [SEQUENCES]),
    "ConvTranspose2d": (
        lambda nn: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2), [IMAGES]
    ),
    "Unfold": (lambda nn: nn.Unfold((2, 3), padding=1, stride=2), [IMAGES]),
    "Fold": (lambda nn: nn.Fold((5, 4), (2, 3), padding=1, stride=2), [(2, 12, 6)]),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(4), [SEQUENCES]),
    "BatchNorm1d of rows": (lambda nn: nn.BatchNorm1d(4, momentum=None, eps=0.1), [ROWS]),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(4, affine=False, momentum=0.3), [IMAGES]),
    "BatchNorm2d of the batch": (lambda nn: nn.BatchNorm2d(4, track_running_stats=False), [IMAGES]),
    "LayerNorm": (lambda nn: nn.LayerNorm(8), [IMAGES]),
    "LayerNorm of images": (lambda nn: nn.LayerNorm((9, 8), eps=0.1, bias=False), [IMAGES]),
    "LayerNorm plain": (lambda nn: nn.LayerNorm([8], elementwise_affine=False), [IMAGES]),
    "MaxPool1d": (lambda nn: nn.MaxPool1d(3, stride=2, padding=1), [SEQUENCES]),
    "MaxPool2d": (lambda nn: nn.MaxPool2d((2, 3), dilation=2, ceil_mode=True), [IMAGES]),
    "AvgPool1d": (lambda nn: nn.AvgPool1d(3, padding=1, count_include_pad=False), [SEQUENCES]),
    "AvgPool2d": (lambda nn: nn.AvgPool2d(2, ceil_mode=True, divisor_override=3), [IMAGES]),
    "AdaptiveAvgPool1d": (lambda nn: nn.AdaptiveAvgPool1d(4), [SEQUENCES]),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d((None, 3)), [IMAGES]),
    "AdaptiveMaxPool1d": (lambda nn: nn.AdaptiveMaxPool1d(4), [SEQUENCES]),
    "AdaptiveMaxPool2d": (lambda nn: nn.AdaptiveMaxPool2d(3), [IMAGES]),
    "Embedding": (lambda nn: nn.Embedding(10, 3, padding_idx=-2), [np.array([[1, 8, 9], [0, 1, 1]])]),
    "PReLU": (lambda nn: nn.PReLU(4, init=0.1), [IMAGES]),
    **{
        name: (lambda nn, name=name: getattr(nn, name)(), [IMAGES])
        for name in (
            "ReLU", "ReLU6", "Sigmoid", "Tanh", "LogSigmoid", "Softsign", "Tanhshrink", "LeakyReLU", "ELU", "CELU",
            "SELU", "GELU", "SiLU", "Mish", "Softplus", "Hardtanh", "Hardsigmoid", "Hardswish", "Softshrink",
            "Hardshrink", "GLU", "Softmax2d", "Identity", "Flatten",
        )
    },
    "GELU tanh": (lambda nn: nn.GELU("tanh"), [IMAGES]),
    "ReLU in place": (lambda nn: nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True)), [ROWS]),
    "Threshold": (lambda nn: nn.Threshold(0.1, -2.0), [IMAGES]),
    "Softmax": (lambda nn: nn.Softmax(dim=1), [IMAGES]),
    "Softmin": (lambda nn: nn.Softmin(dim=1), [ROWS]),
    "LogSoftmax": (lambda nn: nn.LogSoftmax(dim=-1), [ROWS]),
    "Unflatten": (lambda nn: nn.Unflatten(1, (2, -1)), [ROWS]),
    "Dropout": (lambda nn: nn.Dropout(0.0), [ROWS]),
    **{
        f"{name}Pad{axes}d": (lambda nn, name=name, axes=axes: getattr(nn, f"{name}Pad{axes}d")(2), [shape])
        for name in ("Zero", "Reflection", "Replication", "Circular")
        for axes, shape in ((1, SEQUENCES), (2, IMAGES))
    },
    "ConstantPad1d": (lambda nn: nn.ConstantPad1d((1, 2), 3.5), [SEQUENCES]),
    "ConstantPad2d": (lambda nn: nn.ConstantPad2d((1, 2, 0, -1), 3.5), [IMAGES]),
}  # fmt: skip


def inputs(shapes, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(dtype) if isinstance(s, tuple) else s for s in shapes]


def test_every_layer_has_a_test():
    layers = {n for n, c in vars(nn).items() if isinstance(c, type) and issubclass(c, nn.Module) and c is not nn.Module}
    text = "".join(p.read_text() for p in Path(__file__).parent.glob("test_*.py"))
    named = {name.split()[0] for name in LAYERS}
    assert {n for n in layers - named if not re.search(rf"\b{n}\b", text)} == set()


@pytest.mark.parity
@pytest.mark.parametrize("name", LAYERS)
def test_torch(name):
    torch = pytest.importorskip("torch")
    make, shapes = LAYERS[name]
    ours, theirs = make(nn).double(), make(torch.nn).double()
    assert repr(ours).split("  #")[0].split("\n")[0] == repr(theirs).split("\n")[0]
    a, b = ours.state_dict(), theirs.state_dict()
    assert [(k, v.shape) for k, v in a.items()] == [(k, tuple(v.shape)) for k, v in b.items()]
    ours.load_state_dict(b)
    for mode in (True, False):
        ours.train(mode), theirs.train(mode)
        for _ in range(2):  # running statistics move
            arrays = inputs(shapes)
            xs = [pydl.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
            ts = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
            y, t = ours(*xs), theirs(*ts)
            np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=1e-10, atol=1e-12)
        ours.zero_grad(), theirs.zero_grad()
        g = np.random.default_rng(1).standard_normal(y.shape)
        y.backward(pydl.tensor(g)), t.backward(torch.tensor(g))
        for p, q in zip([*xs, *ours.parameters()], [*ts, *theirs.parameters()], strict=True):
            if q.grad is not None:
                exact = name != "Hardsigmoid"  # PyTorch has 1/6 in float32
                np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-9 if exact else 1e-7, atol=1e-11)
    for k, v in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[k].data, v.numpy(), rtol=1e-12, atol=1e-14, err_msg=k)


@pytest.mark.parity
@pytest.mark.parametrize("name", [n for n in LAYERS if n.split()[0] in (
    "Linear", "Bilinear", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Embedding", "PReLU", "LayerNorm")
])  # fmt: skip
def test_parameters_begin_as_torchs(name):
    """Bounds and standard deviation of many draws agree: the distributions are the same."""
    torch = pytest.importorskip("torch")
    pydl.manual_seed(0), torch.manual_seed(0)
    make = LAYERS[name][0]
    many = [[dict(make(lib).named_parameters()) for _ in range(200)] for lib in (nn, torch.nn)]
    for key in many[0][0]:
        a, b = (np.stack([p[key].detach().numpy() for p in draws]) for draws in many)
        bound = 5 / np.sqrt(a.size)  # five standard errors and more
        np.testing.assert_allclose(a.std(), b.std(), rtol=bound, atol=1e-12, err_msg=key)
        np.testing.assert_allclose(a.mean(), b.mean(), atol=1.5 * bound * b.std() + 1e-12, err_msg=key)
        if name != "Embedding":
            np.testing.assert_allclose(abs(a).max(), abs(b).max(), rtol=0.03, err_msg=key)


LOSSES = {
    "MSELoss": ({}, "same"),
    "L1Loss": ({}, "same"),
    "SmoothL1Loss": ({"beta": 0.5}, "same"),
    "HuberLoss": ({"delta": 0.7}, "same"),
    "KLDivLoss": ({"log_target": True}, "same"),
    "BCELoss": ({}, "probabilities"),
    "BCEWithLogitsLoss": ({"pos_weight": True}, "targets"),
    "CrossEntropyLoss": ({"weight": True, "ignore_index": 1, "label_smoothing": 0.1}, "labels"),
    "NLLLoss": ({"weight": True, "ignore_index": 2}, "labels"),
}


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, reduction):
    torch = pytest.importorskip("torch")
    options, kind = LOSSES[name]
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    if kind == "labels":
        target = rng.integers(0, 4, 6)
    elif kind != "same":
        target = rng.uniform(0, 1, (6, 4))
        x = rng.uniform(0.1, 0.9, (6, 4)) if kind == "probabilities" else x
    weight = rng.uniform(0.5, 2.0, 4)
    ours, theirs = (
        getattr(lib, name)(reduction=reduction, **{k: tensor(weight) if v is True and k != "log_target" else v
                                                   for k, v in options.items()})
        for lib, tensor in ((nn, pydl.tensor), (torch.nn, torch.tensor))
    )  # fmt: skip
    a, b = ours(pydl.tensor(x), pydl.tensor(target)), theirs(torch.tensor(x), torch.tensor(target))
    np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-12)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with pytest.raises(ValueError, match="reduction"):
        getattr(nn, name)(reduction="average")


def test_double_layers_have_no_state_in_float32():
    layer = nn.Conv2d(2, 3, 3, dtype=pydl.float64)
    assert layer.weight.dtype == layer.bias.dtype == np.float64
    assert nn.BatchNorm2d(3, dtype=pydl.float64).running_var.dtype == np.float64


def test_dropout():
    pydl.manual_seed(0)
    x = pydl.ones(100, 50, 4)
    for layer, axes in ((nn.Dropout(0.3), ()), (nn.Dropout1d(0.3), (2,)), (nn.Dropout(keep_prob=0.7), ())):
        y = layer(x).data
        assert set(np.unique(y)) == {0.0, np.float32(1 / 0.7)} and abs((y == 0).mean() - 0.3) < 0.03
        if axes:
            assert (y.min(axes) == y.max(axes)).all()
        assert layer.eval()(x) is x
    assert nn.Dropout(keep_prob=0.75).p == 0.25
    y = nn.Dropout2d(0.5)(pydl.ones(8, 6, 3, 3)).data
    assert (y.min((2, 3)) == y.max((2, 3))).all() and 0 < (y == 0).mean() < 1
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)


def test_embedding_of_a_table():
    table = pydl.arange(6.0).reshape(3, 2)
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad and layer(pydl.tensor([2, 0])).tolist() == [[4, 5], [0, 1]]
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    with pytest.raises(AssertionError, match="2-dimensional"):
        nn.Embedding.from_pretrained(pydl.zeros(3))
    with pytest.raises(AssertionError, match="padding_idx"):
        nn.Embedding(3, 2, padding_idx=3)
    assert (nn.Embedding(3, 2, padding_idx=1).weight.data[1] == 0).all()


def test_output_size_of_a_transposed_convolution():
    down, up = nn.Conv2d(1, 1, 3, stride=3, padding=1), nn.ConvTranspose2d(1, 1, 3, stride=3, padding=1)
    x = pydl.ones(1, 1, 10, 12)
    assert up(down(x), output_size=x.size()).shape == x.shape
    with pytest.raises(ValueError, match=r"output_size \(99, 12\) is out of reach: from \(10, 10\) up to \(12, 12\)"):
        up(down(x), output_size=(99, 12))


def test_bad_layers():
    with pytest.raises(ValueError, match="groups must divide"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match="padding must be 'same', 'valid'"):
        nn.Conv2d(3, 4, 3, padding="full")
    with pytest.raises(ValueError, match="strided"):
        nn.Conv2d(3, 4, 3, padding="same", stride=2)
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect")
    with pytest.raises(ValueError, match=r"^expected 4D input \(got 2D input \(2, 3\)\)"):
        nn.BatchNorm2d(3)(pydl.ones(2, 3))
    with pytest.raises(ValueError, match="padding needs 4 widths"):
        nn.ZeroPad2d((1, 2))
    with pytest.raises(ValueError, match="larger than min_val"):
        nn.Hardtanh(1.0, 1.0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(3, 1))
    with pytest.raises(RuntimeError, match=r"^2 \(Linear\): linear: input \(1, 8\)"):
        net(pydl.ones(1, 1, 4, 4))
    with pytest.raises(RuntimeError, match=r"^0 \(Conv2d\): conv2d: "):
        net(pydl.ones(1, 2, 4, 4))
