"""Models, one file each."""

from .lenet import LeNet
