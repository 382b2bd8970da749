"""What the training template promises: one process, one policy, the budget kept, the same bits again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from environments.base import Split
from environments.countdown.arithmetic import SPLIT_OF, read_prompt
from environments.countdown.environment import Countdown
from evaluators.policy import load_policy

REPOSITORY = Path(__file__).parents[2]
STEPS, PROMPTS, SAMPLES, MINIBATCHES = 3, 8, 4, 4

WATCHED_DOMAIN = '''
"""Countdown that notes which tasks training asked for."""
import json, os
from environments.countdown.environment import Countdown as Original

class Watched(Original):
    def tasks(self, split, seed, count):
        drawn = super().tasks(split, seed, count)
        with open(os.environ["SZILARD_ROOT"] + "/out/tasks.jsonl", "a") as file:
            for task in drawn:
                file.write(json.dumps([split, task.prompt]) + "\\n")
        return drawn
'''

LISTS_MODULES = """
import atexit, os, sys
atexit.register(lambda: open(os.environ["SZILARD_ROOT"] + "/out/modules", "w").write("\\n".join(sys.modules)))
"""

KL_TERM = """
from controls.group_advantage import GroupAdvantage
from controls.kl_to_start import KlToStart
from controls.last_iterate import LastIterate
from controls.ppo_clip import PpoClip

LOSS = PpoClip()
ADVANTAGE = GroupAdvantage()
AVERAGE = LastIterate()
TERMS = (KlToStart(coefficient=5.0),)
SAMPLING = ()
"""


@dataclass(frozen=True)
class Training:
    """One finished training process and its files."""

    root: Path
    status: int
    stderr: str

    @cached_property
    def trace(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "out" / "trace.jsonl").read_text().splitlines()]

    @property
    def policy(self) -> str:
        """A digest of the weights."""
        return hashlib.sha256((self.root / "out" / "policy" / "model.safetensors").read_bytes()).hexdigest()

    @property
    def untimed_trace(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in self.trace]


def shaped(recipe: str) -> str:
    """The recipe at the few small steps of these tests."""
    for constant in ("STEPS", "PROMPTS", "SAMPLES", "MINIBATCHES"):
        recipe = re.sub(rf"^{constant} = .*$", f"{constant} = {globals()[constant]}", recipe, flags=re.M)
    return recipe


def train(
    root: Path,
    *,
    seed: int = 0,
    environment: str = "countdown",
    budget: dict[str, int] | None = None,
    files: dict[str, str] | None = None,
    watch_modules: bool = False,
    rewards: str = "task",
    snapshots: tuple[int, ...] = (),
) -> Training:
    """Run train.py as the executor does, without a sandbox, for a few small steps."""
    for name in ("workspace/controls", "out", "data", "watch"):
        (root / name).mkdir(parents=True)
    domain = Countdown()
    (root / "policy").symlink_to(domain.starting_policy())
    for inside, source in domain.workspace_template().items():
        shutil.copy(source, root / "workspace" / inside)
    recipe = root / "workspace" / "recipe.py"
    recipe.write_text(shaped(recipe.read_text()))
    for inside, text in (files or {}).items():
        (root / "workspace" / inside).write_text(text)
    if environment.endswith(".py"):
        (root / "data" / environment).write_text(WATCHED_DOMAIN)
    if watch_modules:
        (root / "watch" / "sitecustomize.py").write_text(LISTS_MODULES)
    job = {
        "environment": environment,
        "seed": seed,
        "device": "cpu",
        "budget": budget or {"tokens": 10**6, "updates": STEPS * MINIBATCHES},
        "rewards": rewards,
        "snapshots": snapshots,
    }
    (root / "data" / "job.json").write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=root / "workspace",
        env={
            **os.environ,
            "SZILARD_ROOT": str(root),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join((str(root / "watch"), str(REPOSITORY))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return Training(root, done.returncode, done.stderr)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Training:
    training = train(tmp_path_factory.mktemp("plain") / "root", watch_modules=True)
    assert training.status == 0, training.stderr
    return training


def test_random_rewards_are_the_fall_of_a_coin_and_reproducible(plain: Training, tmp_path: Path) -> None:
    first, again = (train(tmp_path / name, rewards="random") for name in ("first", "again"))
    assert first.status == 0, first.stderr
    rows = first.untimed_trace
    assert rows == again.untimed_trace
    drawn = len(rows) * PROMPTS * SAMPLES
    mean = sum(row["reward_mean"] for row in rows) / len(rows)
    assert abs(mean - 0.5) < 4 * 0.5 / drawn**0.5
    assert rows[0]["entropy_mean"] == plain.untimed_trace[0]["entropy_mean"]
    assert rows[0]["reward_mean"] != plain.untimed_trace[0]["reward_mean"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """The same training, on a domain given by path."""
    training = train(tmp_path_factory.mktemp("watched") / "root", environment="watched.py")
    assert training.status == 0, training.stderr
    return training


def test_training_writes_a_policy_that_loads_and_differs_from_the_starting_one(plain: Training) -> None:
    trained, start = load_policy(plain.root / "out" / "policy"), load_policy(plain.root / "policy")
    assert trained.config == start.config
    moved = [
        name for name, weight in trained.state_dict().items() if not weight.equal(start.state_dict()[name])
    ]
    assert len(moved) == len(start.state_dict())


def test_trace_has_one_row_a_step_with_every_field(plain: Training) -> None:
    assert [row["step"] for row in plain.trace] == list(range(STEPS))
    for row in plain.trace:
        assert row.keys() >= {
            "step",
            "seconds",
            "tokens",
            "reward_mean",
            "entropy_mean",
            "entropy_quantiles",
            "clip_fraction",
            "loss",
        }
        assert 0 < row["tokens"] <= PROMPTS * SAMPLES * Countdown.max_tokens
        assert 0 <= row["reward_mean"] <= 1
        low, middle, high = row["entropy_quantiles"]
        assert 0 <= low <= middle <= high
        assert 0 < row["entropy_mean"] < 4.7
    seconds = [row["seconds"] for row in plain.trace]
    assert seconds == sorted(seconds)


def test_training_imports_neither_transformers_nor_the_agent(plain: Training) -> None:
    rooms = {name.split(".")[0] for name in (plain.root / "out" / "modules").read_text().split()}
    assert {"torch", "recipe", "session", "evaluators"} <= rooms
    assert not rooms & {"transformers", "agent", "langgraph", "git", "openai", "scipy", "matplotlib"}


def test_training_draws_from_the_training_split_alone(watched: Training) -> None:
    lines = (watched.root / "out" / "tasks.jsonl").read_text().splitlines()
    drawn = [json.loads(line) for line in lines]
    assert len(drawn) == STEPS * PROMPTS
    for split, prompt in drawn:
        assert split == Split.TRAINING == SPLIT_OF[tuple(sorted(read_prompt(prompt)[0]))]
    assert len({prompt for _, prompt in drawn}) > 2 * PROMPTS


def test_same_seed_gives_the_same_bits(plain: Training, watched: Training) -> None:
    assert watched.policy == plain.policy
    assert watched.untimed_trace == plain.untimed_trace


def test_snapshots_are_policies_on_the_way_and_change_nothing(plain: Training, tmp_path: Path) -> None:
    again = train(tmp_path / "root", snapshots=(4, 8))
    assert again.status == 0, again.stderr
    assert again.policy == plain.policy
    early, late = (again.root / "out" / f"snapshot-{updates}" for updates in (4, 8))
    assert load_policy(early).state_dict().keys() == load_policy(late).state_dict().keys()
    written = (early, late, again.root / "out" / "policy")
    assert len({(folder / "model.safetensors").read_bytes() for folder in written}) == len(written)
    assert list((again.root / "out").glob("*.part")) == []


def test_another_seed_gives_another_policy(plain: Training, tmp_path: Path) -> None:
    other = train(tmp_path / "root", seed=1)
    assert other.status == 0, other.stderr
    assert other.policy != plain.policy
    assert other.untimed_trace != plain.untimed_trace


def test_control_in_force_changes_the_policy_and_reports_itself(plain: Training, tmp_path: Path) -> None:
    controlled = train(tmp_path / "root", files={"entropy_control.py": KL_TERM})
    assert controlled.status == 0, controlled.stderr
    assert controlled.policy != plain.policy
    assert controlled.trace[0]["tokens"] == plain.trace[0]["tokens"]
    assert all(row["kl"] >= 0 for row in controlled.trace)
    assert controlled.trace[-1]["kl"] > 0


ONE_ROLLOUT = PROMPTS * SAMPLES * Countdown.max_tokens


def test_training_ends_with_its_policy_when_the_tokens_are_used_up(tmp_path: Path) -> None:
    training = train(tmp_path / "root", budget={"tokens": ONE_ROLLOUT, "updates": 10**6})
    assert training.status == 0, training.stderr
    assert len(training.trace) == 1
    assert (training.root / "out" / "policy").exists()


@pytest.mark.parametrize(
    "budget",
    [{"tokens": 10**6, "updates": MINIBATCHES + 1}, {"tokens": ONE_ROLLOUT, "updates": 10**6}],
    ids=["updates", "tokens"],
)
def test_going_over_the_budget_ends_training_without_a_policy(tmp_path: Path, budget: dict[str, int]) -> None:
    recipe = Countdown().workspace_template()["recipe.py"].read_text()
    careless = recipe.replace("if not session.affords(most_samples):", "if False:")
    assert careless != recipe
    training = train(tmp_path / "root", budget=budget, files={"recipe.py": shaped(careless)})
    assert training.status != 0
    assert "BudgetExceeded" in training.stderr
    assert len(training.trace) == 1
    assert not (training.root / "out" / "policy").exists()


def test_recipe_that_does_not_parse_ends_training_and_is_named(tmp_path: Path) -> None:
    training = train(tmp_path / "root", files={"recipe.py": "def train(session:\n"})
    assert training.status != 0
    assert "SyntaxError" in training.stderr
    assert "recipe.py" in training.stderr
    assert not (training.root / "out" / "policy").exists()
