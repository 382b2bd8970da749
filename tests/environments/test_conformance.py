"""Each fault of an adapter is caught by the check that is about it, and what to change is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from environments.conformance import CHECKS, findings
from tests.environments.an_adapter import found_in, line_with, written
from tests.evaluators.a_foreign_policy import make

REWARD = "return float(result is not None and result % 10 == 0)"
RANDOM = 'random.Random(f"{split}:{seed}")'
TASK = "found[prompt] = Task(prompt, cluster)"
RETURNED = "return list(found.values())"
LAST_WITHOUT_SAMPLES = "rewards leave chance alone"
SPEC = 'language_spec("mine", "End on a multiple of ten", recipe=recipe'
MUTABLE = """
from dataclasses import dataclass, field

@dataclass(frozen=True)
class Note(Task):
    seen: list = field(default_factory=list)
"""


@dataclass(frozen=True)
class Fault:
    """A change that breaks the adapter, the check that must catch it, and what must be said."""

    check: str
    said: str
    changes: tuple[tuple[str, str], ...] = ()
    added: str = ""
    before: str = ""
    at: str | None = None


FAULTS = {
    "tasks drawn without the seed": Fault(
        "tasks repeat under a seed",
        "other training tasks when it was called again",
        ((RANDOM, "random.Random()"),),
        at="def tasks",
    ),
    "tasks that remember how often they were asked for": Fault(
        "tasks repeat under a seed",
        "called again",
        (
            (RANDOM, 'random.Random(f"{split}:{seed}:{len(CALLS)}")'),
            ("while len", "CALLS.append(1)\n        while len"),
        ),
        before="CALLS = []\n",
        at="def tasks",
    ),
    "the seed is ignored": Fault(
        "the seed chooses tasks",
        "the seed is not used",
        ((RANDOM, 'random.Random(f"{split}")'),),
        at="def tasks",
    ),
    "splits by hash(), which every process salts anew": Fault(
        "tasks are the same in another process",
        "other tasks in another process",
        (("split_of(cluster) is split", "(hash(cluster) % 3) == list(Split).index(split)"),),
        at="def tasks",
    ),
    "a held-out cluster leaks into training": Fault(
        "splits share nothing",
        "share",
        (("if split_of(cluster) is split", "if True"),),
        at="def tasks",
    ),
    "a held-out prompt leaks under another cluster": Fault(
        "splits share nothing",
        "prompts",
        (
            ("if split_of(cluster) is split", "if True"),
            ("Task(prompt, cluster)", 'Task(prompt, f"{split} {cluster}")'),
            ("rng.randint(1, 10)", "rng.randint(1, 3)"),
            ("rng.randint(1, 99)", "rng.randint(1, 9)"),
        ),
        at="def tasks",
    ),
    "count is ignored": Fault(
        "as many tasks as asked",
        "was asked for 1 training tasks and returned 50",
        (("len(found) < count", "len(found) < 50"),),
        at="def tasks",
    ),
    "prompts come twice": Fault(
        "prompts differ",
        "times in one draw",
        ((RETURNED, "return (list(found.values()) * 2)[:count]"), ("< count", "< (count + 1) // 2")),
        at="def tasks",
    ),
    "too few different tasks to score": Fault(
        "there are enough tasks to score",
        "and 4000 are scored",
        (
            ("scored_tasks = 32", "scored_tasks = 4000"),
            ("len(found) < count", "len(found) < min(count, 900)"),
        ),
        at="def tasks",
    ),
    "tasks() gives text": Fault(
        "tasks are tasks",
        "must return a list of Task",
        ((RETURNED, "return list(found)"),),
        at="def tasks",
    ),
    "tasks() gives none": Fault(
        "tasks are tasks",
        "must return a list of Task",
        ((RETURNED, "return None"),),
        at="def tasks",
    ),
    "tasks() raises": Fault(
        "tasks are tasks",
        "raised KeyError",
        ((RETURNED, 'return found["nothing"]'),),
        at='found["nothing"]',
    ),
    "a task can be changed": Fault(
        "tasks are tasks",
        "cannot be hashed",
        (("Task(prompt, cluster)", "Note(prompt, cluster)"),),
        before=MUTABLE.replace("\nfrom", "from environments.base import Task\nfrom", 1),
        at="def tasks",
    ),
    "tasks seed the global generator": Fault(
        "tasks leave chance alone",
        "global generator of random",
        ((RANDOM + ", {}", "random, {}"), ("while len", 'random.seed(f"{split}:{seed}")\n        while len')),
        at="def tasks",
    ),
    "a file beside it is read": Fault(
        "the file stands alone",
        "FileNotFoundError",
        (("rng, found", "open(BESIDE).read()\n        rng, found"),),
        before="from pathlib import Path\nBESIDE = Path(__file__).with_name('words.txt')\n",
        at="open(BESIDE)",
    ),
    "prompts in words that the policy does not know": Fault(
        "the policy can read the prompts",
        "reads as",
        (('f"CD {', 'f"Please reach {'), ("read_prompt(task.prompt)", "(tuple(range(1, 5)), 9)")),
        at="def tasks",
    ),
    "a reward of nan": Fault(
        "rewards are finite",
        "returned nan",
        ((REWARD, 'return float("nan")'),),
        at="def reward",
    ),
    "a reward above 1": Fault(
        "rewards are 0 to 1",
        "returned 5",
        ((REWARD, "return 5.0"),),
        at="def reward",
    ),
    "a reward below 0": Fault(
        "rewards are 0 to 1",
        "returned -1",
        ((REWARD, "return -1.0 if result is None else 1.0"),),
        at="def reward",
    ),
    "a reward that is no number": Fault(
        "rewards are numbers",
        "returned None (NoneType)",
        ((REWARD, "pass"),),
        at="def reward",
    ),
    "a reward that raises": Fault(
        "rewards take any text",
        "raised ValueError",
        ((REWARD, "return float(int(completion) == 10)"),),
        at="int(completion)",
    ),
    "a reward by chance": Fault(
        "rewards repeat",
        "gave 0 and 1",
        ((REWARD, "return float(RNG.random() < 0.5)"),),
        before="import random\nRNG = random.Random(0)\n",
        at="def reward",
    ),
    "a reward that draws from the global generator": Fault(
        "rewards leave chance alone",
        "global generator of random",
        ((REWARD, "random.random(); " + REWARD),),
        at="def reward",
    ),
    "a reward that changes its task": Fault(
        "rewards leave tasks alone",
        "changed its task",
        ((REWARD, 'object.__setattr__(task, "cluster", completion); ' + REWARD),),
        at="def reward",
    ),
    "a reward that nobody earns": Fault(
        "there is something to learn",
        "nothing to learn from",
        ((REWARD, "return 0.0"),),
    ),
    "too few samples for the metric": Fault(
        "the template is there",
        "Write scored_samples = 16 or more",
        (("scored_samples = 16", "scored_samples = 8"),),
        at="class Mine",
    ),
    "the metric is none of the metrics": Fault(
        "the spec is consistent",
        "optimises 'beauty', which its metrics do not name",
        ((SPEC, SPEC + ', metric="beauty", metrics=("pass_at_1",)'),),
        at="class Mine",
    ),
    "the score lacks a metric": Fault(
        "it gives a score",
        "has no metric 'beauty'",
        ((SPEC, SPEC + ', metrics=("mean_pass_at_k", "pass_at_1", "beauty")'),),
    ),
    "a guard of no metric": Fault(
        "the spec is consistent",
        "guards 'grace', which its metrics do not name",
        ((SPEC, SPEC + ', guards=(Guard("grace", 0.1),)'),),
        at="class Mine",
    ),
    "a file is editable and protected": Fault(
        "globs divide the template",
        "recipe.py is both editable and protected",
        ((SPEC, SPEC + ', protected=("train.py", "recipe.py")'),),
    ),
    "a glob matches nothing": Fault(
        "globs divide the template",
        "glob 'recipes/*.py' matches no file",
        ((SPEC, SPEC + ', editable=("recipes/*.py",)'),),
    ),
    "what owns the rewards is editable": Fault(
        "globs divide the template",
        "session.py is editable",
        ((SPEC, SPEC + ', editable=("recipe.py", "session.py"), protected=("train.py",)'),),
    ),
    "it cannot be pickled": Fault(
        "it can be pickled",
        "cannot be pickled",
        added="\n    def __init__(self):\n        self.late = lambda: 1\n",
        at="class Mine",
    ),
    "importing it takes long": Fault(
        "it loads quickly",
        "more than 3 s",
        before="import time\ntime.sleep(3.2)\n",
    ),
    "the network is used on import": Fault(
        "no network is used",
        "socket.getaddrinfo",
        before="import socket\ntry:\n    socket.getaddrinfo('localhost', 80)\nexcept OSError:\n    pass\n",
        at="socket.getaddrinfo",
    ),
    "the network is used in a reward": Fault(
        "no network is used",
        "socket.connect",
        ((REWARD, "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9)); " + REWARD),),
        before="import socket\n",
        at="socket.connect".replace("socket.", ".SOCK_DGRAM)."),
    ),
    "scoring writes into the policy": Fault(
        "scoring leaves the policy alone",
        "notes.txt",
        added="\n    def score(self, policy, split, seed):\n"
        "        (policy / 'notes.txt').write_text('seen')\n"
        "        return super().score(policy, split, seed)\n",
        at="def score",
    ),
    "scoring ignores its seed": Fault(
        "seed and split choose the score",
        "the same for seeds 3 and 4",
        added="\n    def score(self, policy, split, seed):\n        return super().score(policy, split, 1)\n",
        at="def score",
    ),
    "scoring draws unseeded": Fault(
        "scores repeat",
        "for the same policy, split and seed",
        added="\n    def score(self, policy, split, seed):\n"
        "        return super().score(policy, split, random.SystemRandom().getrandbits(30))\n",
        at="def score",
    ),
    "the metric is outside its range": Fault(
        "it gives a score",
        "not 0.9 to 1",
        ((SPEC, SPEC + ", range=(0.9, 1.0)"),),
    ),
    "tasks() of an older contract": Fault(
        "it keeps the contract",
        "Write tasks(self, split, seed, count)",
        (("def tasks(self, split, seed, count):", "def tasks(self, split, seed):\n        count = 32"),),
        at="def tasks",
    ),
}


def test_a_good_adapter_passes_every_check(tmp_path: Path) -> None:
    found = found_in(written(tmp_path))
    assert {finding.outcome for finding in found.values()} == {"passed"}, found
    assert len(found) >= 30


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that share a busy core take many times as long as one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_caught_by_the_check_that_is_about_it(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    (tmp_path / "words.txt").write_text("words")
    path = written(tmp_path, *fault.changes, added=fault.added, before=fault.before)
    names = [check.name for check in CHECKS]
    sampled = fault.check not in names[: names.index(LAST_WITHOUT_SAMPLES) + 1]
    found = found_in(path, until=None if sampled else LAST_WITHOUT_SAMPLES)
    failed = [finding for finding in found.values() if finding.outcome == "failed"]
    assert [finding.check for finding in failed] == [fault.check], failed
    told = f"{failed[0].said}. {failed[0].remedy}"
    assert fault.said in told
    assert failed[0].remedy
    if fault.at is not None:
        assert line_with(path, fault.at) in told


def test_the_contract_of_an_adapter_is_asked_for(tmp_path: Path) -> None:
    found = found_in(written(tmp_path, ("    contract = 1\n", "")))
    assert found["it keeps the contract"].outcome == "warned"
    assert "Write contract = 1" in found["it keeps the contract"].remedy


@pytest.mark.parametrize("name", ["countdown", "language_model", "melody", "reasoning_gym:gcd"])
def test_a_built_in_domain_passes_wherever_szilard_is_installed(name: str) -> None:
    if ":" in name:
        pytest.importorskip("reasoning_gym")
    found = findings(name, "vital", shown=lambda file: False, begin=lambda check, seconds: None)
    assert {one.outcome for one in found} == {"passed"}


def test_an_adapter_may_start_from_a_policy_of_another_architecture(tmp_path: Path) -> None:
    make(tmp_path / "qwen")
    start = '    policy = "qwen"\n    max_tokens = 4\n'
    path = written(tmp_path, ("    contract = 1\n", "    contract = 1\n" + start))
    found = found_in(path, until="it gives a score")
    assert "cannot be" not in found["there is something to learn"].said
    assert found["the policy can read the prompts"].outcome == "passed"
    assert "samples differ on" in found["there is something to learn"].said
