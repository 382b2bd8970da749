"""What is installed is what was locked, with hashes, for pyproject.toml; and an audit says what it saw."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements.audit import LOCKS, judge, locked

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
STATED = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["build"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
MACHINES = [
    {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": platform}
    for python in ("3.11", "3.12", "3.13")
    for platform in ("linux", "darwin")
]
CHOSEN_BY_THE_USER = "torch"


def wanted(lock: str) -> dict[str, Requirement]:
    """What pyproject.toml states for one lock."""
    stated = [Requirement(line) for line in STATED + EXTRAS.get(lock, [])]
    return {canonicalize_name(one.name): one for one in stated if one.name != CHOSEN_BY_THE_USER}


def lock_file(lock: str) -> Path:
    return ROOT / "requirements" / f"{lock}.txt"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_what_pyproject_states_and_nothing_that_it_states_no_longer(lock: str) -> None:
    blocks = re.findall(r"^([\w.-]+)==(.*?)(?=^\S|\Z)", lock_file(lock).read_text(), re.MULTILINE | re.DOTALL)
    direct = {name for name, block in blocks if "szilard (pyproject.toml" in block}
    assert direct == set(wanted(lock)), "pyproject.toml and the lock disagree: run `make lock`"


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: "-".join(machine.values()))
@pytest.mark.parametrize("lock", LOCKS)
def test_what_a_machine_gets_satisfies_pyproject_and_is_the_same_in_every_lock(
    lock: str, machine: dict[str, str]
) -> None:
    pins = [pin for pin in locked(lock_file(lock)) if pin.marker is None or pin.marker.evaluate(machine)]
    versions = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}
    assert len(versions) == len(pins), "a package is pinned twice"
    for name, stated in wanted(lock).items():
        if stated.marker is None or stated.marker.evaluate(machine):
            assert stated.specifier.contains(versions[name]), (
                f"{stated} is locked at {versions[name]}: `make lock`"
            )
    for pin in locked(lock_file("run")):
        if pin.marker is None or pin.marker.evaluate(machine):
            assert versions[pin.name] == str(pin.specifier).removeprefix("=="), (
                f"{pin.name} differs from run.txt"
            )


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_release_has_a_hash_and_torch_is_left_to_the_user(lock: str) -> None:
    text = lock_file(lock).read_text(encoding="utf-8")
    hashed = re.findall(r"^([\w.-]+)==.*\\\n    --hash=sha256:[0-9a-f]{64}\b", text, re.MULTILINE)
    names = [pin.name for pin in locked(lock_file(lock))]
    assert names == hashed
    assert not [name for name in names if re.match(r"torch$|triton|nvidia-|cuda-", name)]


def test_the_build_backend_is_among_what_is_locked() -> None:
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["build"])


def test_a_known_vulnerability_fails_the_audit_with_its_id_and_the_release_that_mends_it() -> None:
    status, report = judge(
        {"a==1.0": {"PYSEC-1": ["1.1", "2.0"], "PYSEC-2": []}, "b==2.0": {}, "c==3.0": None}
    )
    assert status == 1
    assert report.splitlines() == [
        "a==1.0: PYSEC-1, mended in 1.1, 2.0",
        "a==1.0: PYSEC-2, mended in no release yet",
        "not audited: c==3.0 is unknown to the index",
        "known vulnerabilities: 2, in 2 audited releases",
    ]


def test_an_index_that_answers_for_no_release_is_no_clean_audit() -> None:
    status, report = judge({"a==1.0": None, "b==2.0": None})
    assert (status, report.startswith("audit not run: ")) == (0, True)


def test_releases_without_a_known_vulnerability_pass_the_audit() -> None:
    assert judge({"a==1.0": {}}) == (0, "known vulnerabilities: 0, in 1 audited releases")
