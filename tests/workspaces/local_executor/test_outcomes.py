"""A job's output, logs and end are told as they were."""

import signal
from collections.abc import Callable

from tests.workspaces.local_executor.a_job import log, run
from workspaces.executors.base import Job
from workspaces.executors.local import LocalExecutor


def test_output_and_logs_of_a_job_are_files_beside_each_other(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("import os; print('said'); open(os.environ['SZILARD_ROOT'] + '/out/policy', 'w').write('w')")
    outcome = run(executor, made)
    assert (outcome.exit_code, outcome.limit, outcome.cancelled) == (0, None, False)
    assert log(made) == "said\n"
    assert (made.output / "policy").read_text() == "w"


def test_a_failure_keeps_its_exit_code_and_its_traceback(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("import sys; print('why', file=sys.stderr); sys.exit(3)")
    assert run(executor, made).exit_code == 3
    assert log(made, "stderr.log") == "why\n"


def test_death_by_signal_is_an_exit_code(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    assert run(executor, job("import os; os.abort()")).exit_code == 128 + signal.SIGABRT


def test_a_job_that_runs_twice_starts_from_an_empty_output(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("import os; open(os.environ['SZILARD_ROOT'] + '/out/first', 'w').close()")
    run(executor, made)
    (made.workspace / "main.py").write_text("pass")
    assert run(executor, made).exit_code == 0
    assert list(made.output.iterdir()) == []
