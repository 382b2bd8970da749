"""What a sandbox adds to one job, tier by tier: the same trivial command under the same executor.

Prints milliseconds a job (median of JOBS, in turns), and the difference to no isolation; exits 1 if a tier
adds more than 250 ms.

    python benchmarks/sandbox.py [JOBS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from workspaces.executors.base import Job, Limits
from workspaces.executors.local import LocalExecutor
from workspaces.sandbox import choose_sandbox, tiers_here

MOST_MILLISECONDS = 250.0
JOBS = 30


def main() -> None:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    tiers = ["none", *dict.fromkeys(tier.tier for tier in tiers_here())]
    executors = {tier: LocalExecutor(choose_sandbox(tier), 1) for tier in tiers}
    taken: dict[str, list[float]] = {tier: [] for tier in tiers}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(jobs):
            for tier, executor in executors.items():
                taken[tier].append(_milliseconds(executor, Path(folder, f"{tier}-{number}")))
    for executor in executors.values():
        executor.close()
    bare = statistics.median(taken["none"])
    failed = False
    for tier in tiers:
        median = statistics.median(taken[tier])
        added = median - bare
        failed |= added > MOST_MILLISECONDS
        told = f"{median:7.1f} ms a job, {added:+7.1f} ms ({median / bare:.1f} x)"
        print(f"{tier:<12}{told}, worst {max(taken[tier]):.0f} ms")
    print(f"{'FAIL' if failed else 'PASS'}: a tier adds at most {MOST_MILLISECONDS:.0f} ms to a job")
    sys.exit(failed)


def _milliseconds(executor: LocalExecutor, folder: Path) -> float:
    workspace = folder / "tree"
    workspace.mkdir(parents=True)
    job = Job("trivial", workspace, folder / "job" / "out", ("/bin/true",), Limits(wall_seconds=30))
    begun = time.perf_counter()
    outcome = executor.wait(executor.submit(job))
    if outcome.exit_code != 0:
        sys.exit(f"the job failed: {outcome}")
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    main()
