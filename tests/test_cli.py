import json
import os
import signal
import subprocess
import sys
import time

import pytest

import pydl
from pydl import cli, recipes
from pydl.serialize import load

pytest.importorskip("tyro")
pytest.importorskip("sklearn")

SHORT = ["--data", "digits", "--epochs", "2"]


def run(capsys, *arguments):
    """(exit code, what was printed, what was complained about)"""
    code = cli.main([str(a) for a in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "pydl", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
    )  # fmt: skip


def complaint(capsys, *arguments):
    """The one line of a mistake."""
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("pydl: error: ")
    assert err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short run on the 8x8 digits that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "trained"
    assert cli.main(["train", "lenet", "--data", "digits", "--epochs", "6", "--out", str(out)]) == 0
    return out


def test_version_and_help(capsys):
    assert run(capsys, "--version")[:2] == (0, f"pydl {pydl.__version__}\n")
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(word in out for word in ("train", "list", "info"))
    assert run(capsys)[0] == 2


def test_list_names_every_recipe_with_one_line(capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert dict(line.split(maxsplit=1) for line in out.splitlines()) == recipes.names()
    assert "LeNet-5" in recipes.names()["lenet"]
    assert not {"recipe", "folder", "progress", "pictures"} & set(recipes.names())


def test_info_shows_what_runs(capsys):
    code, out, _ = run(capsys, "info")
    assert code == 0
    rows = {line[:12].strip(): line[12:].strip() for line in out.splitlines()}
    assert rows["pydl"].startswith(pydl.__version__)
    assert pydl.backend.cpu.__name__.endswith(rows["cpu kernels"].split()[0])
    assert rows["threads"].startswith(f"{pydl.get_num_threads()} of")
    assert "CUDA" in rows["cuda"]
    assert "peak" in rows["memory pool"]


def test_python_m_pydl_and_listing_need_no_extras():
    """`list` and `info` load neither recipes nor what only they need."""
    program = (
        "import sys\nfrom pydl import cli\nassert cli.main(['list']) == 0 == cli.main(['info'])\n"
        "assert not {'tyro', 'matplotlib', 'sklearn', 'mlxtend'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
    out, err = (process := start("--version")).communicate()
    assert (process.returncode, out, err) == (0, f"pydl {pydl.__version__}\n", "")


def test_unknown_names_get_near_ones(capsys):
    assert "unknown command 'trian' (did you mean train?)" in complaint(capsys, "trian", "lenet")
    assert "unknown recipe 'lenets' (did you mean lenet?)" in complaint(capsys, "train", "lenets")
    assert "unknown recipe 'zzz'; `pydl list`" in complaint(capsys, "train", "zzz")
    code, out, err = run(capsys, "train")
    assert code == 2
    assert "lenet" in out
    assert "which recipe?" in err
    assert run(capsys, "list", "--lenght")[0] == 2


def test_every_setting_is_a_flag(capsys):
    import dataclasses

    from pydl.recipes import lenet

    code, out, _ = run(capsys, "train", "lenet", "--help")
    assert code == 0
    for field in dataclasses.fields(lenet.Config):
        assert f"--{field.name.replace('_', '-')}" in out
    assert all(flag in out for flag in ("--out", "--resume", "--overwrite", "--threads"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--epohcs", "3"], ["--epohcs", "--epochs"]),
        (["--epochs", "many"], ["--epochs", "many"]),
        (["--data", "cifar"], ["--data", "cifar", "digits"]),
        (["--epochs"], ["--epochs"]),
    ],
)
def test_flags_that_are_wrong_are_told_with_what_is_right(capsys, tmp_path, flags, words):
    code, out, err = run(capsys, "train", "lenet", "--out", tmp_path / "r", *flags)
    assert code == 2
    assert all(word in out + err for word in words)
    assert "Traceback" not in out + err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--epochs", "0"], "epochs must be above 0, got 0"),
        (["--lr", "nan"], "lr must be above 0, got nan"),
        (["--batch-size", "-3"], "batch_size must be above 0, got -3"),
        (["--label-smoothing", "2"], "label_smoothing must be between 0 and 1"),
        (["--seed", str(10**30)], "expected an integer of 64 bits"),
        (["--threads", "0"], "--threads must be at least 1, got 0"),
        (["--resume"], "config.json cannot be read: No such file or directory; is"),
        (["--resume", "--overwrite"], "exclude each other"),
    ],
)
def test_values_without_sense(capsys, tmp_path, flags, words):
    assert words in complaint(capsys, "train", "lenet", "--out", tmp_path / "r", *flags)
    assert not (tmp_path / "r").exists()


def test_training_that_diverges_is_told(capsys, tmp_path):
    code, _, err = run(capsys, "train", "lenet", *SHORT, "--lr", "1e9", "--out", tmp_path)
    assert code == 2
    assert "the loss is nan at step 2 of epoch 1: training has diverged (a smaller lr may help)" in err
    assert load(tmp_path / "checkpoint.safetensors")["step"] == 0


def test_a_terminal_without_our_signs_gets_question_marks(tmp_path):
    out, err = (process := start("train", "lenet", *SHORT, "--out", tmp_path, PYTHONIOENCODING="ascii")).communicate()
    assert process.returncode == 0, err
    assert "???" in out


def test_places_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "cannot make the run folder" in complaint(capsys, "train", "lenet", *SHORT, "--out", tmp_path / "file" / "x")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("missing", "flags"), [("tyro", []), ("matplotlib", []), ("mlxtend", []), ("sklearn", ["--data", "digits"])]
)
def test_a_missing_extra_is_named_with_its_remedy(tmp_path, missing, flags):
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from pydl import cli; sys.exit(cli.main(['train', 'lenet', '--epochs', '1', *sys.argv[1:]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--out", str(tmp_path / "r"), *flags], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'pydl-nn[train]'" in done.stderr


def test_a_folder_with_another_run_is_not_overwritten(capsys, trained):
    before = {name: (trained / name).read_bytes() for name in os.listdir(trained)}
    words = complaint(capsys, "train", "lenet", *SHORT, "--out", trained)
    assert "holds a run with other settings (epochs is 6 there, 2 here): --out names another folder" in words
    words = complaint(capsys, "train", "lenet", "--resume", "--lr", "0.5", "--out", trained)
    assert "lr is None there, 0.5 here" in words
    assert {name: (trained / name).read_bytes() for name in os.listdir(trained)} == before


def test_damaged_checkpoints_are_one_line(capsys, trained, tmp_path):
    import shutil

    copy = shutil.copytree(trained, tmp_path / "copy")
    file = copy / "checkpoint.safetensors"
    content = file.read_bytes()
    for damaged, words in (
        (content[:-100], "is truncated"),
        (b"", "is empty"),
        (b"\x80\x02}q\x00.PK" * 9, "is not a safetensors"),
    ):
        file.write_bytes(damaged)
        assert words in complaint(capsys, "train", "lenet", "--resume", "--out", copy)
    file.unlink()
    assert "no checkpoint.safetensors to resume from" in complaint(capsys, "train", "lenet", "--resume", "--out", copy)
    settings = json.loads((copy / "config.json").read_text())
    file.write_bytes(content)
    (copy / "config.json").write_text(json.dumps({**settings, "epochs": "two"}))
    assert "a setting in its config.json does not fit" in complaint(capsys, "train", "lenet", "--resume", "--out", copy)
    (copy / "config.json").write_text('{"recipe": "another"}')
    assert "holds a run of another" in complaint(capsys, "train", "lenet", "--resume", "--out", copy)


def test_resuming_a_finished_run_says_so(capsys, trained):
    before = (trained / "checkpoint.safetensors").read_bytes(), json.loads((trained / "summary.json").read_text())
    code, out, _ = run(capsys, "train", "lenet", "--resume", "--out", trained)
    assert code == 0
    assert "nothing is left to train" in out
    assert (trained / "checkpoint.safetensors").read_bytes() == before[0]
    assert json.loads((trained / "summary.json").read_text()) == before[1]


def wait_for_rows(process, file, n):
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().count("\n") > n):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize(("row", "pause", "threads"), [(1, 0.01, 1), (3, 0.04, 2)])
def test_killed_and_resumed_it_ends_in_the_same_bits(trained, tmp_path, row, pause, threads):
    """kill -9 anywhere, another number of threads, and still the checkpoint's bytes are those of the whole run."""
    out = tmp_path / "killed"
    process = start("train", "lenet", "--data", "digits", "--epochs", "6", "--out", out, "--threads", threads)
    wait_for_rows(process, out / "metrics.csv", row)
    time.sleep(pause)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert load(out / "checkpoint.safetensors")["epoch"] < 6  # it was in the middle
    process = start("train", "lenet", "--resume", "--out", out, "--threads", 3 - threads)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (out / "checkpoint.safetensors").read_bytes() == (trained / "checkpoint.safetensors").read_bytes()
    assert without_times(out) == without_times(trained)


def without_times(folder):
    from pydl.recipes.folder import read_metrics

    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(folder / "metrics.csv")]


def test_ctrl_c_saves_and_tells_how_to_go_on(trained, tmp_path):
    out = tmp_path / "stopped"
    process = start("train", "lenet", "--data", "digits", "--epochs", "6", "--out", out)
    wait_for_rows(process, out / "metrics.csv", 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert f"continue with: pydl train lenet --resume --out {out}" in err
    assert "Traceback" not in err
    assert cli.main(["train", "lenet", "--resume", "--out", str(out)]) == 0
    assert (out / "checkpoint.safetensors").read_bytes() == (trained / "checkpoint.safetensors").read_bytes()
