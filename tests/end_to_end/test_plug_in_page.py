"""docs/plug-in.md, word for word: its files are written and its commands are typed, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "plug-in.md"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.M | re.S)


@pytest.mark.slow
def test_the_page_works_as_it_is_written(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    typed, said = [], ""
    for language, file, text in BLOCK.findall(PAGE.read_text()):
        if file:
            (tmp_path / file).write_text(text)
        elif language == "console":
            for line in text.strip().splitlines():
                done = subprocess.run(
                    shlex.split(line),
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "PATH": path},
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                typed.append(line)
                said = done.stdout
    assert [line.split()[1] for line in typed] == ["env", "env", "env", "env", "run"]
    assert "1 attempt:" in said
    assert (tmp_path / "runs" / "tens" / "report.md").is_file()


def test_the_domain_of_the_page_is_at_most_thirty_lines() -> None:
    (domain,) = [text for _, file, text in BLOCK.findall(PAGE.read_text()) if file == "tens.py"]
    assert len(domain.strip().splitlines()) <= 30
