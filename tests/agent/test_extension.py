"""Who may go on after its end, and what a run that does may still spend."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.confirm import CONFIRMATION_FILE, WRITTEN
from agent.extension import Amount, Asked, CannotGoOn, announcement, extend, set_aside
from agent.history import History
from agent.measurement_keys import sealed_seed
from agent.referee import Referee
from agent.seeds import EXTENDED, EXTENSION_BLOCKS, block_after
from agent.settings import Extension, RunSettings
from environments.base import InvalidEnvironment, SzilardError
from tests.agent.a_laboratory import SPEC, PutIn, build_laboratory, propose, settings

MORE = Asked(attempts=Amount(20, more=True))
MADE = 2


def ended(directory: Path, winner: int | None = None, **changes: Any) -> Path:
    """A run that has made two attempts and ended, whose domain is countdown."""
    laboratory = build_laboratory(directory)
    for number in range(1, MADE + 1):
        propose(laboratory, number)
    record: dict[str, Any] = dict.fromkeys(WRITTEN)
    record["winner"] = {"attempt": winner, "seeds": []} if winner else None
    (directory / CONFIRMATION_FILE).write_text(json.dumps(record))
    baseline = {"seeds": [{"seconds": 6.0}, {"seconds": 6.0}]}
    (directory / "baseline.json").write_text(json.dumps(baseline))
    (directory / "clock.json").write_text(json.dumps({"seconds": 300.0}))
    known = settings("countdown").model_copy(update={"attempts": MADE, **changes})
    known.write(directory)
    return directory


def given(directory: Path, asked: Asked) -> RunSettings:
    extend(directory, asked, directory / "clock.json")
    return RunSettings.read(directory)


def test_more_is_counted_from_what_was_made_and_a_number_alone_is_of_all(tmp_path: Path) -> None:
    assert given(ended(tmp_path / "a"), MORE).allowed.attempts == MADE + 20
    assert given(ended(tmp_path / "b"), Asked(attempts=Amount(20, more=False))).allowed.attempts == 20


@pytest.mark.parametrize("attempts", [1, MADE])
def test_a_number_that_leaves_no_attempt_is_refused(tmp_path: Path, attempts: int) -> None:
    with pytest.raises(CannotGoOn, match=r"has made 2 attempts.*--attempts \+20"):
        given(ended(tmp_path), Asked(attempts=Amount(attempts, more=False)))
    assert (tmp_path / CONFIRMATION_FILE).exists()


def test_an_unsuitable_run_and_one_that_has_not_ended_are_refused(tmp_path: Path) -> None:
    directory = ended(tmp_path)
    (directory / CONFIRMATION_FILE).unlink()
    with pytest.raises(CannotGoOn, match="has not ended"):
        given(directory, MORE)
    (directory / "unsuitable.json").write_text(json.dumps({"reason": "Its seed is fixed."}))
    with pytest.raises(CannotGoOn, match=r"unsuitable.*Its seed is fixed"):
        given(directory, MORE)


def test_minutes_are_more_than_were_used_and_must_hold_a_race(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="not bounded by --minutes"):
        given(ended(tmp_path / "unbounded"), replace(MORE, minutes=Amount(5, more=True)))
    with pytest.raises(CannotGoOn, match=r"used 5 minutes.*--minutes \+"):
        given(ended(tmp_path / "spent", minutes=5.0), MORE)
    more = replace(MORE, minutes=Amount(10, more=True))
    minutes = given(ended(tmp_path / "bounded", minutes=5.0), more).allowed.minutes
    assert minutes == pytest.approx(15.0, abs=0.1)


def test_a_broken_seal_gets_a_new_secret_and_an_unbroken_one_stays(tmp_path: Path) -> None:
    before = settings().secret
    kept_nothing = given(ended(tmp_path / "a"), MORE)
    assert (kept_nothing.secret, kept_nothing.seal) == (before, 1)
    broken = given(ended(tmp_path / "b", winner=1), MORE)
    assert broken.secret != before
    assert (broken.seal, broken.opened) == (2, (sealed_seed(before),))


def test_a_kill_between_the_record_and_the_setting_aside_is_made_good(tmp_path: Path) -> None:
    directory = ended(tmp_path, winner=1)
    known = (directory / CONFIRMATION_FILE).read_text()
    given(directory, MORE)
    (directory / "confirmation-1.json").rename(directory / CONFIRMATION_FILE)
    set_aside(directory)
    set_aside(directory)
    assert not (directory / CONFIRMATION_FILE).exists()
    assert (directory / "confirmation-1.json").read_text() == known


def test_a_domain_that_cannot_tell_its_tasks_apart_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = ended(tmp_path, winner=1)
    before = (directory / "run.json").read_text()
    domain = PutIn(tmp_path / "policy")
    monkeypatch.setattr("agent.extension.environment_of", lambda *_: domain)
    with pytest.raises(InvalidEnvironment, match=SPEC.name):
        given(directory, MORE)
    assert (directory / "run.json").read_text() == before


def test_a_damaged_confirmation_is_a_sentence(tmp_path: Path) -> None:
    directory = ended(tmp_path)
    (directory / CONFIRMATION_FILE).write_text("{")
    with pytest.raises(SzilardError, match="damaged"):
        given(directory, MORE)


def test_evidence_moves_past_what_was_looked_at_when_a_run_goes_on(tmp_path: Path) -> None:
    assert block_after(["reverted", EXTENDED]) == EXTENSION_BLOCKS
    assert block_after(["kept", EXTENDED, "kept"]) == EXTENSION_BLOCKS + 2
    laboratory = build_laboratory(tmp_path)
    for number, entrant in ((1, 0), (3, 1), (5, 2)):
        propose(laboratory, number)
        laboratory.ledger.commit_result(
            number, verdict="reverted", reason="no gain", trailers={"Entrant": str(entrant)}
        )
    history = History(laboratory.ledger, laboratory.measurer, SPEC.editable, ends=(2, 4))
    assert history.race_outcomes() == ["reverted", EXTENDED, "reverted", EXTENDED, "reverted"]
    assert history.race_outcomes(1) == ["reverted"]
    assert history.race_outcomes(2) == ["reverted", EXTENDED]


def test_alpha_is_shared_out_by_the_first_plan_however_often_a_run_goes_on(tmp_path: Path) -> None:
    laboratory = build_laboratory(tmp_path)
    first = laboratory.settings.model_copy(update={"attempts": 8})
    went_on = first.model_copy(
        update={"extensions": (Extension(after=8, attempts=800, record="confirmation-1.json", created=""),)}
    )
    shares = []
    for known in (first, went_on):
        referee = Referee(replace(laboratory, settings=known), {})
        shares.append([referee.enter(number)[1] for number in range(1, 40)])
    assert shares[0] == shares[1]
    assert sum(shares[1]) <= first.alpha * (1 + 1e-12)
    assert "the next one may spend 0.045" in announcement(went_on, laboratory.history)


def test_a_stretch_begins_with_a_round_of_its_own(tmp_path: Path) -> None:
    laboratory = build_laboratory(tmp_path)
    went_on = laboratory.settings.model_copy(
        update={"extensions": (Extension(after=3, attempts=9, record="confirmation-1.json", created=""),)}
    )
    longer = replace(laboratory, settings=went_on)
    assert [longer.horizon(number) for number in range(1, 8)] == [0, 0, 2, 3, 3, 5, 5]
    assert [went_on.stretch_of(number) for number in (3, 4)] == [1, 2]
