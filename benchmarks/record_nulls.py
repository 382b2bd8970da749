"""Record what edits score that do nothing: the null that `false_keeps.py` resamples.

`python benchmarks/record_nulls.py [--edits 64] [--seeds 4] [--minutes M]`. Each edit throws away another
number of random draws before the first step of the countdown template, so that every rollout differs and
nothing else does. They are trained and scored as attempts are; interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from agent.events import Event, Message
from agent.plan import plan_training
from agent.studies.arms import RECIPE
from agent.trials import Trial, Trials, Variant, open_trials

RECORDED = Path(__file__).with_name("recorded_nulls.json")
BEGIN = "    policy = session.starting_policy()\n"
FIRST_SEED = 2001


def null_edit(recipe: str, number: int) -> Variant:
    """The template with `number` random draws thrown away first."""
    if recipe.count(BEGIN) != 1:
        raise SystemExit(f"{RECIPE} has no single line {BEGIN.strip()!r} to put the edit behind")
    edited = recipe.replace(BEGIN, f"{BEGIN}    torch.rand({number}, device=session.device)\n")
    return Variant(f"null-{number}", f"null edit {number}", {RECIPE: edited})


def rows(trials: Trials, edits: list[Variant], seeds: range) -> list[dict[str, object]]:
    found = []
    for edit in edits:
        for seed, measured in sorted(trials.measurements(edit, seeds).items()):
            metrics = measured.score.metrics
            found.append(
                {
                    "edit": edit.name,
                    "seed": seed,
                    "score": round(metrics[trials.settings.metric].value, 6),
                    "pass_at_1": round(metrics["pass_at_1"].value, 6),
                    "entropy": round(measured.entropy_end or 0.0, 4),
                }
            )
    return found


def tell(event: Event) -> None:
    if isinstance(event, Message):
        print(event.text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edits", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--directory", type=Path, default=Path("comparisons/nulls"))
    parser.add_argument("--out", type=Path, default=RECORDED)
    asked = parser.parse_args()
    settings = plan_training(
        goal="what edits score that do nothing", environment="countdown", metric=None, guards=None,
        minutes=asked.minutes, seeds=2, workers=min(2, os.cpu_count() or 1), device="cpu",
        folder=asked.directory, seed=0, sandbox="auto", name="nulls",
    )  # fmt: skip
    seeds = range(FIRST_SEED, FIRST_SEED + asked.seeds)
    with open_trials(asked.directory, settings, {"names": ["nulls"]}, tell) as trials:
        recipe = trials.environment.workspace_template()[RECIPE].read_text()
        edits = [null_edit(recipe, number) for number in range(1, asked.edits + 1)]
        for seed in seeds:
            for start in range(0, len(edits), 8):
                if not trials.out_of_time():
                    trials.measure([Trial(edit, seed) for edit in edits[start : start + 8]])
        recorded = {
            "environment": f"{trials.environment.spec.name} {trials.environment.spec.version}",
            "metric": settings.metric,
            "trainings": rows(trials, edits, seeds),
        }
    text = json.dumps(recorded, indent=0)
    asked.out.write_text(text + "\n")
    print(f"{len(recorded['trainings'])} trainings of {asked.edits} edits: {asked.out}")


if __name__ == "__main__":
    main()
