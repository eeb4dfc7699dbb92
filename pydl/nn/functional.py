"""Layers and losses as functions, under PyTorch's names: the rooms of `pydl.ops` that belong to neural networks."""

from ..ops.activation import *
from ..ops.attention import *
from ..ops.conv import *
from ..ops.dropout import *
from ..ops.elementwise import tanh
from ..ops.embedding import *
from ..ops.loss import *
from ..ops.matmul import bilinear, linear
from ..ops.norm import *
from ..ops.pad import *
from ..ops.pool import *
from ..ops.softmax import *
from ..ops.subscript import one_hot
