"""The attacks of the probe, run inside a sandbox; each says what it got. Prints one JSON object.

Owns the attempts only: `probe.py` judges from outside which of them succeeded. Reads nothing of ours.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable


def attempt(action: Callable[[], object]) -> str:
    """What `action` returned, or why it failed."""
    try:
        return f"got {action()}"
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def write(path: str) -> str:
    with open(path, "w") as file:
        file.write("written from inside")
    return path


def connect(family: int, address: tuple[str, int] | str) -> str:
    with socket.socket(family) as client:
        client.settimeout(0.2)
        client.connect(address)
    return "a connection"


def attack(target: dict[str, str], port: int, process: int) -> dict[str, str]:
    """Every attack, by name; `target` holds paths of the host."""
    root = os.environ["SZILARD_ROOT"]
    return {
        "write a file of the host": attempt(lambda: write(target["write"])),
        "read a file of the host": attempt(lambda: read(target["read"])),
        "connect to the host's loopback": attempt(lambda: connect(socket.AF_INET, ("127.0.0.1", port))),
        "connect to a unix socket of the host": attempt(lambda: connect(socket.AF_UNIX, target["socket"])),
        "read the environment of a host process": attempt(lambda: read(f"/proc/{process}/environ")),
        "signal a host process": attempt(lambda: os.kill(process, signal.SIGTERM)),
        "change the code under research": attempt(lambda: write(f"{root}/workspace/changed")),
        "change a kernel setting": attempt(lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)),
        "write the output": attempt(lambda: write(f"{root}/out/written")),
    }


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    json.dump(attack(arguments["target"], arguments["port"], arguments["process"]), sys.stdout)
