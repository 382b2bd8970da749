"""The one sentence of a diagnosis, by rules.

Owns the rules and the wording. Rewards are the training's own, and so is what the law says of them: its
figures come with R2 and 95% intervals, and a claim is made only where the interval carries it. No advice is
given that cannot be followed: the budget bounds the length, so nobody is told to train longer, and what
spending slower or faster does is measured by the frontier, which is named instead of a guess.

1. No trace, or fewer than 3 points: the sentence says so and nothing else.
2. A control that reported and touched no token is named first: inert, not tested.
3. Entropy *fell*, *rose* or *held*: its last checkpoint against its first thirtieth; within a tenth it held.
4. The law does not apply: the course, then every reason why (entropy hardly moved, a is not above twice its
   standard error, R2 below .5, a control holds entropy or KL, no fit at all).
5. It applies and entropy fell. *Early* means that nine tenths of the drop were spent in the first half of
   the steps. *Near* means that the upper end of what is left to buy is at most a fifth of what spending has
   bought, a (exp(H first) - exp(H last)).
   - near, early: little is left; whether slower spending reaches more is what lower learning rates of the
     frontier show.
   - near, late: little is left, though entropy lasted for most of the training.
   - not near, and the interval of what is left reaches 0: the fit does not tell.
   - not near, early: the training stopped spending with reward left to buy.
   - not near, late: entropy was still falling; whether faster spending buys the rest is what higher learning
     rates of the frontier show.
6. It applies and entropy rose: what spending it again would buy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workspaces.plain_text import one_line

LONGEST_SENTENCE = 420
NEAR = 0.2
MOST_NAMED = 3

Direction = Literal["fell", "rose", "held"]


@dataclass(frozen=True)
class Course:
    """How entropy and reward went from (first, last); `spent_by` is None where entropy did not fall."""

    direction: Direction
    entropy: tuple[float, float]
    reward: tuple[float, float]
    first_step: int
    last_step: int
    spent_by: int | None

    @property
    def early(self) -> bool:
        whole = self.last_step - self.first_step
        return self.spent_by is not None and 2 * (self.spent_by - self.first_step) <= whole


@dataclass(frozen=True)
class Law:
    """R = -a exp(H) + b fitted to the training reward, with 95% intervals.

    `left_to_buy`: reward that spending the entropy of the last checkpoint would still buy.
    """

    a: float
    b: float
    r_squared: float
    ceiling: float
    ceiling_interval: tuple[float, float]
    left_to_buy: float
    left_interval: tuple[float, float]


def sentence_of(
    steps: int, course: Course | None, law: Law | None, doubts: Sequence[str], inert: Sequence[str]
) -> str:
    """One line of at most `LONGEST_SENTENCE` characters. `law` is None where it does not apply."""
    if not steps:
        told = "the training left no trace, so where its entropy went is not known"
    elif course is None:
        told = f"the trace is too short to say where entropy went (steps: {steps})"
    elif law is None:
        told = f"{_course(course)}; the entropy law says nothing here: {_listed(doubts)}"
    elif course.direction == "fell":
        told = f"{_spending(course, law)}: {_outlook(course, law)}"
    else:
        told = f"{_course(course)}; by {_fit(law)}, spending it again would buy {_left(law)}"
    told = f"{_inert(inert)}; {told}" if inert else told[0].upper() + told[1:]
    return one_line(told, LONGEST_SENTENCE - 1) + "."


def _listed(clauses: Sequence[str]) -> str:
    return ", and ".join([", ".join(clauses[:-1]), clauses[-1]] if len(clauses) > 1 else clauses)


def _inert(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} touched no token: it was inert, not tested"
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return f"{' and '.join([*names[:MOST_NAMED], *more])} touched no token: they were inert, not tested"


def _course(course: Course) -> str:
    if course.direction == "fell":
        by = f", nine tenths of the way by step {course.spent_by} of {course.last_step},"
    else:
        by = ""
    start, end = (_shown(reward, course.reward) for reward in course.reward)
    return f"entropy {course.direction} ({_nats(course)}){by} while reward went from {start} to {end}"


def _spending(course: Course, law: Law) -> str:
    at = f"step {course.spent_by} of {course.last_step} ({_nats(course)} in all)"
    if _near(course, law):
        went = f"was spent by {at}"
    else:
        went = f"fell until {at} and hardly since" if course.early else f"was still falling at {at}"
    rewards = (course.reward[1], law.ceiling)
    reward, ceiling = (_shown(value, rewards) for value in rewards)
    return (
        f"entropy {went}, and training ended at reward {reward}; "
        f"{_fit(law)}, has its ceiling at {ceiling} ({_interval(law.ceiling_interval)})"
    )


def _fit(law: Law) -> str:
    return f"the law fitted to this training's own reward, R2 {law.r_squared:.2f}"


def _outlook(course: Course, law: Law) -> str:
    if _near(course, law):
        upper = max(law.left_interval[1], 0.0)
        most = f"at most {upper:+.{_decimals((0.0, upper), 2)}f} is left to buy"
        if course.early:
            return f"{most}; whether slower spending reaches more, the frontier's lower learning rates show"
        return f"{most}, though entropy lasted for most of the training"
    if law.left_interval[0] <= 0:
        return f"whether the rest buys anything the fit does not tell, {_left(law)}"
    if course.early:
        return f"by the fit the rest would buy {_left(law)}, but this training stopped spending it"
    shown = "whether faster spending does, the frontier's higher learning rates show"
    return f"by the fit the rest would buy {_left(law)}; {shown}"


def _near(course: Course, law: Law) -> bool:
    bought = law.a * (math.exp(course.entropy[0]) - math.exp(course.entropy[1]))
    return law.left_interval[1] <= NEAR * bought


def _nats(course: Course) -> str:
    start, end = (_shown(entropy, course.entropy) for entropy in course.entropy)
    return f"{start} to {end} nats"


def _left(law: Law) -> str:
    left = f"{law.left_to_buy:+.{_decimals(law.left_interval, 2)}f}"
    return f"{left} ({_interval(law.left_interval, '+')})"


def _interval(interval: tuple[float, float], sign: str = "") -> str:
    low, high = (f"{value:{sign}.{_decimals(interval, 2)}f}" for value in interval)
    return f"95% interval {low} to {high}"


def _shown(value: float, among: tuple[float, float]) -> str:
    return f"{value:.{_decimals(among)}f}"


def _decimals(pair: tuple[float, float], digits: int = 3) -> int:
    """Decimals that show so many significant digits of a difference."""
    difference = abs(pair[1] - pair[0])
    return 3 if difference == 0 else min(max(digits - 1 - math.floor(math.log10(difference)), 3), 6)
