"""The operations, one file a room. A room has the same name in csrc/cpu, csrc/cuda and tests/cases."""

from . import (
    activation,
    compare,
    conv,
    dropout,
    elementwise,
    embedding,
    extreme,
    indexing,
    join,
    loss,
    matmul,
    norm,
    order,
    pad,
    pool,
    reduce,
    shape,
    softmax,
    subscript,
    triangle,
)
