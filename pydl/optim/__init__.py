"""Optimizers, schedules of their learning rates, gradient clipping and averages of parameters."""

import sys

from . import clip, ema, schedule
from .adagrad import Adagrad
from .adam import Adam
from .adamw import AdamW
from .ema import EMA
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

lr_scheduler = sys.modules[f"{__name__}.lr_scheduler"] = schedule  # its name in PyTorch
