"""Look the locked releases up among PyPI's known vulnerabilities: `make audit`.

Owns what an answer means: a vulnerability fails, nothing else does. Where the list is out of reach, or the
index answers for no release at all, nothing was audited, and that is said. The lookup is pip-audit's.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement

LOCKS = ("run", "test", "dev", "reasoning-gym")

Flaws = Mapping[str, Sequence[str]]
"""Ids of vulnerabilities, each with the releases that mend it; empty for a release without any."""


def locked(lock: Path) -> list[Requirement]:
    """The pins of one lock without hashes; a package has one for each range of Pythons that needs its own."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return [Requirement(line.removesuffix("\\")) for line in lines if re.match(r"\w", line)]


def judge(answers: Mapping[str, Flaws | None]) -> tuple[int, str]:
    """Exit status and report, from what is known of each `name==version`; None: the index has no answer."""
    unanswered = [release for release, flaws in answers.items() if flaws is None]
    if len(unanswered) == len(answers):
        return (
            0,
            f"audit not run: this package index tells no vulnerabilities of any of {len(answers)} releases",
        )
    found = [
        f"{release}: {flaw}, mended in {', '.join(mended) or 'no release yet'}"
        for release, flaws in sorted(answers.items())
        for flaw, mended in (flaws or {}).items()
    ]
    lines = [*found, *(f"not audited: {release} is unknown to the index" for release in sorted(unanswered))]
    audited = len(answers) - len(unanswered)
    lines.append(f"known vulnerabilities: {len(found)}, in {audited} audited releases")
    return int(bool(found)), "\n".join(lines)


def ask(releases: Sequence[str]) -> dict[str, Flaws | None]:
    """What PyPI knows of each release, through pip-audit.

    Raises:
        requests.RequestException, pip_audit ServiceError: the list is out of reach.
    """
    from packaging.version import Version
    from pip_audit._service import PyPIService, ResolvedDependency

    service = PyPIService(timeout=15)
    answers: dict[str, Flaws | None] = {}
    for release in releases:
        name, version = release.split("==")
        found, flaws = service.query(ResolvedDependency(name, Version(version)))
        known = {flaw.id: [str(mended) for mended in flaw.fix_versions] for flaw in flaws}
        answers[release] = None if found.is_skipped() else known
    return answers


def main(unlocked: Sequence[str]) -> int:
    """Audit every lock and what is `unlocked` (`torch==2.13.0`): print the report, return the status."""
    from pip_audit._service.interface import ServiceError
    from requests import RequestException

    pins = [pin for lock in LOCKS for pin in locked(Path(__file__).with_name(f"{lock}.txt"))]
    releases = sorted({*unlocked, *(f"{pin.name}{pin.specifier}" for pin in pins)})
    try:
        status, report = judge(ask(releases))
    except (RequestException, ServiceError) as failure:
        status, report = 0, f"audit not run: {failure.__cause__ or failure}"
    print(report)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
