"""What becomes of a language model's reply, good or bad."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.proposal import Proposal
from agent.researchers.base import NoProposal, Researcher
from tests.agent.a_conversation import (
    CONTEXT,
    FILES,
    GOOD,
    KEY,
    RECIPE,
    SPEC,
    UNMATCHED,
    Connect,
    attempt,
    proposal,
    stored,
)
from tests.agent.scripted_server import ScriptedServer, said
from workspaces.edits import EditError, apply_edits


def applied(answer: Proposal) -> dict[str, str]:
    return apply_edits(FILES, answer.edits, editable=SPEC.editable, protected=SPEC.protected)


def test_a_good_reply_becomes_a_proposal_and_is_stored_with_its_cost(
    connect: Connect, tmp_path: Path
) -> None:
    with ScriptedServer(said(GOOD)) as server:
        researcher: Researcher = connect(server.base_url)
        answer = researcher.propose(CONTEXT, tmp_path)

    assert applied(answer)["recipe.py"].startswith("LEARNING_RATE = 5e-5")
    assert server.requests[0].form == "json_schema"
    assert server.requests[0].authorization == f"Bearer {KEY}"
    (row,) = stored(tmp_path)
    assert row["reply"] == GOOD
    assert [turn["content"] for turn in row["turns"]] == [m["content"] for m in server.requests[0].messages]
    assert (row["model"], row["served_by"]) == ("test-model", "scripted-2026")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (1200, 80)
    assert row["seconds"] >= 0


def test_the_prompt_shows_goal_code_history_predictions_and_noise(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(said(GOOD)) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)
    prompt = server.requests[0].messages[1]["content"]

    for part in (
        CONTEXT.goal,
        "Metric to maximise: mean_pass",
        "pass@1 must not be worse than the baseline's by more than 0.02",
        "tokens 500000, updates 1200",
        "attempt 3 of 12",
        RECIPE,
        "BUDGET = 300",
        "reverted",
        "The gain did not survive noise.",
        "reverted | +0.000488 ± 0.0021 | +0.005 | 0.27 (0.3)",
        "in flight",
        "recipe.py: +LEARNING_RATE = 5e-5",
        "mean absolute error 0.00451 over 1 attempts",
        "0.0031",
        CONTEXT.diagnostics,
    ):
        assert part in prompt
    assert "confirmation" not in prompt


def test_an_edit_that_matches_nothing_goes_back_with_the_nearest_lines(
    connect: Connect, tmp_path: Path
) -> None:
    with ScriptedServer(said(UNMATCHED), said(GOOD)) as server:
        researcher = connect(server.base_url)
        first = researcher.propose(CONTEXT, tmp_path)
        with pytest.raises(EditError) as refused:
            applied(first)
        second = researcher.repair(CONTEXT, first, str(refused.value), tmp_path)

    assert "LEARNING_RATE = 5e-5" in applied(second)["recipe.py"]
    roles = [message["role"] for message in server.requests[1].messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert server.requests[1].messages[2]["content"] == UNMATCHED
    assert "LEARNING_RATE = 3e-5" in server.requests[1].messages[3]["content"]


def test_three_bad_replies_refuse_the_attempt(connect: Connect, tmp_path: Path) -> None:
    bad = json.dumps(proposal(predicted_entropy=-1.0))
    with (
        ScriptedServer(
            said("I would rather not."), said(bad), said('{"hypothesis": "cut o', "length")
        ) as server,
        pytest.raises(NoProposal, match="after 2 repairs"),
    ):
        connect(server.base_url).propose(CONTEXT, tmp_path)

    assert len(server.requests) == 3
    assert "no JSON object" in server.requests[1].messages[-1]["content"]
    assert "predicted_entropy" in server.requests[2].messages[-1]["content"]
    assert [row["finish_reason"] for row in stored(tmp_path)] == ["stop", "stop", "length"]


def test_malformed_replies_and_failed_proposals_share_two_repairs(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(said("{}"), said(UNMATCHED), said(UNMATCHED)) as server:
        researcher = connect(server.base_url)
        answer = researcher.propose(CONTEXT, tmp_path)
        answer = researcher.repair(CONTEXT, answer, "nothing matches", tmp_path)
        with pytest.raises(NoProposal, match="nothing matches"):
            researcher.repair(CONTEXT, answer, "nothing matches", tmp_path)

    assert len(server.requests) == 3


def test_where_a_policy_is_trained_its_entropy_must_be_predicted_and_elsewhere_nobody_speaks_of_it(
    connect: Connect, tmp_path: Path
) -> None:
    silent = json.dumps(proposal(predicted_entropy=None))
    with ScriptedServer(said(silent), said(GOOD), said(silent)) as server:
        researcher = connect(server.base_url)
        assert researcher.propose(CONTEXT, tmp_path / "policy").predicted_entropy == 0.28
        tried = (attempt(1, entropy=None, predicted_entropy=None),)
        program = replace(CONTEXT, spec=replace(SPEC, trains_policy=False), history=tried)
        assert researcher.propose(program, tmp_path / "program").predicted_entropy is None

    assert "predicted_entropy is missing" in server.requests[1].messages[-1]["content"]
    system, prompt = (message["content"] for message in server.requests[2].messages)
    assert "entropy" not in prompt.lower().replace("entropy_control.py", "")
    assert "entropy control" not in system


def test_what_was_paid_for_is_found_again_though_less_time_is_left(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(said(GOOD)) as server:
        first = connect(server.base_url).propose(
            replace(CONTEXT, budget_left=("9.0 of 10 minutes",)), tmp_path
        )
        again = connect(server.base_url).propose(
            replace(CONTEXT, budget_left=("3.0 of 10 minutes",)), tmp_path
        )
    assert first == again
    assert len(server.requests) == 1
    assert "9.0 of 10 minutes" in server.requests[0].messages[1]["content"]
