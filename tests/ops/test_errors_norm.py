"""Bad input to the normalizations, and what batch_norm does with its running statistics."""

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F


def tensor(*shape, dtype=np.float32):
    return pydl.Tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))


def test_layer_norm_shapes():
    with pytest.raises(RuntimeError, match=r"input \(2, 3\) does not end in normalized_shape \(4,\)"):
        F.layer_norm(tensor(2, 3), (4,))
    with pytest.raises(RuntimeError, match=r"weight has shape \(2,\), expected \(3,\)"):
        F.layer_norm(tensor(2, 3), 3, tensor(2))
    with pytest.raises(RuntimeError, match="normalized_shape"):
        F.layer_norm(tensor(2, 3), ())


def test_batch_norm_shapes_and_dtypes():
    with pytest.raises(RuntimeError, match=r"at least 2 axes .*got shape \(3,\)"):
        F.batch_norm(tensor(3), None, None, training=True)
    with pytest.raises(RuntimeError, match=r"running_mean has shape \(3,\), expected \(4,\)"):
        F.batch_norm(tensor(2, 4), tensor(3), tensor(4))
    with pytest.raises(RuntimeError, match="bias is float64, input float32"):
        F.batch_norm(tensor(2, 4), None, None, None, tensor(4, dtype=np.float64), training=True)
    with pytest.raises(RuntimeError, match="must be given in evaluation mode"):
        F.batch_norm(tensor(2, 4), None, None)
    with pytest.raises(ValueError, match=r"more than 1 value per channel when training, got input \(1, 4\)"):
        F.batch_norm(tensor(1, 4), None, None, training=True)


def test_batch_norm_of_an_empty_batch_leaves_the_running_statistics():
    mean, var = tensor(3), tensor(3)
    kept = mean.data.copy(), var.data.copy()
    assert F.batch_norm(tensor(0, 3, 4), mean, var, training=True).shape == (0, 3, 4)
    assert (mean.data == kept[0]).all() and (var.data == kept[1]).all()


def test_batch_norm_spreads_nan_over_its_channel_only():
    x = tensor(4, 3, 5)
    x.data[1, 2, 3] = np.nan
    y = F.batch_norm(x, None, None, training=True).data
    assert np.isnan(y[:, 2]).all()
    assert np.isfinite(y[:, :2]).all()


def test_running_statistics_do_not_join_the_tape():
    mean, var = pydl.Tensor(np.zeros(3, np.float32)), pydl.Tensor(np.ones(3, np.float32))
    x = tensor(4, 3).requires_grad_()
    F.batch_norm(x, mean, var, training=True).sum().backward()
    assert not mean.requires_grad and not var.requires_grad
