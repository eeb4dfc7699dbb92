"""Optimizers, schedules of their learning rates, gradient clipping and averages of parameters."""

from .adagrad import Adagrad
from .adam import Adam
from .adamw import AdamW
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD
