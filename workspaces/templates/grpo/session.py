"""Protected. What a recipe may not decide: tasks, rewards, starting policy, budget, trace, output.

A recipe gets one Session. Everything it spends goes through here: rollout tokens through `rollout`
or `spend_tokens`, optimiser updates through `update`; going over the budget ends the attempt.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from controls.sampling import Request
from environments import registry
from environments.base import Split, Task
from environments.language import LanguageEnvironment
from evaluators.entropy_change import covariance_profile
from evaluators.forking import forking_share
from evaluators.hugging_face import open_policy, write_policy
from evaluators.idle_compiler import IDLE_COMPILER
from evaluators.policy import Policy
from evaluators.sampling import (
    Completions,
    concatenate,
    decode_completions,
    encode_prompts,
    load_tokenizer,
    sample,
)

ROOT = Path(os.environ.get("SZILARD_ROOT") or "/")


IDLE_COMPILER.stand_in()


class BudgetExceeded(RuntimeError):
    """The recipe asked for more rollout tokens or updates than the baseline may spend."""


@dataclass(frozen=True)
class Rollout:
    """Samples of a few tasks and what they earned; row p * samples + i is sample i of prompt p."""

    tasks: Sequence[Task]
    prompts: Tensor  # [rows, prompt length] token ids
    prompt_mask: Tensor  # [rows, prompt length] True = token
    completions: Completions  # tokens, logprobs, entropies (nats), mask: [rows, length]
    rewards: Tensor  # [prompts, samples]
    temperature: float

    def groups(self, indices: Sequence[int]) -> Rollout:
        """Only these prompts, with all of their samples."""
        chosen = torch.tensor(list(indices), device=self.rewards.device)
        samples = self.rewards.shape[1]
        rows = (chosen[:, None] * samples + torch.arange(samples, device=chosen.device)).flatten()
        held = self.completions
        return Rollout(
            tasks=[self.tasks[index] for index in indices],
            prompts=self.prompts[rows],
            prompt_mask=self.prompt_mask[rows],
            completions=Completions(
                held.tokens[rows], held.logprobs[rows], held.entropies[rows], held.mask[rows]
            ),
            rewards=self.rewards[chosen],
            temperature=self.temperature,
        )

    def joined(self, other: Rollout) -> Rollout:
        """These prompts and then the other's, padded to the longest."""
        width = max(self.prompts.shape[1], other.prompts.shape[1])

        def stacked(parts: tuple[Tensor, Tensor]) -> Tensor:
            return torch.cat([functional.pad(part, (width - part.shape[1], 0)) for part in parts])

        return Rollout(
            tasks=[*self.tasks, *other.tasks],
            prompts=stacked((self.prompts, other.prompts)),
            prompt_mask=stacked((self.prompt_mask, other.prompt_mask)),
            completions=concatenate([self.completions, other.completions], pad=0),
            rewards=torch.cat([self.rewards, other.rewards]),
            temperature=self.temperature,
        )


class Session:
    """One training process: opened by train.py, handed to recipe.train."""

    def __init__(self) -> None:
        job = json.loads((ROOT / "data" / "job.json").read_text())
        self.seed: int = job["seed"]
        self.device = torch.device(job["device"])
        self.tokens_left: int = job["budget"]["tokens"]
        self.updates_left: int = job["budget"]["updates"]
        self._updates = self.updates_left
        self._snapshots_due = sorted(job.get("snapshots", ()))
        given = str(ROOT / "policy") if job.get("given_policy") else None
        if given is not None:
            del sys.modules["torch._dynamo"]  # transformers needs the compiler itself
        name = job["environment"]
        environment = registry.load(str(ROOT / "data" / name) if registry.is_path(name) else name, given)
        if not isinstance(environment, LanguageEnvironment):
            raise TypeError(f"{job['environment']} has no prompts and rewards: this template cannot train it")
        self._environment = environment
        self._coin = random.Random(self.seed) if job.get("rewards") == "random" else None
        self._tokenizer = load_tokenizer(ROOT / "policy")
        self._draws = 0
        self._started = time.monotonic()
        self._trace = (ROOT / "out" / "trace.jsonl").open("w", buffering=1)
        self._seed_everything()

    def _seed_everything(self) -> None:
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("error")
        torch.manual_seed(self.seed)
        random.seed(self.seed)
        self.generator = torch.Generator(self.device).manual_seed(self.seed)

    @property
    def max_tokens(self) -> int:
        """Length limit of a completion, its end token included."""
        return self._environment.max_tokens

    def starting_policy(self) -> Policy:
        """A fresh copy of the policy that every attempt starts from."""
        return open_policy(ROOT / "policy", self.device)

    def tasks(self, count: int) -> Sequence[Task]:
        """The next `count` training tasks."""
        self._draws += 1
        return self._environment.drawn(Split.TRAINING, self.seed * 1_000_003 + self._draws, count)

    def reward(self, task: Task, completion: str) -> float:
        """What a completion earns; in a placebo training the fall of a coin, 0.0 or 1.0."""
        if self._coin is not None:
            return float(self._coin.getrandbits(1))
        return self._environment.rewarded(task, completion)

    def spend_tokens(self, count: int) -> None:
        """Charge rollout tokens (prompts not counted).

        Raises:
            BudgetExceeded: fewer are left.
        """
        self.tokens_left -= count
        if self.tokens_left < 0:
            raise BudgetExceeded("rollout tokens are used up: shorten the training or sample less")

    def affords(self, samples: int) -> bool:
        """Whether so many completions of full length are still within the budget, and an update."""
        return samples * self.max_tokens <= self.tokens_left and self.updates_left > 0

    def drawn_from(self, policy: Policy) -> Callable[[Request], Rollout]:
        """`rollout` of one policy, as the sampling controls take it."""

        def draw(request: Request) -> Rollout:
            return self.rollout(
                policy, prompts=request.prompts, samples=request.samples, temperature=request.temperature
            )

        return draw

    def rollout(self, policy: Policy, *, prompts: int, samples: int, temperature: float = 1.0) -> Rollout:
        """Draw `samples` completions for each of `prompts` new tasks and reward them."""
        self._leave_snapshots(policy)
        tasks = self.tasks(prompts)
        pad = policy.config.pad_token_id
        ids, mask = encode_prompts(self._tokenizer, [task.prompt for task in tasks], pad)
        completions = sample(
            policy,
            ids,
            mask,
            samples=samples,
            max_tokens=self.max_tokens,
            generator=self.generator,
            temperature=temperature,
        )
        self.spend_tokens(int(completions.mask.sum()))
        texts = decode_completions(self._tokenizer, completions)
        rewards = [self.reward(tasks[row // samples], text) for row, text in enumerate(texts)]
        return Rollout(
            tasks=tasks,
            prompts=ids.to(self.device).repeat_interleave(samples, dim=0),
            prompt_mask=mask.to(self.device).repeat_interleave(samples, dim=0),
            completions=completions,
            rewards=torch.tensor(rewards, device=self.device).view(prompts, samples),
            temperature=temperature,
        )

    def _leave_snapshots(self, policy: Policy) -> None:
        """Write the policy as it is, once so many updates are spent as the job names."""
        while self._snapshots_due and self._snapshots_due[0] <= self._updates - self.updates_left:
            folder = ROOT / "out" / f"snapshot-{self._snapshots_due.pop(0)}"
            write_policy(policy, folder.with_suffix(".part"))
            folder.with_suffix(".part").rename(folder)

    def update(self, optimiser: torch.optim.Optimizer) -> None:
        """One optimiser step, charged.

        Raises:
            BudgetExceeded: none is left.
        """
        self.updates_left -= 1
        if self.updates_left < 0:
            raise BudgetExceeded("optimiser updates are used up: train for fewer steps or minibatches")
        optimiser.step()

    def record(self, step: int, rollout: Rollout, advantages: Tensor, notes: dict[str, Any]) -> None:
        """One row of the trace, flushed: advisory, it feeds diagnostics and never a decision.

        `advantages` [rows, length]; `notes` are the controls' figures, by name.
        """
        completions = rollout.completions
        mask = completions.mask
        entropies = completions.entropies[mask].float()
        quantiles = torch.quantile(entropies, torch.tensor([0.1, 0.5, 0.9], device=entropies.device))
        forking = forking_share(completions.entropies, mask)
        row = {
            "step": step,
            "seconds": round(time.monotonic() - self._started, 3),
            "tokens": int(mask.sum()),
            "tokens_left": self.tokens_left,
            "reward_mean": float(rollout.rewards.mean()),
            "entropy_mean": float(entropies.mean()),
            "entropy_quantiles": quantiles.tolist(),
            "forking_share": round(forking.of_entropy, 4),
            "forking_threshold": round(forking.threshold, 4),
            "covariance": covariance_profile(completions.logprobs, advantages, mask).mean,
            **dict.fromkeys(("clip_fraction", "kl", "loss")),
            **notes,
        }
        self._trace.write(json.dumps(row) + "\n")

    def finish(self, policy: Policy) -> None:
        """Write the trained policy."""
        write_policy(policy, ROOT / "out" / "policy")
        self._trace.close()
