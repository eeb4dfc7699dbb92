"""LeNet-5 learns to read handwritten digits (LeCun et al. 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .. import nn, no_grad, optim
from ..data import DataLoader, digits, digits8x8, mnist, mnist5k
from ..data.transforms import Compose, Normalize, RandomAffine
from ..models.lenet import LeNet
from . import pictures, recipe


@dataclass
class Config(recipe.Config):
    """5,000 real digits, 4,000 for training; slightly turned, shifted and scaled anew in every epoch."""

    data: Literal["mnist5k", "digits"] = "mnist5k"
    """28x28 digits of MNIST, or the 8x8 ones of scikit-learn."""
    epochs: int = 25
    """Passes over the training images."""
    batch_size: int = 64
    """Images in a step."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """sgd: with Nesterov momentum 0.9 and weight decay 5e-4."""
    lr: float | None = None
    """Peak of the one-cycle schedule; by default 4e-3 for adam, 0.05 for sgd."""
    label_smoothing: float = 0.1
    """Share of the target that all classes get alike; the training loss is measured with it, the test loss without."""
    rotate: float = 12.0
    """Random rotation of training images, in degrees to either side."""
    shift: float = 0.07
    """Random shift, as a fraction of the image's size."""
    scale: float = 0.1
    """Random scaling, as a fraction."""
    activation: Literal["relu", "tanh"] = "relu"
    """tanh as in the paper."""
    pooling: Literal["max", "avg"] = "max"
    """avg as in the paper, without its trained scale."""
    workers: int = 0
    """Threads that prepare batches ahead; the result does not depend on them."""

    def check(self) -> None:
        self.positive("epochs", "batch_size")
        self.between(0, 1, "label_smoothing", "shift")
        self.between(0, 0.9, "scale")
        self.between(0, 180, "rotate")
        self.between(0, 64, "workers")
        if self.lr is not None:
            self.positive("lr")


def train(config: Config, run: recipe.Run) -> None:
    # ---- data
    load, mean, std = (
        (mnist5k, mnist.MEAN, mnist.STD) if config.data == "mnist5k" else (digits8x8, digits.MEAN, digits.STD)
    )
    normalize, spread = Normalize(mean, std), (1 - config.scale, 1 + config.scale)
    vary = RandomAffine(config.rotate, (config.shift, config.shift), spread)
    training, testing = load(Compose([vary, normalize]))
    loader = DataLoader(training, config.batch_size, shuffle=True, num_workers=config.workers)
    images, labels = testing.tensors
    x_test, y_test = normalize(images), labels.data

    # ---- model
    model = LeNet(image_size=images.shape[-1], activation=config.activation, pooling=config.pooling)
    if config.optimizer == "adam":
        optimizer: optim.Optimizer = optim.Adam(model.parameters(), lr=config.lr or 4e-3)
    else:
        lr = config.lr or 0.05
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    peak, steps = optimizer.param_groups[0]["lr"], config.epochs * len(loader)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps)
    run.keep(model=model, optimizer=optimizer, schedule=schedule, loader=loader)

    # ---- loop
    for _ in run.epochs(config.epochs, len(training)):
        model.train()
        for x, y in run.batches(loader):
            scores = model(x)
            loss = nn.functional.cross_entropy(scores, y, label_smoothing=config.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            run.log(len(x), loss=loss.item(), accuracy=(scores.data.argmax(1) == y.data).mean())
        loss_test, predicted = evaluate(model, x_test, labels)
        run.record(test_loss=loss_test, test_accuracy=(predicted == y_test).mean(), lr=optimizer.param_groups[0]["lr"])

    # ---- metric
    loss_test, predicted = evaluate(model, x_test, labels)
    wrong = predicted != y_test

    # ---- pictures
    panels = {
        "loss (training: smoothed labels, varied images)": ["train_loss", "test_loss"],
        "accuracy": ["train_accuracy", "test_accuracy"],
    }
    run.save_figure("curves.png", pictures.curves(run.rows, panels))
    errors, right = np.flatnonzero(wrong)[:30], np.flatnonzero(~wrong)
    some = np.concatenate([errors, right[np.linspace(0, len(right) - 1, 50 - len(errors), dtype=int)]])
    titles = [f"{p}, is {y}" if p != y else f"{p}" for p, y in zip(predicted[some], y_test[some], strict=True)]
    title = f"{wrong.sum()} of {len(wrong)} test digits are misread (red: prediction, truth)"
    run.save_figure("samples.png", pictures.grid(images.data[some, 0], titles, wrong[some], title=title))
    run.finish(
        test_accuracy=1 - wrong.mean(),
        test_loss=loss_test,
        test_errors=int(wrong.sum()),
        train_accuracy=run.rows[-1]["train_accuracy"],
        parameters=sum(p.numel() for p in model.parameters()),
    )


def evaluate(model: LeNet, x, y) -> tuple[float, np.ndarray]:
    """(mean cross entropy, predicted classes)"""
    model.eval()
    with no_grad():
        scores = model(x)
        return nn.functional.cross_entropy(scores, y).item(), scores.data.argmax(1)
