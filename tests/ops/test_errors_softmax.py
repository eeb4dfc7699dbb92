"""Bad input to softmax."""

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax, F.softmin])
def test_axis_and_dtype(function):
    x = pydl.Tensor(np.zeros((2, 3), np.float32))
    with pytest.raises(IndexError, match="dimension 2 is out of range"):
        function(x, 2)
    with pytest.raises(RuntimeError, match="expected a floating tensor, got int64"):
        function(pydl.Tensor(np.zeros((2, 3), np.int64)), 1)
    assert function(pydl.Tensor(np.zeros((2, 3), np.int64)), 1, dtype=pydl.float64).dtype == np.float64
