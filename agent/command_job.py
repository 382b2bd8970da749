"""One command of a command environment as a job: in a copy of its tree that it may write, with its seed.

Owns the working directory, the links to data and the limits; what becomes of the output is `commands`'.
"""

from __future__ import annotations

from pathlib import Path

from environments.command.environment import CommandEnvironment
from workspaces.executors.base import Job, Limits

OUTPUT_BYTES = 512 * 2**20

# The job's working directory is a copy of its tree that it may write; data are links to what is read-only.
IN_A_COPY = """
cd "$SZILARD_ROOT/out" || exit 126
for entry in "$SZILARD_ROOT/workspace/"* "$SZILARD_ROOT/workspace/".[!.]* "$SZILARD_ROOT/workspace/"..?*; do
  if [ -e "$entry" ] && [ "${entry##*/}" != .git ]; then cp -R "$entry" . || exit 126; fi
done
while [ "$1" != -- ]; do
  mkdir -p "$(dirname "$1")" && ln -s "$SZILARD_ROOT$2" "$1" || exit 126
  shift 2
done
shift
exec "$@"
"""


def command_job(
    environment: CommandEnvironment,
    command: str,
    name: str,
    tree: Path,
    output: Path,
    seed: int,
    *,
    cpu_seconds: float | None = None,
    scores: bool = False,
) -> Job:
    """A command in a private copy of `tree`, which is its working directory and then its output.

    Data that are hidden are bound only for what scores.
    """
    shown = {path: data for path, data in environment.data.items() if scores or not environment.hides(path)}
    data = {f"/data/{number}": path for number, path in enumerate(shown.values())}
    links = [word for pair in zip(shown, data, strict=True) for word in pair]
    return Job(
        name=name,
        workspace=tree,
        output=output,
        command=("/bin/sh", "-c", IN_A_COPY, "sh", *links, "--", *environment.words(command, seed)),
        limits=Limits(environment.file.time_limit, cpu_seconds, output_bytes=OUTPUT_BYTES),
        inputs=data,
        environment=environment.variables(seed),
    )
