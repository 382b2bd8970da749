"""What an advantage, an average or a sampling control must satisfy."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from checks.calls import Calls, Refused, random_states, seed_everything
from checks.inputs import changed, group, remembered
from checks.losses import close, naming
from controls.sampling import Request, Sampled

UPDATES = 200
MIXED = ((1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 0.0))
REWARDS = {
    "groups that differ": MIXED,
    "a group of right answers": ((1.0,) * 4, MIXED[1]),
    "a group of wrong answers": ((0.0,) * 4, MIXED[0]),
    "nothing but right answers": ((1.0,) * 4,) * 3,
    "nothing but wrong answers": ((0.0,) * 4,) * 3,
    "a single prompt of two samples": ((1.0, 0.0),),
}


class AdvantageChecks:
    """The checks of one advantage."""

    def __init__(self, control: Any, calls: Calls) -> None:
        self._control = control
        self._calls = calls

    def answers(self) -> list[str]:
        """Its shape is [prompts, samples] or [prompts, samples, length], and it tells answers apart."""
        found = self.ask(torch.tensor(MIXED))
        if not bool((found != 0).any()):
            raise Refused("every advantage is zero, so nothing would be learned")
        return []

    def edges(self) -> list[str]:
        """It is finite whatever was right."""
        for name, rewards in REWARDS.items():
            with naming(name):
                self.ask(torch.tensor(rewards))
        return []

    def padding(self) -> list[str]:
        """What stands at the padding has no influence."""
        rewards = torch.tensor(MIXED)
        mask = group(rewards).mask
        clean = self._by_token(self.ask(rewards, 0.0), mask)
        for garbage in (-30.0, 30.0):
            with naming(f"a rollout with {garbage:g} at the padding"):
                found = self._by_token(self.ask(rewards, garbage), mask)
            if not close(clean, found):
                raise Refused(
                    "what stands at the padding changes the advantages: use group.mask in every mean"
                )
        return []

    def equal_rewards(self) -> list[str]:
        """Groups of equal rewards teach nothing, unless it says so."""
        if getattr(self._control, "learns_from_equal_rewards", False):
            return []
        for name in ("nothing but right answers", "nothing but wrong answers"):
            if bool((self.ask(torch.tensor(REWARDS[name])).abs() > 1e-6).any()):
                return [
                    f"{name} still give an advantage: if that is meant, say "
                    "`learns_from_equal_rewards: ClassVar[bool] = True`"
                ]
        return []

    def direction(self) -> list[str]:
        """Right answers are worth more than wrong ones."""
        rewards = torch.tensor(MIXED)
        by_answer = self._by_token(self.ask(rewards), group(rewards).mask).sum(dim=2)
        if float((by_answer * (rewards - rewards.mean(dim=1, keepdim=True))).sum()) < 0:
            return ["right answers get less than wrong ones: is a sign turned?"]
        return []

    def randomness(self) -> list[str]:
        """It leaves the seed to the session."""
        states = []
        for seed in (1, 2):
            seed_everything(seed)
            self.ask(torch.tensor(MIXED))
            states.append(random_states())
        if states[0][0] == states[1][0] or states[0][1] == states[1][1]:
            raise Refused(
                "it seeds the global random state: leave out manual_seed, the session has seeded it"
            )
        return []

    def ask(self, rewards: Tensor, garbage: float | None = None) -> Tensor:
        """The advantages of a rollout, held to what a training step takes."""
        seen = group(rewards, garbage=garbage)
        before = remembered(seen)
        found = self._calls(self._control.advantages, seen)
        edited = changed(seen, before)
        if edited:
            raise Refused(f"it edits group.{edited} in place: work on a copy, group.{edited}.clone()")
        if not isinstance(found, Tensor) or not found.is_floating_point():
            told = f"a tensor of {found.dtype}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            raise Refused(f"advantages() returns {told}: return a tensor of floats")
        if found.shape not in (seen.rewards.shape, seen.mask.shape):
            raise Refused(
                f"the advantages have shape {list(found.shape)}: return {list(seen.rewards.shape)}, one a "
                f"sample, or {list(seen.mask.shape)}, one a token"
            )
        held = found if found.ndim == 2 else found[seen.mask]
        if not bool(torch.isfinite(held).all()):
            raise Refused(
                "some advantages are not finite: a group of equal rewards has no spread, add an epsilon"
            )
        return found.detach()

    def _by_token(self, found: Tensor, mask: Tensor) -> Tensor:
        return (found if found.ndim == 3 else found[..., None]).expand(mask.shape).masked_fill(~mask, 0.0)


class AverageChecks:
    """The checks of one average."""

    def __init__(self, control: Any, calls: Calls) -> None:
        self._control = control
        self._calls = calls

    def answers(self) -> list[str]:
        """It moves the average, leaves the policy alone, and shares no memory with it."""
        torch.manual_seed(0)
        policy = nn.Linear(3, 2)
        average, start = copy.deepcopy(policy), copy.deepcopy(policy)
        for _ in range(UPDATES):
            with torch.no_grad():
                for weight in policy.parameters():
                    weight.add_(torch.randn_like(weight), alpha=0.1)
            before = copy.deepcopy(policy)
            self._calls(self._control.update, average, policy)
            if not _same(policy, before):
                raise Refused("it changes the policy: only `average` may be changed")
        if not all(bool(torch.isfinite(weight).all()) for weight in average.parameters()):
            raise Refused(f"after {UPDATES} updates the average is not finite")
        if _same(average, start):
            raise Refused(
                "the average never moves, so the starting policy would be scored: change it in place"
            )
        kept = copy.deepcopy(average)
        with torch.no_grad():
            for weight in policy.parameters():
                weight.add_(1.0)
        if not _same(average, kept):
            raise Refused("the average shares memory with the policy: copy its weights, kept.copy_(current)")
        if any(not weight.is_leaf or weight.grad_fn for weight in average.parameters()):
            raise Refused("the average carries a gradient: decorate update() with @torch.no_grad()")
        return []


@dataclass(frozen=True)
class Drawn:
    """Samples with nothing but rewards."""

    rewards: Tensor

    def groups(self, indices: Sequence[int]) -> Drawn:
        return Drawn(self.rewards[list(indices)])

    def joined(self, other: Sampled) -> Drawn:
        return Drawn(torch.cat([self.rewards, other.rewards]))


class SamplingChecks:
    """The checks of one sampling control."""

    def __init__(self, control: Any, calls: Calls) -> None:
        self._control = control
        self._calls = calls

    def answers(self) -> list[str]:
        """It draws no more than it says, and hands groups of samples on."""
        for name, rewards in REWARDS.items():
            with naming(name):
                self._draw(torch.tensor(rewards))
        return []

    def _draw(self, rewards: Tensor) -> None:
        request = Request(prompts=len(rewards), samples=rewards.shape[1], temperature=1.0)
        asked: list[Request] = []

        def draw(wanted: Request) -> Sampled:
            asked.append(wanted)
            return Drawn(rewards)

        around = self._calls(self._control.around, draw)
        if not callable(around):
            raise Refused(f"around() returns a {type(around).__name__}: return a function of a Request")
        drawn = self._calls(around, request)
        most = getattr(self._control, "most_draws", 1)
        if not all(isinstance(one, Request) for one in asked):
            raise Refused("it draws with something that is no Request: use dataclasses.replace(request, …)")
        if sum(one.prompts * one.samples for one in asked) > most * request.prompts * request.samples:
            raise Refused(
                f"it draws more samples than asked for, {len(asked)} times: say how often it may, "
                "`most_draws: int = …`, so that the budget holds"
            )
        if any(not (math.isfinite(one.temperature) and one.temperature > 0) for one in asked):
            raise Refused("it draws at a temperature that is not positive and finite")
        found = getattr(drawn, "rewards", None)
        if not isinstance(found, Tensor) or found.ndim != 2 or not len(found):
            raise Refused("what it returns holds no group: return what draw() gave, or groups() of it")


def _same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
