"""What `szilard controls check` accepts and refuses; every control is really run in the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.control_check import Checked, ControlRefused, check_controls
from environments.base import SzilardError
from workspaces.controls import NotAControl, read_control, shipped_controls, tuning

SZILARD = str(Path(sys.executable).with_name("szilard"))
SECONDS = 3.0

TOP = '''\
"""Soft clip: the ratio saturates smoothly instead of being cut off."""

from dataclasses import dataclass
from typing import ClassVar
from controls.batch import count, token_mean


@dataclass(frozen=True)
class SoftClip:
    width: float = 0.2
    kind: ClassVar[str] = "loss"

'''
BODY = """\
    def loss(self, batch, state):
        moved = self.width * ((batch.ratio - 1) / self.width).tanh()
        return token_mean(-batch.advantages * moved, batch.mask), {"touched": count(batch.mask)}, state
"""
VALUES = "        values = -batch.advantages * batch.ratio\n"
TOUCHED = '{"touched": count(batch.mask)}'


def loss(*lines: str) -> str:
    """A control whose loss has these lines, `values` being the plain policy gradient's."""
    indented = "".join(f"        {line}\n" for line in lines)
    return f"{TOP}    def loss(self, batch, state):\n{VALUES}{indented}"


def returning(value: str, diagnostics: str = TOUCHED, state: str = "state") -> str:
    return loss(f"return {value}, {diagnostics}, {state}")


MEAN = "token_mean(values, batch.mask)"
FINE = f"return {MEAN}, {TOUCHED}, state"
ADVANTAGE = TOP.replace('"loss"', '"advantage"') + "    def advantages(self, group):\n        return {}\n"
CENTRED = "group.rewards - group.rewards.mean(dim=1, keepdim=True)"
AVERAGE = (
    TOP.replace('"loss"', '"average"')
    + "    def update(self, average, policy):\n"
    + "        for kept, current in zip(average.parameters(), policy.parameters()):\n"
    + "            {}\n"
)
SAMPLING = TOP.replace('"loss"', '"sampling"') + "    def around(self, draw):\n        return {}\n"
BONUS = "-self.width * token_mean(batch.entropies, batch.mask)"


def term(value: str) -> str:
    method = f"    def loss(self, batch, state):\n        return {value}, {TOUCHED}, state\n"
    return TOP.replace('"loss"', '"term"') + method


UNREADABLE = {
    "syntax": ("class SoftClip(:\n", "line 1 is no Python"),
    "no_kind": (TOP.replace("    kind", "    sort") + BODY, "holds 0 controls"),
    "unknown_kind": (TOP.replace('"loss"', '"lost"') + BODY, "kind is 'lost'; it must be one of"),
    "taken_name": ((TOP + BODY).replace("SoftClip", "KlCov"), "there is a shipped KlCov"),
    "missing_module": (
        "import a_module_that_is_nowhere\n" + TOP + BODY,
        "no module 'a_module_that_is_nowhere'",
    ),
    "bad_tuning": (
        TOP + '    TUNED: ClassVar = ("height", (1, 2))\n' + BODY,
        "TUNED must name a hyper-parameter",
    ),
}
BROKEN = {
    "raises_on_import": (TOP + BODY + "raise RuntimeError('no')\n", "RuntimeError, line 16: no"),
    "not_frozen": (TOP.replace("(frozen=True)", "") + BODY, "frozen dataclass"),
    "no_default": (TOP.replace(" = 0.2", "") + BODY, "give every hyper-parameter a default"),
    "no_method": (TOP + BODY.replace("def loss", "def lose"), "needs a method loss()"),
    "shape": (returning("values.sum(dim=1)"), "the loss has shape [8]: return one number"),
    "not_a_tensor": (returning(f"float({MEAN})"), "the loss is a float"),
    "two_values": (
        loss(f"return {MEAN}, {TOUCHED}"),
        "a tuple of length 2: return (loss, diagnostics, state)",
    ),
    "nan": (returning(f"{MEAN} * float('nan')"), "the loss is nan"),
    "nan_gradient": (
        returning("token_mean(values.square().sqrt(), batch.mask)"),
        "is not finite: look for sqrt",
    ),
    "without_a_token": (
        returning("(values * batch.mask).sum() / batch.mask.sum()"),
        "on a batch without a token",
    ),
    "in_place": (loss("batch.advantages.mul_(2)", FINE), "it edits batch.advantages in place"),
    "in_place_behind_autograd": (
        loss("batch.old_logprobs.data.add_(1)", FINE),
        "batch.old_logprobs in place",
    ),
    "in_place_with_gradient": (loss("batch.logprobs.mul_(2)", FINE), "edits batch.logprobs in place"),
    "detached": (returning(f"{MEAN}.detach()"), "the loss is detached, no gradient reaches the policy"),
    "detached_inside": (
        returning("token_mean(values.detach() + 0 * batch.logprobs, batch.mask)"),
        "the gradient is zero on every batch",
    ),
    "mean_of_everything": (returning("values.mean()"), "what stands at the padding, or how much there is"),
    "gradient_on_padding": (
        returning("(batch.logprobs * batch.advantages).mean()"),
        "padded tokens of batch.logprobs get a gradient",
    ),
    "influence_of_padding": (
        loss("scale = 1 + batch.entropies.detach().mean().abs()", f"return {MEAN} * scale, {TOUCHED}, state"),
        "what stands at the padding, or how much",
    ),
    "no_advantage": (
        returning("-token_mean(batch.logprobs, batch.mask)"),
        "moves the policy where no advantage says so",
    ),
    "figure_is_a_tensor": (returning(MEAN, '{"touched": batch.mask.sum()}'), "make it a float"),
    "figure_is_nan": (returning(MEAN, "{'touched': 1.0, 'x': float('nan')}"), "the diagnostic 'x' is nan"),
    "no_touched": (returning(MEAN, "{}"), 'lack "touched"'),
    "touched_too_much": (
        returning(MEAN, '{"touched": float(batch.mask.numel())}'),
        "count within batch.mask",
    ),
    "state_with_graph": (
        loss(f"total = {MEAN} + (0 if state is None else state)", f"return total, {TOUCHED}, total"),
        "detach what is kept in the state",
    ),
    "reference_not_declared": (
        returning(f"{MEAN} + token_mean((batch.logprobs - batch.reference_logprobs) ** 2, batch.mask)"),
        "`needs_reference: ClassVar[bool] = True`",
    ),
    "seed_of_its_own": (
        "import numpy\n" + loss(f"return {MEAN} * numpy.random.rand(), {TOUCHED}, state"),
        "equal seeds give other losses",
    ),
    "reseeds": (
        "import torch\n" + loss("torch.manual_seed(0)", FINE),
        "it seeds the global random state",
    ),
    "term_detached": (term(f"{BONUS}.detach()"), "the loss is detached"),
    "breaks_at_another_setting": (
        TOP.replace("0.2", "0.5")
        + f"    def loss(self, batch, state):\n        assert self.width < 1\n{VALUES}        {FINE}\n",
        "with width=1.5 AssertionError, line 14",
    ),
    "prints": (loss("print('values', values.shape)", FINE), "it prints ('values"),
    "system": ("import os\n" + loss("os.system('id')", FINE), "it starts or signals processes (os.system)"),
    "system_on_import": ("import os\nos.system('id')\n" + TOP + BODY, "it starts or signals processes"),
    "system_hidden": (
        "import os\n" + loss("try:", "    os.system('id')", "except Exception:", "    pass", FINE),
        "it starts or signals processes",
    ),
    "subprocess": (
        "import subprocess\n" + loss("subprocess.run(['id'])", FINE),
        "it starts or signals processes",
    ),
    "writes": (loss("open('/out/findings.jsonl', 'w')", FINE), "it writes files"),
    "sleeps": ("import time\n" + loss("time.sleep(1000)", FINE), "a loop or a wait that does not end"),
    "network": (
        "import socket\n" + loss("socket.create_connection(('127.0.0.1', 1))", FINE),
        "it uses the network",
    ),
    "endless": (loss("while True: pass", FINE), "one call takes more than 3 s"),
    "exits": (loss("raise SystemExit(0)"), "SystemExit, line 15"),
    "advantage_shape": (ADVANTAGE.format("group.rewards.mean(dim=1)"), "the advantages have shape [3]"),
    "advantage_whole": (ADVANTAGE.format("group.rewards.long()"), "a tensor of torch.int64"),
    "advantage_nan": (
        ADVANTAGE.format(f"({CENTRED}) / group.rewards.std(dim=1, keepdim=True)"),
        "add an epsilon",
    ),
    "advantage_in_place": (ADVANTAGE.format("group.rewards.sub_(0.5)"), "it edits group.rewards in place"),
    "advantage_of_padding": (
        ADVANTAGE.format(f"({CENTRED}) * (1 + group.entropies.mean().abs())"),
        "what stands at the padding changes the advantages",
    ),
    "average_moves_policy": (AVERAGE.format("current.data.mul_(0.9)"), "it changes the policy"),
    "average_stays": (AVERAGE.format("pass"), "the average never moves"),
    "average_shares": (AVERAGE.format("kept.data = current.data"), "shares memory with the policy"),
    "sampling_nothing": (SAMPLING.format("lambda request: None"), "holds no group"),
    "sampling_too_much": (
        SAMPLING.format("lambda request: draw(request).joined(draw(request))"),
        "`most_draws: int",
    ),
}
DEADLY = {
    "endless_and_deaf": (
        "import signal\n"
        + loss(
            "for alarm in (signal.SIGPROF, signal.SIGALRM): signal.signal(alarm, signal.SIG_IGN)",
            "while True: batch.ratio",
        ),
        "it was ended by its limit of",
    ),
    "exits_at_once": ("import os\n" + loss("os._exit(0)"), "it ended the process (exit code 0)"),
}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def refusal_of(checked: Checked) -> str:
    with pytest.raises(ControlRefused) as refusal:
        checked.require()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_a_control_is_refused_before_it_runs(tmp_path: Path, name: str) -> None:
    text, reason = UNREADABLE[name]
    with pytest.raises(SzilardError) as refusal:
        check_controls([written(tmp_path, f"mine_{name}", text)])
    assert isinstance(refusal.value, NotAControl | ControlRefused)
    assert reason in str(refusal.value)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    """All broken controls, each checked in the sandbox that they share."""
    folder = tmp_path_factory.mktemp("broken")
    paths = [written(folder, f"mine_{name}", text) for name, (text, _) in BROKEN.items()]
    return dict(zip(BROKEN, check_controls(paths, seconds=SECONDS), strict=True))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_control_is_refused_with_what_to_change(broken: dict[str, Checked], name: str) -> None:
    assert BROKEN[name][1] in refusal_of(broken[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", DEADLY)
def test_a_control_that_ends_or_holds_the_process_is_refused(tmp_path: Path, name: str) -> None:
    text, reason = DEADLY[name]
    (checked,) = check_controls([written(tmp_path, "mine", text)], seconds=1.0)
    assert reason in refusal_of(checked)


def accepted(folder: Path, name: str, text: str) -> Checked:
    (checked,) = check_controls([written(folder, name, text)])
    checked.require()
    return checked


def warnings_of(checked: Checked) -> str:
    return "; ".join(finding.said for finding in checked.findings if finding.outcome == "warned")


def test_the_control_of_the_guide_is_the_one_tested_here() -> None:
    guide = Path(__file__).parents[2] / "docs" / "own-controls.md"
    assert f"```python\n{TOP}{BODY}```" in guide.read_text()


def test_a_control_of_fifteen_lines_is_accepted(tmp_path: Path) -> None:
    assert len((TOP + BODY).splitlines()) == 15
    checked = accepted(tmp_path, "soft_clip", TOP + BODY)
    assert checked.speed is not None
    assert warnings_of(checked) == ""


def test_small_controls_of_every_kind_are_accepted(tmp_path: Path) -> None:
    texts = {
        "advantage": ADVANTAGE.format(CENTRED),
        "average": AVERAGE.format("kept.data.lerp_(current.data, 0.1)"),
        "sampling": SAMPLING.format("draw"),
        "term": term(BONUS),
    }
    for checked in check_controls([written(tmp_path, f"small_{name}", text) for name, text in texts.items()]):
        checked.require()
        assert warnings_of(checked) == ""


LEGITIMATE = {
    "random": loss("drop = torch.rand_like(batch.logprobs) < 0.1", FINE.replace("values", "values * drop")),
    "adaptive": loss(
        "level = token_mean(batch.entropies, batch.mask).detach()",
        "state = level if state is None else torch.lerp(state, level, 0.1)",
        FINE.replace("values", "values * torch.exp(-state)"),
    ),
    "held_fixed": loss(FINE.replace("values", "-batch.advantages * batch.ratio.detach() * batch.logprobs")),
    "by_position": loss("at = 0.9 ** torch.arange(values.shape[1])", FINE.replace("values", "values * at")),
    "composed": "from controls.ppo_clip import PpoClip\n" + loss("return PpoClip().loss(batch, state)"),
}


def test_unusual_but_legitimate_losses_are_accepted_without_a_warning(tmp_path: Path) -> None:
    paths = [
        written(tmp_path, f"fine_{name}", f'"""A loss."""\nimport torch\n{text}')
        for name, text in LEGITIMATE.items()
    ]
    for checked in check_controls(paths):
        checked.require()
        assert "the plain one" in warnings_of(checked) or warnings_of(checked) == ""


WARNED = {
    "regulariser": (
        returning(f"{MEAN} - 0.01 * token_mean(batch.entropies, batch.mask)"),
        "a term would say",
    ),
    "sign": (returning(f"-{MEAN}"), "is a minus sign missing?"),
    "value_as_weight": (returning(f"{MEAN} * float({MEAN})"), "not the derivative of the loss"),
    "undocumented": (returning(MEAN).partition("\n")[2], "no docstring"),
    "slow": (loss("for _ in range(300): values + 1", FINE), "the plain one"),
    "equal_rewards": (ADVANTAGE.format("group.rewards - 0.5"), "learns_from_equal_rewards"),
}


def test_what_may_be_meant_is_warned_of_and_not_refused(tmp_path: Path) -> None:
    paths = [written(tmp_path, f"mine_{name}", text) for name, (text, _) in WARNED.items()]
    for checked, (_, warning) in zip(check_controls(paths), WARNED.values(), strict=True):
        checked.require()
        assert warning in warnings_of(checked)


def test_every_shipped_control_passes_its_checks() -> None:
    checked = check_controls([control.path for control in shipped_controls().values()])
    assert len(checked) == len(shipped_controls())
    for one in checked:
        one.require()
        assert {finding.check for finding in one.findings} >= {"can be made", "returns what is asked for"}
    warned = {one.control.name: warnings_of(one) for one in checked if warnings_of(one)}
    expected = {"KlCov": "regulariser"}
    slow = {name for name, said in warned.items() if "the plain one" in said}
    assert {name: said for name, said in warned.items() if name not in slow}.keys() == expected.keys()


def test_what_a_run_moves_is_declared_or_the_first_positive_float(tmp_path: Path) -> None:
    def tuned(fields: str) -> object:
        found = tuning(
            read_control(written(tmp_path, "mine", TOP.replace("    width: float = 0.2\n", fields) + BODY))
        )
        return found and (found.parameter, found.grid)

    assert tuned("    on: bool = True\n    low: float = 0.0\n    width: float = 0.2\n") == (
        "width",
        (0.0667, 0.2, 0.6),
    )
    assert tuned("    many: int = 3\n    TUNED: ClassVar = ('many', (2, 4))\n") == ("many", (2.0, 4.0))
    assert tuned("    many: int = 3\n") is None


# Through the command


def szilard(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [SZILARD, "controls", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_command_shows_a_table_for_what_passes_and_a_sentence_for_what_does_not(tmp_path: Path) -> None:
    fine = szilard("check", str(written(tmp_path, "soft_clip", TOP + BODY)))
    assert fine.returncode == 0, fine.stderr
    assert "times the plain one's time" in fine.stdout
    assert "--control" in fine.stdout
    broken = szilard("check", str(written(tmp_path, "broken", BROKEN["gradient_on_padding"][0])))
    assert broken.returncode == 2
    assert "padded tokens of batch.logprobs get a gradient" in broken.stderr
    assert "Traceback" not in broken.stderr
    told = szilard("check", str(tmp_path / "broken.py"), "--json")
    assert told.returncode == 2
    assert json.loads(told.stdout)["refused"] is True
    missing = szilard("check", str(tmp_path / "nowhere.py"))
    assert missing.returncode == 2
    assert "cannot be read" in missing.stderr
