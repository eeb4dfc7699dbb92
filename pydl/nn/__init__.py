"""Layers and functions of neural networks."""

from . import functional
