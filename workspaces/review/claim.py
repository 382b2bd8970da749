"""What a confirmation claims, in one sentence.

Owns these words; every figure in them was decided elsewhere.
"""

from __future__ import annotations

from workspaces.review.record import RunRecord
from workspaces.review.text import self_reported, signed, span


def confirmation_sentence(run: RunRecord) -> str:
    """What the confirmation says, with its figures."""
    confirmation = run.confirmation
    if confirmation is None:
        return "the confirmation was not reached"
    if confirmation["winner"] is None:
        return "nothing was worth keeping, so there was nothing to confirm"
    interval = confirmation["interval"]
    broken = [guard["metric"] for guard in confirmation["guards"] if not guard["holds"]]
    better = interval is not None and (interval[0] > 0 if run.maximise else interval[1] < 0)
    if broken:
        outcome = f"NOT CONFIRMED: worse in {', '.join(broken)}"
    elif better:
        outcome = "confirmed"
    else:
        outcome = "NOT CONFIRMED: the interval includes no change"
    frontier = {
        True: "above the frontier",
        False: "not above the frontier",
        None: "not told apart from the frontier",
    }[confirmation["above_frontier"]]
    if not confirmation["frontier"]:
        frontier = "the domain names no frontier"
    opened = confirmation["opened"]
    what = "the sealed tasks were opened" if run.settings.get("trains_policy", True) else "it was confirmed"
    again = "" if opened == 1 else f"; {what} {opened} times"
    metric = confirmation["metric"] + self_reported(run.settings)
    return (
        f"attempt {confirmation['winner']['attempt']} {outcome}: {metric} "
        f"{signed(confirmation['change'])}, 95% interval {span(confirmation['interval'])}; {frontier}{again}"
    )
