"""What early stopping saves and what it costs, on recorded attempts that were all trained to their end.

`python benchmarks/early_stopping.py` drives the rule of the product (`agent.forecast`) with what
`record_attempts.py` recorded, in the order and the rounds of each run, and puts it beside training it all.
Verdicts and numbers of seeds are those that each run came to.
Exits with 1 where more of the attempts that were kept would have been stopped than may be.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.forecast import CHANCE, Completed, WorthKeeping, bounds_against, stopped_after

RECORDED = Path(__file__).with_name("recorded_attempts.json")


@dataclass
class Told:
    """What one run would have spent and saved, in CPU seconds of screening trainings and of all of them."""

    attempts: int = 0
    stopped: int = 0
    passing: int = 0
    passing_stopped: int = 0
    kept: int = 0
    kept_stopped: int = 0
    screening: float = 0.0
    everything: float = 0.0
    saved: float = 0.0
    saved_of_everything: float = 0.0


def replay(run: dict[str, Any]) -> Told:
    """Let the rule look at every attempt's snapshots, by what it would have known."""
    told, worth, workers = Told(), WorthKeeping.at(run["gain"], run["noise"]), run["workers"]
    seen: list[tuple[int, Completed]] = []
    for row in run["attempts"]:
        number = row["number"]
        snapshots = {int(n): value for n, value in row["snapshots"].items()}
        one = Completed(snapshots, row["screening"], row["parent"])
        before = [other for n, other in seen if n <= (number - 1) // workers * workers]
        at = stopped_after(one.snapshots, bounds_against(number, before, one.comparator, snapshots, worth))
        told.attempts += 1
        told.screening += row["seconds"]
        told.everything += row["seconds"] * row["seeds"]
        told.kept += row["verdict"] == "kept"
        told.passing += row["screening"] >= worth.bar
        if at is None:
            seen.append((number, one))
            continue
        left = 1.0 - at / run["updates"]
        told.stopped += 1
        told.saved += row["seconds"] * left
        told.saved_of_everything += row["seconds"] * (left + row["seeds"] - 1)
        told.kept_stopped += row["verdict"] == "kept"
        told.passing_stopped += row["screening"] >= worth.bar
    return told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recorded", type=Path, default=RECORDED)
    asked = parser.parse_args()
    runs = json.loads(asked.recorded.read_text())["runs"]
    print(f"{'run (researcher, seed)':<40}attempts  stopped  saved of screening  of all their training")
    total = Told()
    for run in runs:
        told = replay(run)
        for name, value in vars(told).items():
            setattr(total, name, getattr(total, name) + value)
        title = f"{run['name']} ({run['researcher']}, {run['seed']})"
        print(
            f"{title:<40}{told.attempts:>8}{told.stopped:>9}{told.saved / told.screening:>20.0%}"
            f"{told.saved_of_everything / told.everything:>23.0%}"
        )
    print(
        f"{'all':<40}{total.attempts:>8}{total.stopped:>9}{total.saved / total.screening:>20.0%}"
        f"{total.saved_of_everything / total.everything:>23.0%}"
    )
    print(
        f"stopped: {total.kept_stopped} of {total.kept} that were kept (at most {CHANCE:.0%} are allowed), "
        f"{total.passing_stopped} of {total.passing} that passed screening"
    )
    sys.exit(total.kept_stopped > CHANCE * total.kept)


if __name__ == "__main__":
    main()
