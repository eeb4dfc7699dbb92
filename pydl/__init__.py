"""pydl: a deep learning course as one small library, on hand-written kernels behind PyTorch's names."""

__version__ = "0.1.0"

from . import autograd, backend, memory, ops
from .autograd import (
    detect_anomaly, enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled,
)  # fmt: skip
from .backend import device, get_num_threads, set_num_threads
from .create import (
    arange, as_tensor, empty, empty_like, eye, from_dlpack, from_numpy, full, full_like, is_tensor, linspace, ones, ones_like,
    tensor, zeros, zeros_like,
)  # fmt: skip
from .dtypes import (
    bool, double, float, float16, float32, float64, get_default_dtype, half, int, int8, int16, int32, int64, long,
    set_default_dtype, short, uint8,
)  # fmt: skip
from .tensor import Size, Tensor
from .ops.elementwise import *  # noqa: F403
