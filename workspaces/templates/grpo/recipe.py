"""GRPO on a domain with a reward: sample in groups, compare within the group, update, repeat.

Yours to edit. `session` owns what you may not decide: tasks, rewards, budget, starting policy.
Which loss, advantage, average and terms are in force is said in entropy_control.py.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from controls.batch import Batch, Group
from controls.composition import check_composition
from controls.notes import Notes
from controls.sampling import Request
from entropy_control import ADVANTAGE, AVERAGE, LOSS, SAMPLING, TERMS
from evaluators.policy import Policy
from evaluators.sampling import response_logits
from session import Rollout, Session

LEARNING_RATE = 3e-4
STEPS = 150
PROMPTS = 16
SAMPLES = 8
MINIBATCHES = 2
WARM_UP = 5
TEMPERATURE = 1.0
LARGEST_GRADIENT = 1.0


def train(session: Session) -> Policy:
    """Train from the starting policy and return the policy to be scored."""
    terms: tuple[Any, ...] = TERMS
    sampling: tuple[Any, ...] = SAMPLING
    check_composition(
        loss=LOSS,
        advantage=ADVANTAGE,
        average=AVERAGE,
        terms=terms,
        sampling=sampling,
        minibatches=MINIBATCHES,
    )
    policy = session.starting_policy()
    needs_start = any(getattr(control, "needs_reference", False) for control in (LOSS, *terms))
    start = session.starting_policy() if needs_start else None
    optimiser = torch.optim.AdamW(
        policy.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    average = session.starting_policy()
    states: list[Any] = [None] * (1 + len(terms))
    draw = session.drawn_from(policy)
    for control in sampling:
        draw = control.around(draw)
    most_samples = PROMPTS * SAMPLES * math.prod(getattr(control, "most_draws", 1) for control in sampling)

    for step in range(STEPS):
        if not session.affords(most_samples):
            break
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, (step + 1) / WARM_UP)
        rollout = draw(Request(PROMPTS, SAMPLES, TEMPERATURE))
        notes = Notes()
        advantages = advantages_of(session, rollout, notes)
        for rows in torch.randperm(len(advantages), device=session.device).chunk(MINIBATCHES):
            batch = make_batch(session, policy, start, rollout, advantages, rows)
            total: Any = 0.0
            for index, control in enumerate((LOSS, *terms)):
                loss, diagnostics, states[index] = control.loss(batch, states[index])
                notes.add(control, loss, diagnostics)
                total = total + loss
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), LARGEST_GRADIENT)
            session.update(optimiser)
            AVERAGE.update(average, policy)
        session.record(step, rollout, advantages, notes.summary())
    return average


def advantages_of(session: Session, rollout: Rollout, notes: Notes) -> Tensor:
    """What ADVANTAGE makes of the rewards: [rows, length], one value a token."""
    completions = rollout.completions
    shape = (*rollout.rewards.shape, -1)
    group = Group(
        rewards=rollout.rewards,
        logprobs=completions.logprobs.view(shape),
        entropies=completions.entropies.view(shape),
        mask=completions.mask.view(shape),
        max_tokens=session.max_tokens,
    )
    given = ADVANTAGE.advantages(group).reshape(len(completions.mask), -1)
    advantages = given.expand_as(completions.mask)
    notes.add_advantages(ADVANTAGE, group, advantages)
    return advantages


def make_batch(
    session: Session, policy: Policy, start: Policy | None, rollout: Rollout, advantages: Tensor, rows: Tensor
) -> Batch:
    """What the controls see of some rows: log-probabilities and entropies of the response tokens."""
    completions, temperature = rollout.completions, rollout.temperature
    inputs = (rollout.prompts[rows], rollout.prompt_mask[rows], completions.tokens[rows])
    distribution = torch.log_softmax(response_logits(policy, *inputs) / temperature, dim=-1)
    chosen = inputs[2][..., None]
    reference = None
    if start is not None:
        with torch.no_grad():
            logits = response_logits(start, *inputs) / temperature
            reference = torch.log_softmax(logits, dim=-1).gather(2, chosen)[..., 0]
    return Batch(
        logprobs=distribution.gather(2, chosen)[..., 0],
        old_logprobs=completions.logprobs[rows],
        reference_logprobs=reference,
        advantages=advantages[rows],
        entropies=-(distribution.exp() * distribution).sum(-1),
        mask=completions.mask[rows],
        distribution=distribution,
        max_tokens=session.max_tokens,
    )
