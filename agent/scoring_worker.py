"""A warm process that scores policies: one JSON request a line on stdin, one answer a line on stdout.

A request without a split asks for the score of a snapshot.
It runs outside every sandbox and reads nothing but safetensors and configuration of a policy folder.
It ends when its stdin closes, so it cannot outlive the coordinator. Who starts it sets how many threads
it may use; torch is loaded by environments that need it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from environments.base import InvalidEnvironment, Score, Split, SzilardError
from environments.blame import file_of, place_of_error, raised
from environments.registry import load


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    environment = load(*sys.argv[1:])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            policy, seed = Path(request["policy"]), request["seed"]
            if "split" in request:
                opened = request["opened"]
                domain = environment.resealed(opened, seed) if opened else environment
                score: Score | None = domain.score(policy, Split(request["split"]), seed)
            else:
                score = environment.score_snapshot(policy, seed)
            answer: dict[str, object] = {"score": score.to_json() if score else None}
        except InvalidEnvironment as error:
            answer = {"failed": str(error)}
        except SzilardError as error:
            answer = {"invalid": str(error)}
        except Exception as error:  # noqa: BLE001 - an evaluator is foreign code: its failure is an answer
            place = place_of_error(error, file_of(environment))
            answer = {"failed": f"{place + ': ' if place else ''}{raised(error)}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
