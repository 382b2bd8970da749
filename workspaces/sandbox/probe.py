"""Does a sandbox hold here? Real attacks from inside, judged from outside.

Owns the judgement; the targets are in `targets`, the attacks in `attacks/`; the package decides which tier is
taken.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workspaces.executors.base import Job, Limits
from workspaces.sandbox.base import Sandbox
from workspaces.sandbox.targets import targets

SECONDS = 20.0
ATTACKS = Path(__file__).with_name("attacks")
START = (
    "import os, sys; sys.path.insert(0, os.environ['SZILARD_ROOT'] or '/'); "
    "from attacks.main import main; main()"
)
OUTPUT = "write the output"
RAN = "run at all"


@dataclass(frozen=True)
class ProbeResult:
    """One attack: was it blocked, and what did it say. An attack that did not run is not blocked."""

    name: str
    blocked: bool
    detail: str


def starts(sandbox: Sandbox) -> bool:
    """Whether a tier runs anything at all on this machine."""
    return probe(sandbox)[-1].blocked


def probe(sandbox: Sandbox) -> list[ProbeResult]:
    """Attack the host from inside `sandbox`; the tier holds if every result is blocked.

    The last result, `RAN`, is blocked only if the sandbox started and could write its output.
    """
    with targets() as aims:
        output = aims.folder / "job" / "out"
        job = Job(
            name="probe",
            workspace=aims.workspace,
            output=output,
            command=("python", "-I", "-S", "-c", START, json.dumps(aims.told())),
            limits=Limits(wall_seconds=SECONDS),
            inputs={"/attacks": ATTACKS},
        )
        said, failure = _run(sandbox, job)
        reached = aims.reached(said)
        written = (output / "written").exists()
    results = [
        ProbeResult(name, not reached.get(name, words.startswith("got ")), words.partition("\n")[0])
        for name, words in said.items()
        if name != OUTPUT
    ]
    silent = [ProbeResult(name, False, "did not run") for name in reached if name not in said]
    return [
        *results,
        *silent,
        ProbeResult(RAN, written, failure or said.get(OUTPUT, "did not run")),
    ]


def _run(sandbox: Sandbox, job: Job) -> tuple[dict[str, str], str]:
    launch = sandbox.launch(job)
    try:
        ended = subprocess.run(
            launch.arguments,
            env=dict(launch.environment),
            cwd=launch.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        said: dict[str, str] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        return {}, f"no end after {SECONDS:.0f} s"
    except OSError as error:
        return {}, f"{launch.arguments[0]}: {error.strerror}"
    except json.JSONDecodeError:
        return {}, ended.stderr.strip() or f"exit code {ended.returncode}"
    return said, ""
