"""The researcher that runs a program of the user's: any coding agent, any script.

Owns one attempt's calls of it: the tree it is given, what it left there, at most two repairs. It runs in the
sandbox like all code that is not ours; what it is shown belongs to `agent.context`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.command_job import IN_A_COPY
from agent.context.for_a_program import CONTEXT, FOLDER, PROPOSAL, text_for_a_program
from agent.program import Program
from agent.proposal import MOST_EDITS, Proposal
from agent.researchers.base import Context, NoProposal
from agent.researchers.conversation import Conversation, Exchange, Turn
from environments.base import EnvironmentSpec
from workspaces.changes import edits_between, forbidden
from workspaces.edits import LARGEST_FILE
from workspaces.executors.base import Job, Limits, Outcome
from workspaces.executors.local import LocalExecutor
from workspaces.folders import entries_of
from workspaces.plain_text import clean, clipped, one_line
from workspaces.redaction import redacted
from workspaces.sandbox import Sandbox, choose_sandbox

REPAIRS = 2
OUTPUT_BYTES = 256 * 2**20
PRINTED_CHARACTERS = 64_000
PROPOSAL_BYTES = 64 * 1024
PROGRAMS = f"{FOLDER}/program"


class _Said(BaseModel):
    """The proposal file."""

    model_config = ConfigDict(extra="forbid")

    hypothesis: str
    mechanism: str
    predicted_score_change: float
    predicted_entropy: float | None = None


class _Answer(BaseModel):
    """What one call came to: a proposal or a problem, and the editable files as it left them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    proposal: Proposal | None = None
    problem: str | None = None
    left: dict[str, str] = Field(default_factory=dict)


class _Unusable(Exception):
    """What a call left is no proposal; the message tells the program why."""


class CommandResearcher:
    """Proposes what a program leaves in a tree. Several threads may share one."""

    name = "command"

    def __init__(self, program: Program, sandbox: str) -> None:
        self._program = program
        self._tier = sandbox

    @cached_property
    def _sandbox(self) -> Sandbox:
        return choose_sandbox(self._tier)

    def propose(self, context: Context, directory: Path) -> Proposal:
        """Run the program, and again where it left no proposal.

        Raises:
            NoProposal: it left none after two repairs.
            InvalidProgram: a variable that it needs is not set.
        """
        return self._ask(context, directory, 0, None)

    def repair(self, context: Context, proposal: Proposal, failure: str, directory: Path) -> Proposal:
        """Run the program again on the tree as it left it, with the failure, within the same two repairs.

        Raises what `propose` raises.
        """
        answers = [_stored(directory, turn) for turn in range(REPAIRS + 1)]
        made = [turn for turn, one in enumerate(answers) if one is not None and one.proposal == proposal]
        return self._ask(context, directory, max(made, default=0) + 1, failure)

    def _ask(self, context: Context, directory: Path, turn: int, failure: str | None) -> Proposal:
        while turn <= REPAIRS:
            answer = _stored(directory, turn)
            if answer is None:
                before = _stored(directory, turn - 1)
                left = before.left if before is not None else {}
                answer = self._call(context, directory, left, failure, REPAIRS - turn)
                _store(directory, turn, answer)
            if answer.proposal is not None:
                return answer.proposal
            failure = answer.problem
            turn += 1
        raise NoProposal(f"No usable proposal after {REPAIRS} repairs: {one_line(failure or '', 300)}")

    def _call(
        self, context: Context, directory: Path, left: Mapping[str, str], failure: str | None, repairs: int
    ) -> _Answer:
        """Run the program once in the parent's tree with what it `left` before, and read what it left now."""
        variables = self._program.values()
        parent = {**context.protected_files, **context.files}
        shown = text_for_a_program(context, failure, repairs)
        with tempfile.TemporaryDirectory(prefix="szilard-researcher-") as name:
            folder = Path(name)
            _write(folder / "tree", {**parent, **left, CONTEXT: shown})
            outcome = self._run(folder, variables)
            printed = _without(_printed(folder), variables)
            found = _found(folder / "job" / "out", parent, variables)
        exchange = Exchange(
            model=self.name,
            turns=(Turn("user", redacted(shown)),),
            reply=printed,
            seconds=outcome.wall_seconds,
        )
        Conversation(directory).append(exchange)
        try:
            _require_end(outcome, printed, self._program)
            proposal = _proposal(found, parent, context.spec)
        except _Unusable as error:
            return _Answer(problem=_without(str(error), variables), left=_editable(found, context.spec))
        return _Answer(proposal=proposal, left=_editable(found, context.spec))

    def _run(self, folder: Path, variables: Mapping[str, str]) -> Outcome:
        words, links, inputs = list(self._program.command), list[str](), dict[str, Path]()
        for place, path in self._program.shown.items():
            inside = f"/program/{place}/{path.name}"
            words[place] = f"{PROGRAMS}/{place}/{path.name}"
            links += [words[place], inside]
            inputs[inside] = path
        job = Job(
            name="researcher",
            workspace=folder / "tree",
            output=folder / "job" / "out",
            command=("/bin/sh", "-c", IN_A_COPY, "sh", *links, "--", *words),
            limits=Limits(self._program.seconds, output_bytes=OUTPUT_BYTES),
            inputs=inputs,
            environment=variables,
        )
        executor = LocalExecutor(self._sandbox, 1)
        try:
            return executor.wait(executor.submit(job))
        finally:
            executor.close()


class _Found(BaseModel):
    """What a call left: the proposal file, the files that differ from the parent's, those that are gone.

    None stands for a file that is no text, or too long.
    """

    proposal: str | None
    changed: dict[str, str | None]
    deleted: list[str]


def _found(output: Path, parent: Mapping[str, str], variables: Mapping[str, str]) -> _Found:
    files = {
        Path(entry.path).relative_to(output).as_posix(): Path(entry.path)
        for entry in entries_of(output)
        if entry.is_file(follow_symlinks=False)
    }
    proposal = files.get(PROPOSAL)
    changed: dict[str, str | None] = {}
    for path, file in files.items():
        if path not in parent and path.startswith("."):
            continue
        text = _text(file, LARGEST_FILE, variables)
        if text is None or text != parent.get(path):
            changed[path] = text
    said = _text(proposal, PROPOSAL_BYTES, variables) if proposal is not None else None
    return _Found(proposal=said, changed=changed, deleted=sorted(parent.keys() - files.keys()))


def _text(file: Path, most: int, variables: Mapping[str, str]) -> str | None:
    with file.open("rb") as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        return None
    try:
        return _without(content.decode(), variables)
    except UnicodeDecodeError:
        return None


def _require_end(outcome: Outcome, printed: str, program: Program) -> None:
    if outcome.limit is not None:
        raise _Unusable(f"The program was ended by its limit: {outcome.limit}.")
    if outcome.exit_code != 0:
        last = next((line for line in reversed(printed.splitlines()) if line.strip()), "it printed nothing")
        raise _Unusable(f"The program ended with exit code {outcome.exit_code}: {one_line(last, 300)}")


def _proposal(found: _Found, parent: Mapping[str, str], spec: EnvironmentSpec) -> Proposal:
    """Raises _Unusable where what was left is none."""
    _refuse(found.deleted, "was deleted: an attempt cannot delete files")
    _refuse(forbidden(list(found.changed), spec.editable, spec.protected), "may not be changed or added")
    _refuse(
        [path for path, text in found.changed.items() if text is None],
        f"is no text in UTF-8 of at most {LARGEST_FILE // 1024} KiB",
    )
    after = {path: text for path, text in found.changed.items() if text is not None}
    if not after:
        raise _Unusable("Nothing was changed: edit an editable file in place.")
    if found.proposal is None:
        raise _Unusable(f"There is no file {PROPOSAL}, or it is no text of at most {PROPOSAL_BYTES} bytes.")
    try:
        said = _Said.model_validate_json(found.proposal)
        if spec.trains_policy and said.predicted_entropy is None:
            raise _Unusable(f"{PROPOSAL}: predicted_entropy is missing.")
        return Proposal(**said.model_dump(), edits=edits_between(parent, after, MOST_EDITS))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'the object'}: {one['msg']}" for one in error.errors()]
        raise _Unusable(f"{PROPOSAL} is no proposal: {'; '.join(wrong[:8])}.") from None


def _refuse(paths: list[str], why: str) -> None:
    if paths:
        shown = ", ".join(one_line(path, 80) for path in sorted(paths)[:8])
        more = f" and {len(paths) - 8} more" if len(paths) > 8 else ""
        raise _Unusable(f"{shown}{more} {why}.")


def _editable(found: _Found, spec: EnvironmentSpec) -> dict[str, str]:
    """What the next call of the program finds as this one left it."""
    refused = set(forbidden(list(found.changed), spec.editable, spec.protected))
    return {path: text for path, text in found.changed.items() if text is not None and path not in refused}


def _printed(folder: Path) -> str:
    """What the program wrote to standard output and to standard error; of much the middle is left out."""
    parts = []
    for name in ("stdout.log", "stderr.log"):
        with (folder / "job" / name).open("rb") as log:
            head = log.read(PRINTED_CHARACTERS)
            log.seek(max(log.tell(), os.fstat(log.fileno()).st_size - PRINTED_CHARACTERS))
            parts.append(clean((head + log.read()).decode("utf-8", "replace")))
    return clipped("\n".join(part for part in parts if part.strip()), PRINTED_CHARACTERS)


def _without(text: str, variables: Mapping[str, str]) -> str:
    """The text without secrets, those that the program was given among them, whatever they are called."""
    given = {f"KEY_{number}": value for number, value in enumerate(variables.values())}
    return redacted(redacted(text), given)


def _write(tree: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text, newline="")


def _place(directory: Path, turn: int) -> Path:
    return directory / f"answer-{turn}.json"


def _stored(directory: Path, turn: int) -> _Answer | None:
    try:
        return _Answer.model_validate_json(_place(directory, turn).read_text())
    except (FileNotFoundError, ValidationError):
        return None


def _store(directory: Path, turn: int, answer: _Answer) -> None:
    path = _place(directory, turn)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(answer.model_dump(mode="json"), indent=1))
    os.replace(temporary, path)
