"""What a person says reaches the next proposal, and never one that was asked before it was said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.context import build
from agent.context.steering import SHOWN_CHARACTERS, section
from tests.agent.a_conversation import CONTEXT
from tests.agent.a_laboratory import build_laboratory
from workspaces.remarks import Remark, add_remark


def test_an_attempt_is_asked_again_with_the_words_that_it_was_first_asked_with(tmp_path: Path) -> None:
    laboratory = build_laboratory(tmp_path)
    add_remark(tmp_path, "Try advantages")
    laboratory.folder(1).heard = 1
    add_remark(tmp_path, "It was noise", attempt=0)
    shown = {
        number: [one.text for one in laboratory.context(number, 0, laboratory.baseline).remarks]
        for number in (1, 2)
    }
    assert shown == {1: ["Try advantages"], 2: ["Try advantages", "It was noise"]}
    assert not (tmp_path / "attempts" / "0002").exists()


def test_a_run_that_replays_another_hears_what_was_said_to_that_one(tmp_path: Path) -> None:
    replayed = build_laboratory(tmp_path / "replayed").directory
    add_remark(replayed, "Try advantages")
    laboratory = build_laboratory(tmp_path / "replaying")
    settings = laboratory.settings.model_copy(update={"replays": str(replayed)})
    add_remark(laboratory.directory, "Not heard")
    replaying = replace(laboratory, settings=settings)
    remarks = replaying.context(1, 0, laboratory.baseline).remarks
    assert [one.text for one in remarks] == ["Try advantages"]


def test_the_prompt_tells_notes_from_steering_inside_a_fence() -> None:
    remarks = (
        Remark(attempt=None, text="Leave the rate ```alone```", created="2026-11-29"),
        Remark(attempt=2, text="A lucky seed", created="2026-11-30"),
    )
    prompt = build.proposal_prompt(replace(CONTEXT, remarks=remarks))
    said = prompt.partition("# What the person says\n")[2].partition("# History")[0]
    assert "````text\non the whole run (2026-11-29): Leave the rate ```alone```\n" in said
    assert "on attempt 2 (2026-11-30): A lucky seed" in said
    assert "What the person says" not in build.proposal_prompt(CONTEXT)


def test_the_newest_words_are_shown_and_what_is_left_out_is_counted() -> None:
    remarks = tuple(Remark(attempt=None, text=f"{n} " + "x" * 1900, created="2026") for n in range(10))
    said = section(remarks)
    assert len(said) < SHOWN_CHARACTERS + 1000
    assert "The oldest 4 are left out for length." in said
    assert said.index("): 4 x") < said.index("): 9 x")
