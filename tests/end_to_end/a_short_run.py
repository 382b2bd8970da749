"""A short real run through the installed command, and what can be read off it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.agent.scripted_server import Answer, Request, ScriptedServer, said

SZILARD = str(Path(sys.executable).parent / "szilard")
ENVIRONMENT = str(Path(__file__).parent / "quick_countdown.py")
GOAL = "Solve more countdown problems in up to 16 tries"
PASSING = ("Train-Seconds:", "committer ", "author ")


def run_command(
    runs: Path, name: str, *, attempts: int = 3, workers: int = 1, environment: str = ENVIRONMENT
) -> list[str]:
    return [
        *(SZILARD, "run", GOAL, "--environment", environment, "--runs-dir", str(runs), "--name", name),
        *("--attempts", str(attempts), "--seeds", "2", "--workers", str(workers), "--json"),
    ]


def resume_command(run: Path) -> list[str]:
    return [SZILARD, "resume", str(run), "--json"]


def finish(command: Sequence[str], seconds: float = 500) -> dict[str, object]:
    """Run a command to its end and return the summary that it prints last."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return summary


def git(run: Path, *arguments: str) -> str:
    command = ["git", "-C", str(run / "repository"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def story(run: Path) -> dict[str, list[tuple[str, str]]]:
    """Every branch and tag as its commits: tree and message, without what differs from run to run."""
    refs = git(run, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags").split()
    return {
        ref: [
            (tree, "\n".join(line for line in message.splitlines() if not line.startswith(PASSING)))
            for tree, message in (
                entry.split("\n", 1)
                for entry in git(run, "log", "--format=%T%n%B%x00", ref).split("\0\n")
                if entry.strip()
            )
        ]
        for ref in refs
    }


def launches(run: Path) -> Counter[str]:
    """Measurement key -> how often its training was started."""
    lines = (run / "trainings.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["key"] for line in lines)


def processes_of(run: Path) -> list[str]:
    """Command lines of the processes that name the run or live in a sandbox made for it."""
    mark = f"{run.parent.name}/{run.name}/".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if mark in command or mark in (process / "mountinfo").read_bytes():
                found.append(command.replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return found


def trailer(run: Path, number: int, name: str) -> str:
    """What the last commit of an attempt says under this name; empty if nothing."""
    return git(
        run, "log", "-1", f"--format=%(trailers:key={name},valueonly)", f"attempts/{number:04d}"
    ).strip()


def run_proposing(
    propose: Callable[[int], dict[str, object]], command: Sequence[str], requests: int
) -> subprocess.CompletedProcess[str]:
    """A run command ended, in which a scripted language model proposes this for every attempt's number."""

    def answer(request: Request) -> Answer:
        found = re.search(r"This is attempt (\d+) of", request.messages[1]["content"])
        assert found is not None
        return said(json.dumps(propose(int(found.group(1)))))

    with ScriptedServer(*[answer] * requests) as server:
        reach = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-none"}
        return subprocess.run(
            [*command, *(["--model", "scripted"] if command[1] == "run" else [])],
            capture_output=True,
            text=True,
            timeout=550,
            env={**os.environ, **reach},
        )


def run_of_proposals(
    runs: Path, name: str, environment: str, proposals: Sequence[dict[str, object]]
) -> subprocess.CompletedProcess[str]:
    """A run with two workers in which a scripted language model makes these proposals, and repairs none."""
    command = run_command(runs, name, attempts=len(proposals), workers=2, environment=environment)
    return run_proposing(lambda number: proposals[number - 1], command, 3 * len(proposals))
