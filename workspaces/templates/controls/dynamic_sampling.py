"""Dynamic sampling: train on groups whose rewards differ, draw more for the rest (DAPO, arXiv 2503.14476).

Groups with a standard deviation of zero are dropped (arXiv 2503.14476, eq. 11); at most `most_draws`
draws of the asked number of prompts, whose tokens all count against the budget. If none differs, the
last draw is used as it is.
Pitfalls: it shifts the tasks towards those of middling difficulty; compare at equal tokens, not steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.sampling import Draw, Request, Sampled


@dataclass(frozen=True)
class DynamicSampling:
    """Published: most_draws 10 (max_num_gen_batches); 3 suits a budget of tokens."""

    most_draws: int = 3
    kind: ClassVar[str] = "sampling"
    drops_equal_rewards: ClassVar[bool] = True

    def around(self, draw: Draw) -> Draw:
        def until_enough(request: Request) -> Sampled:
            kept: Sampled | None = None
            for _ in range(max(1, self.most_draws)):
                drawn = draw(request)
                differing = self.differing(drawn.rewards)
                if differing:
                    chosen = drawn.groups(differing)
                    kept = chosen if kept is None else kept.joined(chosen)
                if kept is not None and len(kept.rewards) >= request.prompts:
                    break
            if kept is None:
                return drawn
            return kept.groups(range(min(len(kept.rewards), request.prompts)))

        return until_enough

    def differing(self, rewards: Tensor) -> list[int]:
        """Prompts whose rewards are not all equal, of rewards [prompts, samples]."""
        differ = rewards.max(dim=1).values > rewards.min(dim=1).values
        found: list[int] = differ.nonzero()[:, 0].tolist()
        return found
