"""README's Python examples run as they stand, each in a namespace and a folder of its own."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_readme_has_an_example():
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line{TEXT[: TEXT.index(block)].count(chr(10)) + 1}")
def test_readme_example(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    accuracy = re.search(r"test accuracy ([\d.]+)%", capsys.readouterr().out)
    if "test accuracy" in block:  # an example that trains must have learned; chance is 10 %
        assert accuracy
        assert float(accuracy[1]) > 90
