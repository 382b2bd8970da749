"""Whether a call leaves the random generators of the process as they were."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

from environments.checks.base import Adapter


def unchanged_chance(adapter: Adapter, method: str, call: Callable[[], object]) -> str:
    """Call it and compare the state of each global generator before and after.

    Not of torch's in `score`: making a policy draws from it, and the process of scoring draws nothing else.

    Raises:
        Nonconforming: one was drawn from or seeded.
    """
    _stir()
    before = _states(torch_too=method != "score")
    call()
    after = _states(torch_too=method != "score")
    changed = [name for name, state in before.items() if after[name] != state]
    if changed:
        raise adapter.fault(
            method,
            f"draws from or seeds the global generator of {' and '.join(changed)}",
            "Make a generator of your own, random.Random(seed), in the method: training uses the global ones",
        )
    return "global generators are left alone"


def _stir() -> None:
    """Leave the states that an earlier call may have seeded, else seeding them so again would not show."""
    random.random()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.random()
    if "torch" in sys.modules:
        sys.modules["torch"].rand(1)


def _states(*, torch_too: bool) -> dict[str, object]:
    states: dict[str, object] = {"random": random.getstate()}
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        states["numpy"] = str(numpy.random.get_state(legacy=False))
    if torch is not None and torch_too:
        states["torch"] = torch.get_rng_state().tolist()
    return states
