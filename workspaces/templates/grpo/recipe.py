"""GRPO on a domain with a reward: sample in groups, compare within the group, update, repeat.

Yours to edit. `session` owns what you may not decide: tasks, rewards, budget, starting policy.
Which loss, advantage, average and terms are in force is said in entropy_control.py.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from controls.batch import Batch
from entropy_control import ADVANTAGE, AVERAGE, LOSS, TERMS
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
    policy = session.starting_policy()
    terms: tuple[Any, ...] = TERMS
    needs_start = any(control.needs_reference for control in (LOSS, *terms))
    start = session.starting_policy() if needs_start else None
    optimiser = torch.optim.AdamW(
        policy.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    average = session.starting_policy()
    states: list[object] = [None] * (1 + len(terms))

    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, (step + 1) / WARM_UP)
        rollout = session.rollout(policy, prompts=PROMPTS, samples=SAMPLES, temperature=TEMPERATURE)
        advantages = ADVANTAGE.advantages(rollout.rewards).flatten()
        diagnostics: dict[str, float] = {}
        for rows in torch.randperm(PROMPTS * SAMPLES, device=session.device).chunk(MINIBATCHES):
            batch = make_batch(policy, start, rollout, advantages, rows)
            total, diagnostics, states[0] = LOSS.loss(batch, states[0])
            diagnostics["loss"] = float(total.detach())
            for index, term in enumerate(terms, start=1):
                loss, more, states[index] = term.loss(batch, states[index])
                total = total + loss
                diagnostics |= more
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), LARGEST_GRADIENT)
            session.update(optimiser)
            AVERAGE.update(average, policy)
        session.record(step, rollout, diagnostics)
    return average


def make_batch(
    policy: Policy, start: Policy | None, rollout: Rollout, advantages: Tensor, rows: Tensor
) -> Batch:
    """What the controls see of some rows: log-probabilities and entropies of the response tokens."""
    completions = rollout.completions
    inputs = (rollout.prompts[rows], rollout.prompt_mask[rows], completions.tokens[rows])
    distribution = torch.log_softmax(response_logits(policy, *inputs) / TEMPERATURE, dim=-1)
    chosen = inputs[2][..., None]
    reference = None
    if start is not None:
        with torch.no_grad():
            logits = response_logits(start, *inputs) / TEMPERATURE
            reference = torch.log_softmax(logits, dim=-1).gather(2, chosen)[..., 0]
    return Batch(
        logprobs=distribution.gather(2, chosen)[..., 0],
        old_logprobs=completions.logprobs[rows],
        reference_logprobs=reference,
        advantages=advantages[rows, None].expand(-1, chosen.shape[1]),
        entropies=-(distribution.exp() * distribution).sum(-1),
        mask=completions.mask[rows],
    )
