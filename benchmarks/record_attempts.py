"""Record what attempts showed early and in the end: what `early_stopping.py` holds the forecast against.

`python benchmarks/record_attempts.py RUN... [--out FILE]` adds finished runs to the record. Their attempts
that were stopped early are trained to their end first, beside the run: it gains measurements, and is not to
be resumed after that.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from agent.events import Event
from agent.failures import TrainingFailed, Untrusted
from agent.foresight import Foresight, watch_only
from agent.researchers.choice import researcher_of
from agent.run import Run, opened_run
from agent.seeds import SCREENING_SEED, every_seed
from agent.training import Subject
from environments.base import Split
from workspaces.workspace import Workspace

RECORDED = Path(__file__).with_name("recorded_attempts.json")


def silent(event: Event) -> None:
    pass


def train_to_their_end(run: Run) -> None:
    """Train the screening seed of what was stopped early, as if nobody had looked."""
    stopped = [record for record in run.ledger.attempts() if record.verdict == "stopped-early"]

    def train(number: int, workspace: Workspace) -> None:
        record = run.ledger.attempt(number)
        if record is not None and record.code_commit is not None:
            subject = Subject(record.code_commit, run.directory / "completed" / f"{number:04d}", workspace)
            try:
                run.measurer.measure(subject, SCREENING_SEED, Split.SELECTION, watch_only(run.spec))
            except (TrainingFailed, Untrusted) as error:
                print(f"attempt {number} has no end: {error}", flush=True)

    run.workers.each(train, [record.number for record in stopped])


def rows_of(directory: Path) -> dict[str, Any]:
    """A run as the record has it; changes in units of the metric, positive is better, seconds are of CPU.

    `entropies` are those of the snapshots, in nats a token on the prompts of the score.
    """
    with opened_run(directory, silent) as run:
        train_to_their_end(run)
        seeds = every_seed(run.settings.seeds)
        baseline = run.history.measurements(run.ledger.tags()["baseline"], Split.SELECTION, seeds)
        laboratory = run.laboratory(baseline, researcher_of(run.settings))
        foresight = Foresight(laboratory)
        attempts = []
        for number, one in foresight.trained_to_their_end().items():
            record = run.ledger.attempt(number)
            if record is None or record.code_commit is None:
                continue
            measured = run.measurer.find(record.code_commit, SCREENING_SEED, Split.SELECTION)
            snapshots = zip(sorted(one.snapshots), foresight.measurements(record.code_commit), strict=True)
            attempts.append(
                {
                    "number": number,
                    "parent": one.comparator,
                    "verdict": record.verdict,
                    "screening": round(one.screening, 6),
                    "snapshots": {str(updates): round(c, 6) for updates, c in one.snapshots.items()},
                    "entropies": {
                        str(updates): round(found.score.metrics["entropy"].value, 5)
                        for updates, found in snapshots
                    },
                    "seconds": round(measured.cpu_seconds, 2) if measured else 0.0,
                    "seeds": len(record.trailers.get("Seeds", "0").split(",")),
                }
            )
        return {
            "name": directory.name,
            "researcher": run.settings.researcher,
            "seed": run.settings.seed,
            "updates": run.spec.budget["updates"],
            "workers": run.settings.workers,
            "gain": foresight.worth_keeping().gain,
            "noise": laboratory.noise,
            "attempts": attempts,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=RECORDED)
    asked = parser.parse_args()
    record = json.loads(asked.out.read_text()) if asked.out.exists() else {"runs": []}
    for directory in asked.runs:
        record["runs"] = [run for run in record["runs"] if run["name"] != directory.name]
        record["runs"].append(rows_of(directory))
        print(f"{directory}: {len(record['runs'][-1]['attempts'])} attempts", flush=True)
        asked.out.write_text(json.dumps(record, indent=0) + "\n")


if __name__ == "__main__":
    main()
