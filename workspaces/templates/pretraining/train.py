"""Pre-train a small policy on bytes, read from top to bottom. Yours to edit, all of it.

`prepare.py` owns what you may not decide: the text, the budget of tokens and updates, the largest shape. The
policy that is handed to `session.finish` is scored, in bits per byte, on text that is not here.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from controls.batch import Batch
from entropy_control import AVERAGE, TERMS
from prepare import Session

LEARNING_RATE = 8e-3
STEPS = 192
ROWS = 4
LENGTH = 256
WARM_UP = 0.05
COOL_DOWN = 0.5
WEIGHT_DECAY = 0.1
MOMENTUM = 0.9
SECOND_MOMENTUM = 0.95
LARGEST_GRADIENT = 1.0
WIDTH = 64
LAYERS = 2
HEADS = 4
FEED_FORWARD = 176
SMALL = 0.02

session = Session()
shape = {"width": WIDTH, "layers": LAYERS, "heads": HEADS, "feed_forward": FEED_FORWARD}
policy, average = session.new_policy(**shape), session.new_policy(**shape)
for name, parameter in policy.named_parameters():
    if parameter.ndim == 2:
        table = "embed" in name or "head" in name
        torch.nn.init.normal_(parameter, std=SMALL if table else parameter.shape[1] ** -0.5)
average.load_state_dict(policy.state_dict())

matrices = [parameter for parameter in policy.parameters() if parameter.ndim == 2]
vectors = [parameter for parameter in policy.parameters() if parameter.ndim == 1]
optimiser = torch.optim.AdamW(
    [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}],
    lr=LEARNING_RATE,
    betas=(MOMENTUM, SECOND_MOMENTUM),
    fused=True,
)
terms: tuple[Any, ...] = TERMS
states: list[Any] = [None] * len(terms)

for step in range(STEPS):
    if not session.affords(ROWS * LENGTH):
        break
    done = step / STEPS
    warm, cool = (step + 1) / max(1, WARM_UP * STEPS), (1 - done) / COOL_DOWN
    for group in optimiser.param_groups:
        group["lr"] = LEARNING_RATE * min(1.0, warm, cool)

    inputs, targets = session.read(ROWS, LENGTH)
    distribution = torch.log_softmax(policy(inputs), dim=-1)
    logprobs = distribution.gather(2, targets[..., None])[..., 0]
    entropies = -(distribution.exp() * distribution).sum(-1)
    loss = -logprobs.mean()

    total, touched = loss, {}
    if terms:
        batch = Batch(
            logprobs=logprobs,
            old_logprobs=logprobs.detach(),
            reference_logprobs=None,
            advantages=torch.ones_like(logprobs),
            entropies=entropies,
            mask=torch.ones_like(targets, dtype=torch.bool),
            distribution=distribution,
        )
        for index, term in enumerate(terms):
            added, diagnostics, states[index] = term.loss(batch, states[index])
            touched[type(term).__name__] = diagnostics.get("touched", 0.0)
            total = total + added

    optimiser.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), LARGEST_GRADIENT)
    session.update(optimiser)
    AVERAGE.update(average, policy)
    bits = float(loss.detach()) / math.log(2)
    session.record(step, bits, entropies.detach(), loss=float(total.detach()), touched=touched)

session.finish(average)
