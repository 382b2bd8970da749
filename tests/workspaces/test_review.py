"""Reviewing a run: what the ledger says reaches the reader, and nothing foreign reaches the terminal."""

from __future__ import annotations

import json
import shlex
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workspaces import a_run
from workspaces import plain_text
from workspaces.review import diff, log, show, status, text
from workspaces.review.attempts_panel import AttemptPoint, draw_attempts
from workspaces.review.frontier_panel import Frontier, FrontierPoint
from workspaces.review.record import RunRecord, UnreadableRun, figures, read_run
from workspaces.review.report import render, write_report
from workspaces.review.run_picture import attempt_points


def _read(directory: Path) -> RunRecord:
    return read_run(directory, json.loads((directory / "run.json").read_text()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    directory: Path = a_run.build_run(tmp_path_factory.mktemp("runs") / a_run.NAME)
    return _read(directory)


def _write_report(run: RunRecord) -> str:
    settings = json.loads((run.directory / "run.json").read_text())
    assert run.baseline is not None
    write_report(run.directory, settings, list(run.attempts), dict(run.baseline), run.confirmation)
    return (run.directory / "report.md").read_text()


def test_a_change_is_shown_with_three_significant_digits() -> None:
    assert text.signed(0.00912) == "+0.00912"
    assert text.signed(-0.0000123456) == "-0.0000123"
    assert text.signed(12.345) == "+12.3"
    assert text.signed(None) == "-"
    assert text.figure(0.67523, 0.0024, 0.00912) == "0.67523 ± 0.00240"


def test_a_duration_is_rounded_not_cut() -> None:
    assert [text.duration(seconds) for seconds in (8.9, 59.6, 3599.9)] == ["9 s", "1:00", "1:00:00"]


def test_cleaned_text_moves_no_cursor_and_turns_no_direction() -> None:
    hostile = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\u202ee\x00f\rg\x1b(Bh\x1bPq\x1b\\i\u200bj"
    assert plain_text.clean(hostile) == "abcdef\nghij"
    assert plain_text.clean("two\n\tlines") == "two\n\tlines"


def test_markdown_of_a_hypothesis_is_inert() -> None:
    shown = plain_text.markdown("![x](http://e.vil) <script> | **b**\n# heading")
    assert "<script" not in shown
    assert "\n" not in shown
    assert "\\|" in shown
    assert "\\[x\\](" in shown


def test_json_never_holds_nan() -> None:
    assert text.finite({"a": [float("nan"), 1.0], "b": float("inf")}) == {"a": [None, 1.0], "b": None}


def test_figures_of_a_result_commit_are_read_back(finished: RunRecord) -> None:
    found = figures(finished.attempt(6))
    assert found.change == 0.0041
    assert found.interval == (0.0012, 0.007)
    assert (found.seeds, found.compared_with, found.entropy) == (6, 2, 0.33)
    assert figures(finished.attempt(8)).seeds == 1
    assert figures(finished.attempt(3)).score is None


def test_status_says_state_verdicts_incumbent_and_baseline(finished: RunRecord) -> None:
    data = status.summary(finished)
    assert data["state"] == "finished"
    assert data["attempts"]["verdicts"] == {
        "kept": 2,
        "reverted": 3,
        "inconclusive": 1,
        "crashed": 1,
        "refused": 1,
    }
    assert data["incumbent"]["attempt"] == 6
    assert data["baseline"]["score"] == 0.66881
    assert data["confirmation"]["change"] == 0.00891
    assert "never-shown-to-anyone" not in json.dumps(data)


def test_a_run_without_confirmation_is_interrupted_and_names_the_way_on(tmp_path: Path) -> None:
    run = _read(a_run.build_run(tmp_path / "cut", confirmed=False))
    assert status.summary(run)["state"] == "interrupted"
    assert status.next_command(run) == f"szilard resume {tmp_path / 'cut'}"


def test_a_run_whose_lock_is_held_is_running(tmp_path: Path) -> None:
    import fcntl

    directory = a_run.build_run(tmp_path / "live", confirmed=False)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert _read(directory).state == "running"
    assert _read(directory).state == "interrupted"


def test_a_run_that_has_only_its_settings_can_be_reviewed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(a_run.settings()))
    run = _read(tmp_path)
    status.print_run(run)
    log.print_log(run)
    assert "not measured yet" in capsys.readouterr().out
    assert log.rows(run) == []


def test_log_has_one_line_an_attempt_and_no_control_sequence(
    finished: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    log.print_log(finished)
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert len(lines) == 1 + len(a_run.ATTEMPTS) + 1
    assert "+0.00410" in lines[6]
    assert "\x1b" not in printed
    assert "[bold]lets" in printed


def test_log_fits_the_columns_that_it_is_given(
    finished: RunRecord, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    log.print_log(finished)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[1 : 1 + len(a_run.ATTEMPTS)]] == list("12345678")


def test_log_tells_screening_from_evidence_and_explains_its_columns(
    finished: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    log.print_log(finished)
    lines = capsys.readouterr().out.splitlines()
    assert " 1+5 " in lines[6]
    assert "seeds: screening + evidence" in lines[-1]
    assert "± its standard error over tasks" in lines[-1]


def test_show_leaves_the_keys_of_measurements_to_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = a_run.build_run(tmp_path / "keyed", confirmed=False)
    run = _read(directory)
    keyed = replace(run.attempt(6), trailers={**run.attempt(6).trailers, "Evidence": "0123abcd, 4567cdef"})
    run = replace(run, attempts=tuple(keyed if a.number == 6 else a for a in run.attempts))
    show.print_attempt(run, 6)
    assert "0123abcd" not in capsys.readouterr().out
    assert show.page(run, 6)["trailers"]["Evidence"] == "0123abcd, 4567cdef"


def test_show_says_which_seeds_a_mean_is_of(finished: RunRecord, capsys: pytest.CaptureFixture[str]) -> None:
    show.print_attempt(finished, 6)
    assert "0.330, mean of 5 evidence seeds (0.460 at the first step)" in capsys.readouterr().out
    show.print_attempt(finished, 8)
    assert "0.340, screening seed (0.460 at the first step)" in capsys.readouterr().out


def test_status_says_over_what_an_error_is(finished: RunRecord, capsys: pytest.CaptureFixture[str]) -> None:
    status.print_run(finished)
    printed = capsys.readouterr().out
    assert "0.6688 ± 0.0018 over its 6 seeds" in printed
    assert "over tasks, change +0.00410 [+0.00120, +0.00700] over seeds" in printed


def test_status_counts_the_seeds_of_a_baseline_under_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(a_run.settings()))
    (tmp_path / "measurements").mkdir()
    for name, split in {"a": "selection", "b": "selection", "c": "selection after 60 updates"}.items():
        (tmp_path / "measurements" / f"{name}.json").write_text(json.dumps({"key": {"split": split}}))
    run = read_run(tmp_path, a_run.settings(), baseline_seeds=15)
    status.print_run(run)
    assert "2 of 15 seeds measured" in capsys.readouterr().out
    assert status.summary(run)["baseline_under_way"] == {"measured": 2, "of": 15}


def test_a_domain_that_failed_its_probes_is_not_to_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(a_run.settings()))
    (tmp_path / "lock").touch()
    (tmp_path / "unsuitable.json").write_text("{}")
    run = read_run(tmp_path, a_run.settings(), baseline_seeds=15)
    status.print_run(run)
    printed = capsys.readouterr().out
    assert run.state == "unsuitable"
    assert "szilard resume" not in printed
    assert "mend the domain" in printed


def test_show_puts_prediction_beside_outcome(finished: RunRecord, capsys: pytest.CaptureFixture[str]) -> None:
    show.print_attempt(finished, 6)
    printed = capsys.readouterr().out
    change = next(line for line in printed.splitlines() if "S change" in line)
    assert "+0.00400" in change
    assert "+0.00410" in change
    assert "kept" in printed


def test_show_of_a_crash_ends_with_its_cleaned_standard_error(
    finished: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    show.print_attempt(finished, 3)
    printed = capsys.readouterr().out
    assert "RuntimeError: mask has no tokens" in printed
    assert "owned" not in printed
    assert show.page(finished, 3)["stderr"] == ["step 1", "RuntimeError: mask has no tokens"]


def test_diff_is_against_the_parent_unless_another_is_named(finished: RunRecord) -> None:
    against_parent = diff.diff(finished, 6, None)
    assert against_parent["from"]["attempt"] == 2
    assert "-LEARNING_RATE = 2e-5" in against_parent["diff"]
    assert "-LEARNING_RATE = 3e-5" in diff.diff(finished, 0, 6)["diff"]


def test_an_attempt_that_does_not_exist_is_refused_with_what_there_is(finished: RunRecord) -> None:
    with pytest.raises(UnreadableRun, match="attempts 1 to 8"):
        show.page(finished, 9)
    with pytest.raises(UnreadableRun, match="no parent"):
        diff.diff(finished, 0, None)


def test_a_damaged_confirmation_is_named(tmp_path: Path) -> None:
    directory = a_run.build_run(tmp_path / "torn")
    (directory / "confirmation.json").write_text('{"split": ')
    with pytest.raises(UnreadableRun, match=r"confirmation\.json is damaged"):
        _read(directory)


def test_report_tells_selection_gain_from_confirmed_gain(finished: RunRecord) -> None:
    report = _write_report(finished)
    assert "| confirmed gain (report this one) | +0.00891 | [+0.00420, +0.01360] |" in report
    assert "+0.0102" in report
    assert "learning rate x0.5" in report
    assert "attempt 6 confirmed" in report
    assert "never-shown-to-anyone" not in report
    assert "<b>" not in report


def test_report_gives_the_command_that_makes_the_run_again(finished: RunRecord) -> None:
    settings = {**finished.settings, "minutes": 10.0, "controls": ["mine"], "goal": "Solve it's `all`"}
    run = replace(finished, settings=settings)
    report = render(run)
    line = next(line for line in report.splitlines() if line.startswith("szilard run "))
    words = shlex.split(line)
    assert words[2] == "Solve it's `all`"
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == {
        "--environment": "countdown", "--metric": "S", "--guard": "pass@1=0.02", "--attempts": "8",
        "--minutes": "10", "--seeds": "5", "--workers": "1", "--device": "cpu", "--researcher": "catalogue",
        "--search": "hill-climb", "--control": str(run.directory / "controls" / "mine.py"),
        "--sandbox": "bubblewrap", "--seed": "0",
    }  # fmt: skip
    assert "hangs on the machine's speed: here it was 8 of at most 8" in report
    assert "hangs on the machine's speed" not in render(finished)


def test_report_says_where_every_figure_is_and_how_a_clone_gets_it(finished: RunRecord) -> None:
    assert "git fetch origin refs/szilard/evidence:refs/szilard/evidence" in render(finished)


def test_report_gives_the_interval_of_what_selection_saw(finished: RunRecord) -> None:
    steps = render(finished)
    assert "| selection: attempt 2 against the baseline | +0.00610 | [+0.00300, +0.00920] |" in steps
    assert "| selection: attempt 6 against attempt 2 | +0.00410 | [+0.00120, +0.00700] |" in steps
    assert finished.confirmation is not None
    first = {**finished.confirmation, "winner": {"attempt": 2, "seeds": []}, "selection_change": 0.0061}
    first["winner"]["seeds"] = finished.confirmation["winner"]["seeds"]
    alone = render(replace(finished, confirmation=first))
    assert "| gain on the selection split (flattered by the choice) | +0.00610 | [+0.00300" in alone


def test_report_shows_the_bound_of_a_guard(finished: RunRecord) -> None:
    assert finished.confirmation is not None
    guard = {**finished.confirmation["guards"][0], "lower_bound": -0.0091}
    shown = render(replace(finished, confirmation={**finished.confirmation, "guards": [guard]}))
    assert "| pass@1 | -0.00410 | -0.00910 | -0.02 | holds |" in shown
    assert "| pass@1 | -0.00410 | - | -0.02 | holds |" in render(finished)


def test_report_explains_its_columns(finished: RunRecord) -> None:
    report = render(finished)
    assert "seeds: screening + evidence" in report
    assert "A p value is one-sided" in report


def test_report_names_a_missing_sandbox_in_capitals(finished: RunRecord) -> None:
    bare = replace(finished, settings={**finished.settings, "sandbox": "none"})
    assert "SANDBOX: NONE" in render(bare)
    assert "SANDBOX: NONE" not in render(finished)


def test_report_of_a_run_that_kept_nothing_says_so(tmp_path: Path) -> None:
    directory = a_run.build_run(tmp_path / "null")
    confirmation = a_run.confirmation() | {
        "winner": None,
        "change": None,
        "interval": None,
        "selection_change": None,
        "guards": [],
        "above_frontier": None,
    }
    (directory / "confirmation.json").write_text(json.dumps(confirmation))
    report = render(_read(directory))
    assert "nothing was worth keeping" in report
    assert "learning rate x0.5" in report
    _write_report(_read(directory))
    assert b"winner" not in (directory / "picture.svg").read_bytes()


def test_the_edge_of_the_frontier_leaves_out_what_another_point_beats() -> None:
    baseline = FrontierPoint("baseline", 0.63, 0.750)
    points = tuple(
        FrontierPoint(label, x, y)
        for label, x, y in (("beaten", 0.60, 0.740), ("steep", 0.61, 0.755), ("beaten too", 0.62, 0.745))
    )
    frontier = Frontier("pass@1", "S", "confirmation", points, baseline, None)
    assert [point.label for point in frontier.hull()] == ["steep", "baseline"]
    less = [point.label for point in replace(frontier, less_y=True).hull()]
    assert less == ["beaten", "beaten too", "baseline"]
    assert replace(frontier, has_hull=False).hull() == []


def test_a_change_is_drawn_as_it_was_measured_and_one_seed_has_no_bar(finished: RunRecord) -> None:
    points = {point.number: point for point in attempt_points(finished)}
    assert points[6].change == 0.0041, "on top of attempt 2, but not added to its change"
    assert points[6].interval == (0.0012, 0.007)
    screened = replace(
        finished.attempt(8),
        trailers={k: v for k, v in finished.attempt(8).trailers.items() if k != "Score-Change-Interval"},
    )
    run = replace(finished, attempts=(*finished.attempts[:-1], screened))
    assert attempt_points(run)[-1].interval is None
    _write_report(run)
    assert b"one seed, no interval" in (run.directory / "picture.svg").read_bytes()


def test_pictures_are_whole_and_equal_for_equal_runs(finished: RunRecord) -> None:
    _write_report(finished)
    svg = (finished.directory / "picture.svg").read_bytes()
    assert b"pass@16 (confirmation split)" in svg
    assert b"winner: attempt 6" in svg
    assert (finished.directory / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert not list(finished.directory.glob(".*.tmp"))
    _write_report(finished)
    assert (finished.directory / "picture.svg").read_bytes() == svg


def test_attempts_that_changed_nothing_can_be_drawn() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_attempts(axes, "S", [AttemptPoint(1, "reverted", 0.0, None)], maximise=True)
    low, high = axes.get_ylim()
    assert low < 0.0 < high
