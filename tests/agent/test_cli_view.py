"""What a run shows while it goes on: lines for a pipe, JSON for a program, a table for a person."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from agent.cli import view as views
from agent.cli.view import open_view
from agent.events import Message, Progress

EVENTS = (
    Message("assessed \x1b[31mcountdown\x1b[0m"),
    Progress(0, "train", seconds=1.0),
    Progress(
        0, "score", detail="seed 1 of 5", score=0.6688, standard_error=0.002, entropy=0.29, seconds=18.0
    ),
    Progress(0, "done", hypothesis="the template", score=0.6688, verdict="kept", detail="seed noise 0.0036"),
    Progress(1, "propose", hypothesis="KL [bold]0.05[/bold]\x1b[2J lets it train harder"),
    Progress(1, "train", seconds=2.0),
    Progress(1, "train", seconds=3.0),
    Progress(
        1, "score", detail="seed 1 of 5", score=0.6752, standard_error=0.002, change=0.0064, entropy=0.27
    ),
    Progress(1, "decide", change=0.0061, verdict="kept", detail="better on 5 seeds"),
    Progress(
        0, "confirm", detail="12 of 57: attempt 1, seed 3", score=0.7626, standard_error=0.0149, entropy=0.21
    ),
    Progress(0, "frontier", detail="40 of 57: learning rate x 0.5, seed 1", score=0.7313),
    Progress(2, "propose", seconds=1.0),
    Progress(2, "propose", detail="1,204 characters"),
)


def test_plain_lines_tell_proposals_measurements_and_verdicts_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = open_view(as_json=False)
    for event in EVENTS:
        view.observe(event)
    lines = [line.split("] ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "assessed countdown",
        "baseline: score seed 1 of 5: 0.6688 ± 0.0020, entropy 0.290, 18 s",
        "baseline: measured seed noise 0.0036: 0.6688",
        "attempt 1: proposed: KL [bold]0.05[/bold] lets it train harder",
        "attempt 1: score seed 1 of 5: 0.67520 ± 0.00200 (+0.00640), entropy 0.270",
        "attempt 1: KEPT +0.00610: better on 5 seeds",
        "confirm 12 of 57: attempt 1, seed 3: 0.7626 ± 0.0149, entropy 0.210",
        "frontier 40 of 57: learning rate x 0.5, seed 1: 0.7313",
    ]


def test_what_an_ablation_measures_is_not_called_the_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    detail = "3 of 12: without entropy bonus 0.005, seed 8"
    open_view(as_json=False).observe(Progress(0, "ablate", detail=detail, score=0.75))
    assert capsys.readouterr().out.split("] ", 1)[1] == f"ablate {detail}: 0.7500\n"


def test_the_clock_of_a_resumed_run_goes_on_where_it_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    open_view(as_json=False, earlier=605.0).observe(Message("again"))
    open_view(as_json=True, earlier=605.0).observe(Message("again"))
    line, event = capsys.readouterr().out.splitlines()
    assert line == "[ 10:05] again"
    assert 605 <= json.loads(event)["time"] < 606


def test_the_clock_of_an_attempt_goes_on_while_its_reply_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(views, "time", SimpleNamespace(monotonic=lambda: now))
    shown = views.LiveView()
    shown.observe(Progress(1, "propose", seconds=2.0))
    now = 130.0
    shown.observe(Progress(1, "propose", detail="1,204 characters"))
    now = 140.0
    console = Console(width=120)
    with console.capture() as captured:
        console.print(shown._table())
    assert "propose 1,204 characters" in captured.get()
    assert "42 s" in captured.get()


def test_json_lines_stay_whole_when_threads_report_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = open_view(as_json=True)

    def report(attempt: int) -> None:
        for step in range(50):
            view.observe(Progress(attempt, "train", seconds=float(step), score=float("nan")))

    threads = [threading.Thread(target=report, args=(attempt,)) for attempt in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) == 200
    assert {event["event"] for event in events} == {"progress"}
    assert all(event["score"] is None for event in events)


def test_a_run_outlives_the_reader_of_its_lines() -> None:
    code = (
        "from agent.cli.view import open_view\n"
        "from agent.events import Message\n"
        "import sys\n"
        "view = open_view(False)\n"
        "sys.stdin.read()\n"
        "for number in range(5): view.observe(Message('x' * 9000))\n"
        "print('went on', file=sys.stderr)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == "went on\n"
    assert process.wait() == 0


def test_a_terminal_gets_a_live_table_without_foreign_control_sequences() -> None:
    driver = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_cli_view import EVENTS\n"
        "from agent.cli.view import open_view\n"
        "with open_view(False) as view:\n"
        "    for event in EVENTS: view.observe(event)\n"
    )
    parent, child = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "150"}
    process = subprocess.Popen(
        [sys.executable, "-c", driver, str(Path(__file__).parent)], stdout=child, env=environment
    )
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(parent)
    assert process.wait() == 0
    printed = shown.decode()
    assert "hypothesis" in printed
    assert "KL [bold]0.05[/bold] lets it train harder" in printed
    assert "0.67520 ± 0.00200" in printed
    assert "propose 1,204 characters" in printed
    assert "kept" in printed
    assert "incumbent: attempt 1 · frontier 40 of 57: learning rate x 0.5, seed 1: 0.7313" in printed
    assert "the template" in printed.rsplit("hypothesis", 1)[1], "the baseline keeps its own row"
    assert "\x1b[2J" not in printed
