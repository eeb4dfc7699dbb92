"""pydl: a deep learning course as one small library, on hand-written kernels behind PyTorch's names."""

__version__ = "0.1.0"

import sys

from . import autograd, backend, derivatives, func, function, memory, ops
from .backend import device, get_num_threads, set_num_threads
from .create import *
from .dtypes import (
    bool,
    double,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
)  # fmt: skip
from .grad_mode import *
from .ops.activation import celu, hardshrink, prelu, relu, relu_, selu, selu_, sigmoid, threshold
from .ops.compare import *
from .ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .ops.elementwise import *
from .ops.extreme import *
from .ops.indexing import *
from .ops.join import *
from .ops.matmul import *
from .ops.order import *
from .ops.reduce import *
from .ops.rnn import *
from .ops.shape import *
from .ops.softmax import log_softmax, softmax
from .ops.subscript import *
from .ops.triangle import *
from .random import *
from .serialize import load, save
from .tensor import Size, Tensor

from . import nn, optim  # isort: skip

# PyTorch's names for them, so that `from pydl.autograd.functional import hessian` works too
for _name, _value in {"Function": function.Function, "function": function, "functional": derivatives}.items():
    setattr(autograd, _name, _value)
sys.modules[f"{__name__}.autograd.functional"], sys.modules[f"{__name__}.autograd.function"] = derivatives, function
