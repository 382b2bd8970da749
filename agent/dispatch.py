"""Hands out attempt numbers and runs each attempt's graph to its end.

Owns numbering, unfinished threads and re-applications; what happens inside an attempt is its graph's.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from agent import inbox
from agent.ahead import Ahead
from agent.attempt import Attempt
from agent.attempt_folder import REAPPLICATION
from agent.budget import Budget
from agent.events import Message
from agent.laboratory import Laboratory
from agent.referee import Referee
from agent.rounds import Rounds
from workspaces.workspace import Workspace

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph.state import CompiledStateGraph

CHECKPOINTS = "checkpoints.sqlite"


class Dispatcher:
    """The attempts of one run, begun and to come. Safe from any thread; a context manager."""

    def __init__(
        self,
        directory: Path,
        laboratory: Laboratory,
        budget: Budget,
        *,
        offers_only: bool = False,
    ) -> None:
        """`offers_only`: no attempt is begun but those that people have offered."""
        from langgraph.checkpoint.sqlite import SqliteSaver

        self.directory = directory
        self.laboratory = laboratory
        self.budget = budget
        self._offers_only = offers_only
        self._lock = threading.Lock()
        self._database, damaged = _open_checkpoints(directory / CHECKPOINTS)
        if damaged is not None:
            laboratory.observer(
                Message(f"{CHECKPOINTS} was damaged: it is now {damaged.name}, and rebuilt from the ledger.")
            )
        self._saver = SqliteSaver(self._database)
        self._begun = set(self._unfinished())
        self._waiting = sorted(self._begun)
        self._reserved: set[int] = set()
        saved = {number: self._state(number) for number in self._waiting}
        self._referee = Referee(laboratory, self._known_entrants(saved))
        self._promote(saved)
        self._rounds = Rounds(laboratory)
        self._told = False
        self._workers: dict[Path, tuple[Attempt, CompiledStateGraph[Any, Any, Any, Any]]] = {}
        self._ahead: Ahead | None = None
        if laboratory.settings.rounds_at_once > 1:
            at_once = laboratory.settings.workers
            self._ahead = Ahead(lambda: self._begin(None), self._propose, at_once)

    def __enter__(self) -> Dispatcher:
        if self._ahead is not None:
            self._ahead.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ahead is not None:
            self._ahead.join()
        self._database.close()

    def take(self, workspace: Workspace) -> int | None:
        """The next attempt to run, once the rounds before it are decided; None when the budget is used up.

        Unfinished ones come first. Who waits, or finds none, helps those that race.

        Raises:
            Cancelled: the run is being stopped.
        """
        with self._lock:
            if self._waiting:
                return self._waiting.pop(0)
        if self._ahead is None:
            return self._begin(workspace)
        number = self._ahead.take(lambda until: self._rounds.wait(until, workspace))
        if number is None:
            self._rounds.wait(self._all_done, workspace)
        return number

    def _begin(self, workspace: Workspace | None) -> int | None:
        """The same for one that is new; without a work tree nobody is helped."""
        with self._lock:
            taken = self._decided() | self._begun | self._reserved
            number = next(number for number in itertools.count(1) if number not in taken)
            wanted = self._is_wanted(number)
            if wanted:
                self._reserved.add(number)
        if not wanted:
            if workspace is not None:
                self._rounds.wait(self._all_done, workspace)
            return None
        earlier = range(1, self.laboratory.horizon(number) + 1)
        self._rounds.wait(lambda: self._rounds.decided(earlier), workspace)
        with self._lock:
            self._reserved.discard(number)
            if not self._is_open(number):
                return None
            self._begun.add(number)
            if not self._note_reapplication(number):
                inbox.take(self.directory, self.laboratory.folder(number).path)
        return number

    def _is_wanted(self, number: int) -> bool:
        if self._offers_only and len(inbox.waiting(self.directory)) <= len(self._reserved):
            return False
        return number <= self.laboratory.settings.allowed.attempts

    def _all_done(self) -> bool:
        with self._lock:
            return not self._reserved and self._begun <= self._decided()

    def _is_open(self, number: int) -> bool:
        """Whether there is time for the round of an attempt; one that is begun is brought to its end."""
        members = self.laboratory.round_of(number)
        return not self._begun.isdisjoint(members) or not self._used_up()

    def _propose(self, slot: int, number: int) -> None:
        """Bring a new attempt to its training, or to its end where it comes to none."""
        place = Workspace(self.laboratory.ledger, self.directory / "worktrees" / f"ahead-{slot}")
        attempt, graph = self._worker(place, helps=False)
        attempt.begin()
        graph.invoke({"number": number}, self._thread(number), durability="sync", interrupt_before=["train"])

    def run(self, number: int, workspace: Workspace) -> None:
        """Run one attempt from where its checkpoint stands to its result commit."""
        attempt, graph = self._worker(workspace)
        attempt.begin()
        config = self._thread(number)
        saved = graph.get_state(config)
        if saved.next:
            graph.invoke(None, config, durability="sync")
        elif number not in self._decided():
            # Killed at its first checkpoint, it names no next step: whatever it has done is found again.
            self._saver.delete_thread(f"{number:04d}")
            graph.invoke({"number": number}, config, durability="sync")
        self.laboratory.tidy(number)
        self._saver.delete_thread(f"{number:04d}")
        self.laboratory.observer(Message(self.budget.told(len(self._decided()))))

    def _thread(self, number: int) -> RunnableConfig:
        return {
            "configurable": {"thread_id": f"{number:04d}"},
            "recursion_limit": 100 + 10 * self.laboratory.settings.seeds,
        }

    def _worker(
        self, workspace: Workspace, *, helps: bool = True
    ) -> tuple[Attempt, CompiledStateGraph[Any, Any, Any, Any]]:
        """The attempt runner of a work tree and its compiled graph, made once."""
        with self._lock:
            if workspace.path not in self._workers:
                attempt = Attempt(self.laboratory, workspace, self._referee, self._rounds, helps=helps)
                self._workers[workspace.path] = (attempt, attempt.graph(self._saver))
            return self._workers[workspace.path]

    def _used_up(self) -> bool:
        reason = self.budget.used_up() or self._rounds.not_asked
        if reason is not None and not self._told:
            self._told = True
            self.laboratory.observer(Message(f"No further attempt: {reason}"))
        return reason is not None

    def _decided(self) -> set[int]:
        return {r.number for r in self.laboratory.ledger.attempts() if r.verdict is not None}

    def _unfinished(self) -> list[int]:
        """Attempts that are not done with: by what they left on disk, or by a thread that is still there."""
        decided = self._decided()
        folders = {int(p.name) for p in (self.directory / "attempts").glob("[0-9]" * 4)} - {0}
        threads = self._database.execute("SELECT DISTINCT thread_id FROM checkpoints").fetchall()
        return sorted((folders - decided) | {int(thread) for (thread,) in threads})

    def _state(self, number: int) -> Mapping[str, Any]:
        """The last checkpoint of an attempt; empty if there is none."""
        config: RunnableConfig = {"configurable": {"thread_id": f"{number:04d}", "checkpoint_ns": ""}}
        saved = self._saver.get_tuple(config)
        return saved.checkpoint["channel_values"] if saved else {}

    def _promote(self, saved: Mapping[int, Mapping[str, Any]]) -> None:
        """Promote a winner that a kill left with its verdict only, before another one can be judged."""
        for number, state in saved.items():
            if "comparator_commit" in state:
                self._referee.settle(number, state["comparator_commit"])

    def _known_entrants(self, saved: Mapping[int, Mapping[str, Any]]) -> dict[int, int]:
        """Attempt number -> place in the race, of every attempt that has entered it."""
        places = {
            record.number: int(record.trailers["Entrant"])
            for record in self.laboratory.ledger.attempts()
            if "Entrant" in record.trailers
        }
        return places | {number: state["entrant"] for number, state in saved.items() if "entrant" in state}

    def _note_reapplication(self, number: int) -> bool:
        """A late winner is re-applied on the newer incumbent before anything new is tried; whether one is."""
        records = self.laboratory.ledger.attempts()
        done = {record.researcher for record in records}
        for begun in self._begun:
            done.add(f"{REAPPLICATION}{self.laboratory.folder(begun).reapplies}")
        for record in records:
            if "Reapply" in record.trailers and f"{REAPPLICATION}{record.number}" not in done:
                self.laboratory.folder(number).reapplies = record.number
                return True
        return False


def _open_checkpoints(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """The checkpoint database; a damaged one is set aside and named: the ledger rebuilds it."""
    aside: Path | None = None
    while True:
        database = sqlite3.connect(path, check_same_thread=False, timeout=30)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            _read_through(database)
            return database, aside
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            database.close()
            if aside is not None or not _is_damage(error):
                raise
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)


def _read_through(database: sqlite3.Connection) -> None:
    """Read every page and every checkpoint. Raises what `_is_damage` tells apart."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise ValueError(said)
    saver = SqliteSaver(database)
    saver.setup()
    for _ in saver.list(None):
        pass


def _is_damage(error: Exception) -> bool:
    """Whether the file is to blame, and not a disk that is full or read-only, or another process."""
    name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"))
