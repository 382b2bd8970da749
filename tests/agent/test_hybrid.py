"""What the hybrid promises: TPE's trials, of which a model overrules no more than its share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.researchers.base import Context, HistoryEntry, NoProposal, ResearcherError
from agent.researchers.blind import TpeResearcher
from agent.researchers.hybrid import OVERRULES, SHARE, HybridResearcher, may_overrule, overruled
from agent.researchers.language_model import LanguageModelResearcher
from tests.agent.a_conversation import CONTEXT
from tests.agent.a_synthetic_run import FILES, Run, context_of, measured
from tests.agent.scripted_server import Answer, Request, ScriptedServer, failed, said

TRIAL = TpeResearcher()
MECHANISM = {
    "hypothesis": "A loss that forgets every second token spends entropy more slowly",
    "mechanism": "Half of the tokens get no gradient.",
    "predicted_score_change": 0.004,
    "predicted_entropy": 0.3,
    "edits": [{"path": "entropy_control.py", "content": "from controls.mine import Mine\n\nLOSS = Mine()\n"}],
}


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(3, 9, measured, lambda context: TRIAL.propose(context, Path("unused")))


@pytest.fixture
def context(run: Run) -> Context:
    return context_of(run, 1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    def answer(request: Request) -> Answer:
        return said(json.dumps(MECHANISM))

    with ScriptedServer(answer, answer) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        yield running


def hybrid() -> HybridResearcher:
    return HybridResearcher(LanguageModelResearcher("scripted"))


def test_a_model_with_another_idea_overrules_and_the_record_says_so(
    context: Context, server: ScriptedServer, tmp_path: Path
) -> None:
    proposal = hybrid().propose(context, tmp_path)
    assert proposal.hypothesis == OVERRULES + str(MECHANISM["hypothesis"])
    assert proposal.edits[0].path == "entropy_control.py"
    assert hybrid().propose(context, tmp_path) == proposal
    assert len(server.requests) == 1, "what was paid for is not asked again"


def test_the_model_sees_what_tpe_goes_by_and_its_next_trial(
    context: Context, server: ScriptedServer, tmp_path: Path
) -> None:
    hybrid().propose(context, tmp_path)
    prompt = server.requests[0].messages[1]["content"]
    shown = prompt.partition("# What the optimiser believes")[2].partition("# History")[0]
    trial = TRIAL.propose(context, tmp_path)
    best = max((entry for entry in context.history if entry.score is not None), key=lambda e: e.score or 0)
    assert trial.hypothesis in shown
    assert all(json.dumps(edit.path) in shown for edit in trial.edits)
    assert f"- attempt {best.number}, " in shown
    assert "You have overruled 0 of 9 trials, and may overrule 30%" in shown


def test_a_model_that_answers_with_tpes_edits_lets_its_trial_pass(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trial = TRIAL.propose(context, tmp_path)
    agreed = MECHANISM | {"edits": [edit.model_dump(mode="json") for edit in trial.edits]}
    with ScriptedServer(said(json.dumps(agreed))) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        assert hybrid().propose(context, tmp_path) == trial


def test_nonsense_leaves_tpes_trial_and_the_run_goes_on(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ScriptedServer(*[said("I would rather not.")] * 3) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        assert hybrid().propose(context, tmp_path) == TRIAL.propose(context, tmp_path)


def test_a_model_whose_share_is_used_up_is_not_asked(
    context: Context, server: ScriptedServer, tmp_path: Path
) -> None:
    used = [replace(entry, hypothesis=OVERRULES + "it") for entry in context.history[:3]]
    spent = replace(context, history=(*used, *context.history[3:]))
    assert hybrid().propose(spent, tmp_path) == TRIAL.propose(spent, tmp_path)
    assert server.requests == []


def test_the_model_mends_its_own_and_tpes_is_not_mended(
    context: Context, server: ScriptedServer, tmp_path: Path
) -> None:
    proposal = hybrid().propose(context, tmp_path)
    mended = hybrid().repair(context, proposal, "controls.mine is missing", tmp_path)
    assert mended.hypothesis.startswith(OVERRULES)
    roles = [message["role"] for message in server.requests[1].messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert "controls.mine is missing" in server.requests[1].messages[-1]["content"]
    with pytest.raises(NoProposal, match="cannot repair"):
        hybrid().repair(context, TRIAL.propose(context, tmp_path), "it hangs", tmp_path)


def test_a_server_that_is_down_stops_the_run_with_its_sentence(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ScriptedServer(failed(401, "no such key")) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        with pytest.raises(ResearcherError):
            hybrid().propose(context, tmp_path)


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.0, 0.1, SHARE, 0.5, 1.0]), st.integers(1, 4))
def test_at_no_time_has_the_model_overruled_more_than_its_share(
    wishes: list[bool], share: float, at_once: int
) -> None:
    history: list[HistoryEntry] = []
    for attempt, wishes_to in enumerate(wishes, 1):
        shown = tuple(history[: (attempt - 1) // at_once * at_once])
        overrules = wishes_to and may_overrule(replace(CONTEXT, attempt=attempt, history=shown), share)
        hypothesis = f"{OVERRULES if overrules else ''}number {attempt}"
        history.append(HistoryEntry(attempt, 0, "hybrid", hypothesis, "", None, None))
        assert overruled(history) <= share * attempt + 1e-9
    if share == 1.0 and at_once == 1:
        assert overruled(history) == sum(wishes)


def test_a_control_of_the_models_that_was_kept_joins_what_tpe_chooses_from(context: Context) -> None:
    own = '"""Soft clip: the ratio saturates."""\nclass SoftClip:\n    kind: ClassVar[str] = "term"\n'
    kept = replace(context, files={**FILES, "controls/soft_clip.py": own})
    for parent, chosen in ((kept, True), (context, False)):
        proposals = [TRIAL.propose(replace(parent, seed=seed), Path("unused")) for seed in range(20)]
        assert any("SoftClip" in proposal.hypothesis for proposal in proposals) is chosen
