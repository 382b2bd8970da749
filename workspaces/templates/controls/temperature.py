"""Temperature: sample rollouts from softmax(logits / temperature), and train that distribution.

Above 1 rollouts hold more entropy. Log-probabilities and entropies of the loss are taken at the same
temperature, so that ratios start at 1. Scoring is at temperature 1 whatever this says.
Source: the sampling temperature of arXiv 2510.08141, sec. 3 (with its REINFORCE term left out).
Pitfalls: the entropy in the trace is at this temperature and is not comparable with another's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from controls.sampling import Draw, Request, Sampled


@dataclass(frozen=True)
class Temperature:
    """1 changes nothing. Published: 1.2 to raise, 0.8 to lower entropy."""

    temperature: float = 1.2
    kind: ClassVar[str] = "sampling"

    def around(self, draw: Draw) -> Draw:
        def at_temperature(request: Request) -> Sampled:
            return draw(replace(request, temperature=self.temperature))

        return at_temperature
