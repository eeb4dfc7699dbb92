"""Bad input to the losses: one error that names what came and what was expected."""

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F


def logits(*shape):
    return pydl.Tensor(np.zeros(shape, np.float32))


def labels(*values, dtype=np.int64):
    return pydl.Tensor(np.array(values, dtype))


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize("bad", [-1, 4, 10**12, -(2**63)])
def test_label_out_of_range_is_named_with_its_place(loss, bad):
    with pytest.raises(IndexError, match=rf"label {bad} at position \(2\) is outside \[0, 4\)"):
        loss(logits(3, 4), labels(0, 3, bad))
    with pytest.raises(IndexError, match=rf"label {bad} at position \(1, 2\)"):
        loss(logits(2, 4, 3), labels([0, 1, 2], [3, 0, bad]))


def test_a_label_changed_after_the_forward_pass_is_caught_by_the_backward_pass():
    x, t = logits(2, 3).requires_grad_(), labels(0, 1)
    loss = F.cross_entropy(x, t)
    t.data[1] = 7
    with pytest.raises(IndexError, match=r"label 7 at position \(1\)"):
        loss.backward()


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_shapes_and_dtypes(loss):
    with pytest.raises(ValueError, match=r"target has shape \(3,\), expected \(2,\)"):
        loss(logits(2, 4), labels(0, 1, 2))
    with pytest.raises(RuntimeError, match=r"target has shape \(2, 2\), expected \(2, 3\)"):
        loss(logits(2, 4, 3), labels([0, 1], [0, 1]))
    with pytest.raises(RuntimeError, match="class labels must be integers, got bool"):
        loss(logits(2, 4), labels(True, False, dtype=bool))
    with pytest.raises(RuntimeError, match=r"weight is float32 \(3,\), expected float32 \(4,\)"):
        loss(logits(2, 4), labels(0, 1), logits(3))
    with pytest.raises(RuntimeError, match="expected a floating input"):
        loss(labels([0, 1], [0, 1]), labels(0, 1))


def test_small_integer_labels_are_taken():
    x = pydl.Tensor(np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32))
    wanted = F.cross_entropy(x, labels(2, 1)).item()
    for dtype in (np.uint8, np.int32):
        assert F.cross_entropy(x, labels(2, 1, dtype=dtype)).item() == wanted


def test_options():
    with pytest.raises(ValueError, match="reduction must be 'none', 'mean' or 'sum', got 'average'"):
        F.cross_entropy(logits(2, 4), labels(0, 1), reduction="average")
    with pytest.raises(ValueError, match="mse_loss: reduction"):
        F.mse_loss(logits(2), logits(2), reduction=None)
    with pytest.raises(RuntimeError, match=r"label_smoothing must be between 0 and 1, got 1.5"):
        F.cross_entropy(logits(2, 4), labels(0, 1), label_smoothing=1.5)
    with pytest.raises(RuntimeError, match="ignore_index has no meaning"):
        F.cross_entropy(logits(2, 4), logits(2, 4), ignore_index=1)
    with pytest.raises(RuntimeError, match=r"probabilities has shape \(2, 3\), expected \(2, 4\)"):
        F.cross_entropy(logits(2, 4), logits(2, 3))
    with pytest.raises(RuntimeError, match="beta must not be negative"):
        F.smooth_l1_loss(logits(2), logits(2), beta=-1.0)
    with pytest.raises(RuntimeError, match="delta must be positive"):
        F.huber_loss(logits(2), logits(2), delta=0.0)
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(logits(2) + 2.0, logits(2))
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(logits(2) * np.nan, logits(2))
    for loss in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits):
        with pytest.raises(ValueError, match=r"target has shape \(2, 1\), expected \(2,\)"):
            loss(logits(2), logits(2, 1))


def test_broadcasting_targets_are_warned_of():
    with pytest.warns(UserWarning, match=r"mse_loss: target has shape \(3,\), input \(3, 1\)"):
        assert F.mse_loss(logits(3, 1), logits(3)).item() == 0.0


def test_gradients_at_infinite_logits_of_ignored_positions_are_zero():
    x = pydl.Tensor(np.array([[np.inf, 0.0], [1.0, 2.0]], np.float32), True)
    F.cross_entropy(x, labels(-100, 1)).backward()
    assert (x.grad.data[0] == 0).all()
    assert np.isfinite(x.grad.data).all()
