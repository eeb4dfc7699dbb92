from pydl.recipes.progress import Progress, closing_table, show


def test_metrics_are_shown_as_people_read_them():
    assert show("test_accuracy", 0.98765) == "98.77 %"
    assert show("loss", 0.0123456) == "0.01235"
    assert show("images_per_second", 23456.7) == "23,457"
    assert show("parameters", 61706) == "61,706"
    assert show("name", "x") == "x"


def test_the_bar_tells_loss_accuracy_speed_and_time_left(capsys):
    progress = Progress()
    progress.begin(100, 20)
    progress._bar.mininterval = 0
    progress.update(40, 2, 5, {"loss": 0.5, "accuracy": 0.875})
    progress.close()
    line = max(capsys.readouterr().err.split("\r"), key=lambda line: line.count("60 %"))
    for part in ("epoch 2/5", "60 %", "loss 0.5, accuracy 87.50 %", "images/s", "left"):
        assert part in line


def test_rows_have_a_heading_once_and_line_up(capsys):
    progress = Progress()
    for epoch in (1, 2):
        progress.row({"epoch": epoch, "train_loss": 1 / epoch, "test_accuracy": 0.5 * epoch, "count": 7})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["epoch", "train_loss", "test_accuracy"],
        ["1", "1", "50.00", "%"],
        ["2", "0.5", "100.00", "%"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_quiet_says_nothing(capsys):
    progress = Progress(quiet=True)
    progress.begin(10, 0)
    progress.update(5, 1, 1, {})
    progress.row({"epoch": 1})
    progress.close()
    assert capsys.readouterr() == ("", "")


def test_the_closing_table_lines_up():
    lines = closing_table("lenet: finished", {"test_accuracy": 0.98, "run folder": "runs/lenet"}).splitlines()
    assert lines[1] == "lenet: finished"
    assert lines[3].split() == ["test", "accuracy", "98.00", "%"]
    assert len(lines[0]) == len(lines[3]) == len(lines[4])
