import os

import pytest

from pydl.recipes.folder import CHECKPOINT, CONFIG, METRICS, SUMMARY, Folder, RunError, read_metrics, saved_settings

SETTINGS = {"recipe": "r", "seed": 0, "lr": 0.1}


def contents(path):
    return {name: (path / name).read_bytes() for name in os.listdir(path)}


@pytest.fixture
def made(tmp_path):
    """A folder with a finished run."""
    folder = Folder(tmp_path / "a" / "b", SETTINGS)
    folder.prepare(overwrite=False)
    for name in (METRICS, SUMMARY, CHECKPOINT):
        folder.write(name, "old")
    return folder


def test_a_finished_run_is_replaced_on_demand_only(made):
    before = contents(made.folder)
    with pytest.raises(RunError, match=r"other settings \(lr is 0\.1 there, 0\.2 here\): --out .*--overwrite"):
        Folder(made.folder, {**SETTINGS, "lr": 0.2}).prepare(overwrite=False)
    with pytest.raises(RunError, match=r"recipe is r there, other here; .*lr is 0\.1 there, not set here"):
        Folder(made.folder, {"recipe": "other", "seed": 0}).prepare(overwrite=False)
    with pytest.raises(RunError, match="finished run of these settings: --out names another folder, --overwrite"):
        Folder(made.folder, SETTINGS).prepare(overwrite=False)
    assert contents(made.folder) == before
    Folder(made.folder, SETTINGS).prepare(overwrite=True)
    assert os.listdir(made.folder) == [CONFIG]


def test_an_unfinished_run_is_replaced_on_demand_only(made):
    (made.folder / "notes.txt").write_text("mine")
    made.path(SUMMARY).unlink()
    before = contents(made.folder)
    with pytest.raises(RunError, match="unfinished run: --resume continues it"):
        made.prepare(overwrite=False)
    assert contents(made.folder) == before
    Folder(made.folder, {**SETTINGS, "lr": 0.2}).prepare(overwrite=True)
    assert sorted(os.listdir(made.folder)) == [CONFIG, "notes.txt"]
    assert saved_settings(made.folder)["lr"] == 0.2


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / CONFIG).write_text('{"model": "someone else\'s"}')
    with pytest.raises(RunError, match=r"config\.json is not one of a run \(no 'recipe' in it\)"):
        Folder(tmp_path, SETTINGS).prepare(overwrite=False)
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(RunError, match=r"config\.json is not one of a run"):
        saved_settings(tmp_path)
    (tmp_path / CONFIG).unlink()
    (tmp_path / METRICS).write_text("a,b\n")
    with pytest.raises(RunError, match=r"config\.json cannot be read: No such file"):
        Folder(tmp_path, SETTINGS).prepare(overwrite=False)
    assert contents(tmp_path) == {METRICS: b"a,b\n"}


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot make the run folder .*file/x: Not a directory"):
        Folder(tmp_path / "file" / "x", SETTINGS).prepare(overwrite=False)
    with pytest.raises(RunError, match=r"cannot make the run folder .*file: File exists"):
        Folder(tmp_path / "file", SETTINGS).prepare(overwrite=False)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match=r"cannot write to the run folder .*: No space left on device"):
        Folder(tmp_path / "new", SETTINGS).prepare(overwrite=False)
    assert os.listdir(tmp_path / "new") == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match=r"cannot make the run folder .*: Permission denied"):
        Folder(tmp_path / "x", SETTINGS).prepare(overwrite=False)
    with pytest.raises(RunError, match=r"cannot write to the run folder .*Permission denied"):
        Folder(tmp_path, SETTINGS).prepare(overwrite=False)


def test_what_cannot_be_resumed(tmp_path, made):
    with pytest.raises(RunError, match=r"has no checkpoint\.safetensors to resume from"):
        Folder(tmp_path / "nothing", SETTINGS).reopen()
    with pytest.raises(RunError, match=r"seed is 0 there, 1 here\); a resumed run keeps its own"):
        Folder(made.folder, {**SETTINGS, "seed": 1}).reopen()


def test_metrics_come_back_to_the_bit_and_are_cut_at_a_row(tmp_path):
    folder = Folder(tmp_path, SETTINGS)
    rows = [{"epoch": i, "loss": (i + 1) / 3, "tiny": -1e-300} for i in range(3)]
    for i, row in enumerate(rows):
        folder.append(row, first=i == 0)
    assert read_metrics(folder.path(METRICS)) == rows
    with open(folder.path(METRICS), "a") as f:
        f.write("3,0.1")  # cut short by a kill
    assert read_metrics(folder.path(METRICS)) == rows
    assert folder.first_rows(2) == rows[:2]
    assert read_metrics(folder.path(METRICS)) == rows[:2]
    assert folder.first_rows(0) == []
    assert folder.path(METRICS).read_text() == ""
    with pytest.raises(RunError, match="has 0 rows, the checkpoint was made after 1"):
        folder.first_rows(1)
