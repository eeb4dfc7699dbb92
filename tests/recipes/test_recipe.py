import dataclasses
import json
import os
import signal

import numpy as np
import pytest

import pydl
from pydl import nn, optim
from pydl.data import DataLoader, TensorDataset
from pydl.recipes.folder import CHECKPOINT, CONFIG, METRICS, SUMMARY, RunError, read_metrics
from pydl.recipes.recipe import Config, Interrupted, Run


@dataclasses.dataclass
class Line(Config):
    lr: float = 0.05
    epochs: int = 3

    def check(self):
        self.positive("lr", "epochs")
        self.between(0, 1, "lr")


def train(config, run, at_step=lambda step: None):
    """A line through points: 40 points, 5 steps an epoch, with a random number in every step."""
    x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    loader = DataLoader(TensorDataset(pydl.tensor(x), pydl.tensor(3 * x + 1)), 8, shuffle=True)
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=config.lr, momentum=0.9)
    run.keep(model=model, optimizer=optimizer, loader=loader)
    for _ in run.epochs(config.epochs, 40):
        for x, y in run.batches(loader):
            loss = (model(x + 0.01 * pydl.randn(len(x), 1)) - y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(len(x), loss=loss, error=abs(model.bias.item() - 1))
            at_step(run.step + 1)
        run.record(bias=model.bias.item())
    return run.finish(bias=model.bias.item(), note="a line")


def whole(folder, **options):
    with Run("line", Line(), folder, quiet=True, **options) as run:
        return train(Line(), run)


def metrics(folder):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(folder / METRICS)]


@pytest.fixture
def finished(tmp_path):
    whole(tmp_path / "whole")
    return tmp_path / "whole"


def test_a_run_folder_says_what_was_done(finished):
    assert sorted(os.listdir(finished)) == sorted([CONFIG, METRICS, SUMMARY, CHECKPOINT])
    config = json.loads((finished / CONFIG).read_text())
    assert config == {"recipe": "line", "seed": 0, "lr": 0.05, "epochs": 3, "pydl": pydl.__version__}
    rows = metrics(finished)
    assert [list(r) for r in rows] == [["epoch", "step", "train_loss", "train_error", "bias", "count"]] * 3
    assert [(r["epoch"], r["step"], r["count"]) for r in rows] == [(1, 5, 40), (2, 10, 40), (3, 15, 40)]
    assert rows[2]["train_loss"] < rows[0]["train_loss"] / 4  # it learns
    summary = json.loads((finished / SUMMARY).read_text())
    assert summary["bias"] == rows[2]["bias"]
    assert summary["note"] == "a line"
    assert {"epochs": 3, "steps": 15}.items() <= summary.items()
    assert summary["images_per_second"] > 0


def test_the_same_seed_gives_the_same_bits(finished, tmp_path):
    whole(tmp_path / "again")
    assert (tmp_path / "again" / CHECKPOINT).read_bytes() == (finished / CHECKPOINT).read_bytes()
    with Run("line", Line(seed=1), tmp_path / "other", quiet=True) as run:
        train(Line(), run)
    assert (tmp_path / "other" / CHECKPOINT).read_bytes() != (finished / CHECKPOINT).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stops", [[1], [4, 5], [5, 6], [7, 8, 14], [15]])
def test_stopped_and_resumed_it_ends_in_the_same_bits(finished, tmp_path, stops, number):
    folder, resume = tmp_path / "stopped", False
    before = signal.getsignal(number)
    for stop in stops:
        with (
            pytest.raises(Interrupted, match=f"stopped at step {stop}"),
            Run("line", Line(), folder, resume=resume, quiet=True) as run,
        ):
            train(Line(), run, lambda step, stop=stop: os.kill(os.getpid(), number) if step == stop else None)
        assert signal.getsignal(number) == before
        assert not (folder / SUMMARY).exists()
        resume = True
    whole(folder, resume=True)
    assert (folder / CHECKPOINT).read_bytes() == (finished / CHECKPOINT).read_bytes()
    assert metrics(folder) == metrics(finished)


def test_an_error_loses_at_most_an_epoch_and_half_written_files_are_mended(finished, tmp_path):
    def fail(step):
        if step == 8:
            raise ZeroDivisionError

    folder = tmp_path / "failed"
    with pytest.raises(ZeroDivisionError), Run("line", Line(), folder, quiet=True) as run:
        train(Line(), run, fail)
    (folder / METRICS).write_text(
        (folder / METRICS).read_text() + "2,10,0.1,0.1,1.0,40,0.5\n3,15,0.0"
    )  # a kill while writing
    (folder / f".{CHECKPOINT}.1234.tmp").write_bytes(b"half")
    whole(folder, resume=True)
    assert (folder / CHECKPOINT).read_bytes() == (finished / CHECKPOINT).read_bytes()
    assert metrics(folder) == metrics(finished)
    assert sorted(os.listdir(folder)) == sorted(os.listdir(finished))


def test_resuming_a_finished_run_changes_nothing(finished):
    before = (finished / CHECKPOINT).read_bytes(), metrics(finished), json.loads((finished / SUMMARY).read_text())
    assert whole(finished, resume=True) == before[2]
    assert ((finished / CHECKPOINT).read_bytes(), metrics(finished)) == before[:2]


def test_a_second_stop_is_immediate(tmp_path):
    def twice(step):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), Run("line", Line(), tmp_path / "r", quiet=True) as run:
        train(Line(), run, twice)


def test_steps_without_a_loader(tmp_path):
    """Reinforcement learning and the like: an epoch is a number of steps."""

    class Counter:
        value = 0

        def state_dict(self):
            return {"value": self.value}

        def load_state_dict(self, state):
            self.value = state["value"]

    def count(run, stop=None):
        counter = Counter()
        run.keep(counter=counter)
        for _ in run.epochs(2, 4):
            for step in run.steps(4):
                counter.value += step
                run.log(reward=counter.value)
                if step == stop:
                    os.kill(os.getpid(), signal.SIGINT)
        return counter.value, [r["train_reward"] for r in run.rows]

    with pytest.raises(Interrupted), Run("count", Config(), tmp_path, quiet=True) as run:
        count(run, stop=6)
    with Run("count", Config(), tmp_path, quiet=True, resume=True) as run:
        assert count(run) == (36, [(1 + 3 + 6 + 10) / 4, (15 + 21 + 28 + 36) / 4])


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    with (
        pytest.raises(RunError, match=r"the loss is nan at step 8 of epoch 2: training has diverged .* step 5"),
        Run("line", Line(), tmp_path, quiet=True) as run,
    ):
        train(Line(), run, lambda step: run.log(loss=float("nan")) if step == 8 else None)
    whole(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, "lr must be above 0, got -1"),
        ({"lr": float("nan")}, "lr must be above 0, got nan"),
        ({"lr": 2.0}, r"lr must be between 0 and 1, got 2\.0"),
        ({"epochs": 0}, "epochs must be above 0, got 0"),
    ],
)
def test_settings_without_sense_are_refused_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(RunError, match=message):
        Run("line", Line(**settings), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_columns_stay_the_same(tmp_path):
    with Run("line", Line(), tmp_path, quiet=True) as run:
        run.record(a=1)
        with pytest.raises(ValueError, match=r"the columns .* differ from those of the first row"):
            run.record(b=1)


def test_checkpoints_that_do_not_fit_are_refused_and_left_alone(finished):
    file = finished / CHECKPOINT
    content = file.read_bytes()
    file.write_bytes(content[:-7])
    with pytest.raises(RunError, match=r"cannot resume from .*checkpoint\.safetensors: .* is truncated"):
        whole(finished, resume=True)
    assert file.read_bytes() == content[:-7]
    pydl.save({"weights": pydl.zeros(3)}, file)
    with pytest.raises(RunError, match="it is not a checkpoint of a run"):
        whole(finished, resume=True)
    file.write_bytes(content)
    state = pydl.load(file)
    state["parts"]["model"]["weight"] = pydl.zeros(2, 2)
    pydl.save(state, file)
    with pytest.raises(RunError, match=r"cannot resume from .*: model: (.|\n)*weight.* \(2, 2\)"):
        whole(finished, resume=True)
    del state["parts"]["loader"]
    pydl.save(state, file)
    with pytest.raises(RunError, match="holds model, optimizer; this run keeps model, optimizer, loader"):
        whole(finished, resume=True)
    file.write_bytes(content)
    (finished / METRICS).write_text("")
    with pytest.raises(RunError, match="has 0 rows, the checkpoint was made after 3"):
        whole(finished, resume=True)
