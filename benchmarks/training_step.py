"""Seconds of one GRPO training step: Szilard's template against TRL's GRPOTrainer, one thread each.

`pip install -e '.[benchmark]' && python benchmarks/training_step.py`. A step is one rollout (16 prompts
of 7 tokens x 16 completions of at most 13) and four optimiser updates of 64 completions each, from the
shipped countdown policy with the exact checker as reward. Sides alternate, each round in a fresh process;
the start of a process and a round's first two steps are not counted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environments.base import Split, Task
from environments.countdown.environment import Countdown

PROMPTS, SAMPLES, MINIBATCHES = 16, 16, 4
LEARNING_RATE = 2e-5
STEPS, WARM_UP_STEPS, ROUNDS = 12, 2, 3
TARGET = 0.5


@dataclass(frozen=True)
class Steps:
    """Wall seconds of each counted step, and the mean number of completion tokens that a step sampled."""

    seconds: list[float]
    tokens: float


def szilard_steps(policy: Path) -> Steps:
    """Run the template's own training command, with the benchmark's shape set in recipe.py."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("data", "out", "workspace"):
            (root / name).mkdir()
        shutil.copytree(policy, root / "policy")
        for inside, source in Countdown().workspace_template().items():
            (root / "workspace" / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / "workspace" / inside)
        shape = {
            "LEARNING_RATE": LEARNING_RATE,
            "STEPS": STEPS + WARM_UP_STEPS,
            "PROMPTS": PROMPTS,
            "SAMPLES": SAMPLES,
            "MINIBATCHES": MINIBATCHES,
        }
        recipe = root / "workspace" / "recipe.py"
        text = recipe.read_text()
        for name, value in shape.items():
            text, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
            if found != 1:
                raise SystemExit(f"recipe.py sets {name} in {found} places: this benchmark expects one")
        recipe.write_text(text)
        unlimited = {"tokens": 10**9, "updates": 10**9}
        job = {"environment": "countdown", "seed": 0, "device": "cpu", "budget": unlimited}
        (root / "data" / "job.json").write_text(json.dumps(job))
        subprocess.run(
            [sys.executable, "train.py"],
            cwd=root / "workspace",
            env={**os.environ, "SZILARD_ROOT": folder},
            check=True,
        )
        rows = [json.loads(line) for line in (root / "out" / "trace.jsonl").read_text().splitlines()]
    ends = [row["seconds"] for row in rows]
    return Steps(_differences(ends), statistics.fmean(row["tokens"] for row in rows[WARM_UP_STEPS:]))


def trl_steps(policy: Path) -> Steps:
    """The same work by GRPOTrainer: float32, no reference model, no activation checkpointing."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(1)
    ends: list[float] = []
    tokens: list[int] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % MINIBATCHES == 0:
                ends.append(time.perf_counter())

    countdown = Countdown()

    def reward(
        prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_: Any
    ) -> list[float]:
        tokens.append(sum(map(len, completion_ids)))
        return [countdown.reward(Task(p, ""), c) for p, c in zip(prompts, completions, strict=True)]

    steps = STEPS + WARM_UP_STEPS
    prompts = [task.prompt for task in countdown.tasks(Split.TRAINING, 0, PROMPTS * steps)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32),
            processing_class=PreTrainedTokenizerFast(
                tokenizer_file=str(policy / "tokenizer.json"), pad_token="<pad>", eos_token="<eos>"
            ),
            reward_funcs=reward,
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            callbacks=[Clock()],
            args=GRPOConfig(
                output_dir=folder,
                per_device_train_batch_size=PROMPTS * SAMPLES // MINIBATCHES,
                steps_per_generation=MINIBATCHES,
                num_generations=SAMPLES,
                max_completion_length=countdown.max_tokens,
                max_steps=MINIBATCHES * steps,
                learning_rate=LEARNING_RATE,
                adam_beta2=0.95,
                temperature=1.0,
                top_p=1.0,
                top_k=0,
                beta=0.0,
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                report_to="none",
                logging_strategy="no",
                save_strategy="no",
                disable_tqdm=True,
            ),
        )
        trainer.train()
    return Steps(_differences(ends), statistics.fmean(tokens[WARM_UP_STEPS:]))


def _differences(ends: list[float]) -> list[float]:
    pairs = list(itertools.pairwise(ends))
    return [end - start for start, end in pairs[WARM_UP_STEPS - 1 :]]


SIDES = {"szilard": szilard_steps, "trl": trl_steps}


def in_fresh_process(side: str, policy: Path) -> Steps:
    """One round of one side, its threads pinned to one."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as answer:
        command = [sys.executable, __file__, "--policy", str(policy), "--side", side, "--answer", answer.name]
        done = subprocess.run(
            command,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "MKL_NUM_THREADS": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"the {side} side failed:\n{done.stdout}{done.stderr}")
        return Steps(**json.load(answer))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policy", type=Path, default=Countdown().starting_policy(), help="a policy folder")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        options.answer.write_text(json.dumps(asdict(SIDES[options.side](options.policy))))
        return

    rounds: dict[str, list[Steps]] = {side: [] for side in SIDES}
    for _ in range(ROUNDS):
        for side, done in rounds.items():
            done.append(in_fresh_process(side, options.policy))
    medians, fastest = {}, {}
    print(
        f"{PROMPTS * SAMPLES} completions and {MINIBATCHES} updates a step; {ROUNDS} x {STEPS} steps a side"
    )
    for side, done in rounds.items():
        seconds = [value for steps in done for value in steps.seconds]
        medians[side], fastest[side] = statistics.median(seconds), min(seconds)
        tokens = statistics.fmean(steps.tokens for steps in done)
        print(
            f"{side:8} median {medians[side]:.3f} s, min {fastest[side]:.3f}, max {max(seconds):.3f}; "
            f"{tokens:.0f} completion tokens a step"
        )
    ratio = medians["szilard"] / medians["trl"]
    best = fastest["szilard"] / fastest["trl"]
    print(f"szilard / trl = {ratio:.2f} by medians, {best:.2f} by minima (target: at most {TARGET})")
    sys.exit(ratio > TARGET)


if __name__ == "__main__":
    main()
