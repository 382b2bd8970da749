"""Attacks that are really run: each is blocked here, and each works where nothing defends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from agent.attacks import edits, leavings, policies, reach, texts
from tests.end_to_end.a_short_run import SZILARD
from workspaces.review.attacks_table import SUCCEEDS, Attacked
from workspaces.sandbox import choose_sandbox
from workspaces.sandbox.none import NoIsolation


def failed(attacked: Iterator[Attacked]) -> list[Attacked]:
    """Those that are open, and those that were not seen to work undefended."""
    return [
        one for one in attacked if not one.blocked or one.undefended not in (SUCCEEDS, policies.NOT_SHOWN)
    ]


@pytest.mark.parametrize("attack", [edits.attack, texts.attack])
def test_what_reads_the_work_of_a_model_is_not_taken_in(attack: Callable[[], Iterator[Attacked]]) -> None:
    assert failed(attack()) == []


@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_nothing_is_left_that_a_reader_outside_falls_for(tier: str) -> None:
    assert failed(leavings.attack(choose_sandbox(tier))) == []


def test_an_attack_that_succeeds_is_told_as_open() -> None:
    told = reach.attack([NoIsolation()])
    reached = {one.name for one in told if not one.blocked}
    assert {"read a file of the host", "signal a host process", "connect to the host's loopback"} <= reached


@pytest.mark.slow
def test_doctor_runs_at_least_forty_attacks_on_every_tier_and_all_are_blocked() -> None:
    ended = subprocess.run([SZILARD, "doctor", "--attacks", "--json"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    seen = {one["name"] for one in told if one["undefended"] == SUCCEEDS}
    assert os.geteuid() != 0 or len({one["name"] for one in told} - seen) <= 2
    for tier in ("bubblewrap", "landlock"):
        assert len([one for one in told if one["tier"] in (tier, "any")]) >= 40


def test_attacks_are_for_the_machine_and_not_for_a_run() -> None:
    ended = subprocess.run([SZILARD, "doctor", "--attacks", "some-run"], capture_output=True, text=True)
    assert ended.returncode != 0
    assert "takes no run" in ended.stderr
    assert "Traceback" not in ended.stderr
