import io

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from pydl.recipes import pictures


def pixels(figure):
    from matplotlib.image import imread

    return imread(io.BytesIO(pictures.png(figure)))


def test_curves_show_every_column_over_the_epochs():
    rows = [{"epoch": i, "train_loss": 1 / i, "test_loss": 2 / i, "test_accuracy": 0.9} for i in range(1, 6)]
    figure = pictures.curves(rows, {"loss": ["train_loss", "test_loss"], "accuracy": ["test_accuracy"]})
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["train loss", "test loss"]
    assert left.lines[1].get_xydata().tolist() == [[i, 2 / i] for i in range(1, 6)]
    assert right.get_title() == "accuracy"
    assert pixels(figure).std() > 0


def test_a_grid_marks_what_is_wrong():
    images = np.random.default_rng(0).random((13, 8, 8))
    wrong = [i == 3 for i in range(13)]
    figure = pictures.grid(images, [str(i) for i in range(13)], wrong, title="thirteen")
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == [str(i) for i in range(13)]
    assert [axes.title.get_color() == "red" for axes in shown] == wrong
    red = (pixels(figure)[..., :3] == [1, 0, 0]).all(-1)
    assert red.any()
    assert not (pixels(pictures.grid(images, ["x"] * 13, [False] * 13))[..., :3] == [1, 0, 0]).all(-1).any()


def test_no_global_state_of_pyplot_is_used():
    import subprocess
    import sys

    program = "from pydl.recipes import pictures; import sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
