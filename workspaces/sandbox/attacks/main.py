"""Runs every attack inside a sandbox, and prints what each said as one JSON object.

Owns nothing but the order: `probe.py` judges from outside which of them succeeded.
"""

import json
import sys
from functools import partial

from . import files, kernel, network, processes
from .told import ROOT, say


def main() -> None:
    target = json.loads(sys.argv[1])
    said = {}
    for group in (files, network, kernel, processes):
        for name, attack in group.ATTACKS.items():
            said[name] = say(partial(attack, target))
    said["write the output"] = say(partial(files.write, f"{ROOT}/out/written"))
    json.dump(said, sys.stdout)
