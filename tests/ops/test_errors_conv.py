"""Convolution: bad input, odd geometries, and where an infinity may go."""

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import backend


def tensor(*shape, dtype=np.float32):
    return pydl.Tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))


def test_shapes_are_named():
    with pytest.raises(
        RuntimeError, match=r"conv2d: input has 3 channels, weight expects 4 \(weight \(8, 4, 3, 3\), groups 1\)"
    ):
        F.conv2d(tensor(2, 3, 8, 8), tensor(8, 4, 3, 3))
    with pytest.raises(RuntimeError, match=r"conv2d: bias has shape \(7,\), expected \(8,\)"):
        F.conv2d(tensor(2, 4, 8, 8), tensor(8, 4, 3, 3), tensor(7))
    with pytest.raises(RuntimeError, match="conv2d: kernel larger than the padded input"):
        F.conv2d(tensor(2, 4, 2, 8), tensor(8, 4, 3, 3))
    with pytest.raises(RuntimeError, match=r"conv1d: expected input \(batch, channels, 1 axes\)"):
        F.conv1d(tensor(2, 4, 8, 8), tensor(8, 4, 3))
    with pytest.raises(RuntimeError, match="conv_transpose2d: input has 3 channels, weight expects 4"):
        F.conv_transpose2d(tensor(2, 3, 8, 8), tensor(4, 3, 3, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stride": 0}, "stride must be 2 numbers of at least 1"),
        ({"stride": (1, 2, 3)}, "stride must be 2 numbers"),
        ({"padding": -1}, "padding must be 2 numbers of at least 0"),
        ({"dilation": 0}, "dilation must be"),
        ({"padding": "full"}, "padding must be 'same', 'valid' or numbers"),
        ({"padding": "same", "stride": 2}, "padding='same' needs stride 1"),
        ({"groups": 3}, "channels"),
        ({"groups": 0}, "groups 0"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(RuntimeError, match=message):
        F.conv2d(tensor(2, 4, 8, 8), tensor(8, 4, 3, 3), **arguments)


def test_transposed_and_column_arguments():
    with pytest.raises(RuntimeError, match=r"output_padding .* must be smaller than stride"):
        F.conv_transpose2d(tensor(2, 4, 8, 8), tensor(4, 3, 3, 3), output_padding=1)
    with pytest.raises(RuntimeError, match="would have size"):
        F.conv_transpose2d(tensor(2, 4, 1, 1), tensor(4, 3, 3, 3), padding=4)
    with pytest.raises(RuntimeError, match=r"fold: input \(2, 13, 20\), expected \(N, multiple of 4, 20\)"):
        F.fold(tensor(2, 13, 20), (5, 6), 2)
    with pytest.raises(RuntimeError, match="does not fit into images of size"):
        F.unfold(tensor(2, 3, 4, 4), 5)
    with pytest.raises(RuntimeError, match="needs floating point"):
        F.conv2d(pydl.Tensor(np.zeros((1, 1, 4, 4), np.int64)), tensor(1, 1, 2, 2))


def test_the_kernels_themselves_stay_inside_their_arrays():
    x, w, y = (np.zeros(s, np.float32) for s in [(2, 4, 8, 8), (6, 2, 3, 3), (2, 6, 6, 6)])
    geometry = ((1, 1), (0, 0), (1, 1))
    k = backend.cpu
    k.conv2d(x, w, None, y, *geometry, 2, 0)
    for bad in [
        lambda: k.conv2d(x, w, None, y, *geometry, 1, 0),
        lambda: k.conv2d(x, w, np.zeros(5, np.float32), y, *geometry, 2, 0),
        lambda: k.conv2d(x, w, None, y.astype(np.float64), *geometry, 2, 0),
        lambda: k.conv2d(x, w, None, y, (0, 1), (0, 0), (1, 1), 2, 0),
        lambda: k.conv2d(x, w, None, y, (1, 1), (0, -1), (1, 1), 2, 0),
        lambda: k.conv2d(x[0], w, None, y, *geometry, 2, 0),
        lambda: k.conv2d_transpose(y, w, None, x[:1].copy(), *geometry, 2),
        lambda: k.conv2d_weight_grad(x, y, np.zeros((6, 3, 3, 3), np.float32), *geometry, 2),
        lambda: k.im2col(x, np.zeros((2, 36, 35), np.float32), (3, 3), *geometry),
        lambda: k.col2im(np.zeros((2, 35, 36), np.float32), x, (3, 3), *geometry),
    ]:
        with pytest.raises(ValueError):
            bad()


@pytest.mark.parametrize("channels", [1, 2])
def test_huge_steps_cost_no_memory(channels):
    x, w = tensor(1, channels, 5, 5), tensor(3, channels, 2, 2)
    x.requires_grad_(), w.requires_grad_()
    y = F.conv2d(x, w, stride=2**30)
    np.testing.assert_allclose(y.data[0, :, 0, 0], (w.data * x.data[:, :, :2, :2]).sum((1, 2, 3)), rtol=1e-5)
    gx, gw = pydl.autograd.grad(y.sum(), [x, w])
    np.testing.assert_allclose(gw.data, np.broadcast_to(x.data[:, :, :2, :2], gw.shape), rtol=1e-6)
    assert (gx.data[:, :, 2:] == 0).all() and (gx.data[:, :, :, 2:] == 0).all()


def test_no_channels_and_no_images():
    y = F.conv2d(tensor(2, 0, 5, 5), tensor(3, 0, 3, 3), pydl.tensor([1.0, 2.0, 3.0]))
    assert y.shape == (2, 3, 3, 3) and (y.data == np.array([1, 2, 3]).reshape(3, 1, 1)).all()
    x, w = tensor(0, 2, 5, 5), tensor(3, 2, 3, 3)
    gw = pydl.autograd.grad(F.conv2d(x, w.requires_grad_()).sum(), w)[0]
    assert (gw.data == 0).all()


@pytest.mark.parametrize(
    ("channels", "filters", "width", "groups"),
    [(1, 1, 9, 1), (3, 5, 9, 1), (3, 5, 35, 1), (6, 6, 20, 6), (20, 33, 7, 1), (1, 7, 20, 1)],
)
def test_an_infinity_reaches_the_outputs_that_read_it_and_no_other(channels, filters, width, groups):
    x = np.ones((2, channels, 6, width), np.float32)
    x[0, 0, 5, width - 1] = x[1, channels - 1, 0, 0] = np.inf
    w = np.ones((filters, channels // groups, 3, 3), np.float32)
    y = F.conv2d(pydl.Tensor(x), pydl.Tensor(w), padding=1, groups=groups).data
    reads = np.zeros(y.shape, bool)
    per_group = filters // groups
    reads[0, :per_group, 4:, width - 2 :] = reads[1, filters - per_group :, :2, :2] = True
    np.testing.assert_array_equal(np.isinf(y), reads)
    assert not np.isnan(y).any()
    gy = np.ones((2, filters, 4, width - 2), np.float32)
    gw = np.empty_like(w)
    backend.cpu.conv2d_weight_grad(x, gy, gw, (1, 1), (0, 0), (1, 1), groups)
    touched = np.zeros(w.shape, bool)
    touched[:per_group, 0, 2, 2] = touched[filters - per_group :, -1, 0, 0] = True
    np.testing.assert_array_equal(np.isinf(gw), touched)
    assert not np.isnan(gw).any()


def test_strides_are_integers_of_any_kind():
    x, w = pydl.ones(1, 1, 5, 5), pydl.ones(1, 1, 2, 2)
    assert F.conv2d(x, w, stride=np.int64(2)).shape == F.conv2d(x, w, stride=[np.int32(2)]).shape == (1, 1, 2, 2)
    for wrong in ("a", 1.7, (1.7, 1), None):
        with pytest.raises(TypeError, match="conv2d: stride must be an integer or 2 of them, got"):
            F.conv2d(x, w, stride=wrong)
