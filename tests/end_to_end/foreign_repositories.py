"""Repositories that know nothing of Szilard, as people write them, and the TOML file that is put over each.

Owns their files; what is made of them is tested elsewhere. None imports anything of ours.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterable
from pathlib import Path

CLASSIFIER = """
import csv
import os

import numpy as np
from sklearn.tree import DecisionTreeClassifier

SEED = int(os.environ["SEED"])


def read(name):
    with open(os.path.join("data", name)) as file:
        return np.array([[float(cell) for cell in row] for row in csv.reader(file)])


table = read("train.csv")
model = DecisionTreeClassifier(max_depth=4, max_features=16, random_state=SEED)
model.fit(table[:, 1:], table[:, 0])
print("accuracy on what it was trained on:", model.score(table[:, 1:], table[:, 0]))
with open("predictions.csv", "w") as file:
    csv.writer(file).writerows([int(digit)] for digit in model.predict(read("test.csv")))
"""
SCORE = """
import csv
import json

labels = [row[0] for row in csv.reader(open("held_out/labels.csv"))]
predicted = [row[0] for row in csv.reader(open("predictions.csv"))]
assert len(predicted) == len(labels), "there is not one prediction for each row"
print(json.dumps({"accuracy": sum(map(str.__eq__, labels, predicted)) / len(labels)}))
"""
CLASSIFIER_TOML = """
name = "digits"
description = "Classify handwritten digits"
repository = "digits"
train = "python train.py"
score = "python score.py"
seed = "SEED"
editable = ["*.py"]
protected = ["score.py"]
hidden = ["held_out/*"]
artefacts = ["predictions.csv"]
time_limit = 60
seeds = 3

[metric]
name = "accuracy"
direction = "maximise"
range = [0.0, 1.0]
key = "accuracy"
"""

SLOW_C = r"""
#include <stdio.h>
#include <stdlib.h>

/* The sum of all primes below n. */
int main(int argc, char **argv) {
    long n = atol(argv[1]), sum = 0;
    for (long i = 2; i < n; i++) {
        int prime = 1;
        for (long d = 2; d < i && prime; d++)
            prime = i % d != 0;
        if (prime) sum += i;
    }
    printf("%ld\n", sum);
    return 0;
}
"""
BENCH_C = """
# Another input for every seed, so that nobody knows the answer beforehand.
exec ./primes $((30000 + $1 % 500))
"""
CHECK_C = """
import sys
from pathlib import Path

said = Path("run.stdout").read_text().split()
below = 30000 + int(sys.argv[1]) % 500
is_prime = [False, False] + [True] * (below - 2)
for number in range(2, 175):
    is_prime[number * number :: number] = [False] * len(is_prime[number * number :: number])
right = str(sum(number for number, prime in enumerate(is_prime) if prime))
if said != [right]:
    raise SystemExit(f"the sum is {right}, the program said {said[:3]}")
"""
C_TOML = """
name = "primes"
description = "Sum the primes below 30000, faster"
repository = "primes"
train = "make"
run = "sh bench.sh {seed}"
score = "python3 check.py {seed}"
editable = ["src/*.c"]
artefacts = ["primes"]
time_limit = 30
deterministic = true
seeds = 3

[metric]
name = "seconds"
kind = "seconds"
direction = "minimise"
range = [0.0, 30.0]
"""

TRAIN_CHARACTERS = '''
"""The most atomic way to train a model of characters: pure Python, no dependencies."""
import argparse, json, math, random

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=1337)
random.seed(parser.parse_args().seed)
text = open("input.txt").read()
letters = sorted(set(text))
weights = {a: {b: random.gauss(0, 0.5) for b in letters} for a in letters}
learning_rate, steps = 0.05, 3000
split = int(0.9 * len(text))


def probabilities(a):
    largest = max(weights[a].values())
    powers = {b: math.exp(w - largest) for b, w in weights[a].items()}
    total = sum(powers.values())
    return {b: power / total for b, power in powers.items()}


for step in range(steps):
    at = random.randrange(split - 1)
    a, b = text[at], text[at + 1]
    for c, p in probabilities(a).items():
        weights[a][c] -= learning_rate * (p - (c == b))
pairs = list(zip(text[split:], text[split + 1 :]))
loss = -sum(math.log(probabilities(a)[b]) for a, b in pairs) / len(pairs)
print(f"step {steps}: val loss {loss:.4f}")
'''
TEXT = "the quick brown fox jumps over the lazy dog while a wise old owl watches from the tallest tree\n"
CHARACTERS_TOML = """
name = "characters"
description = "Train a small model of characters"
repository = "characters"
train = "python train.py --seed {seed}"
editable = ["train.py"]
time_limit = 30
seeds = 3

[metric]
name = "loss"
kind = "self-reported"
direction = "minimise"
range = [0.0, 100.0]
pattern = 'val loss ([0-9.]+)'
"""


def make_digits(folder: Path) -> Path:
    """A classifier by scikit-learn, with labels held out; tracked by git. Returns its TOML file."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = [[int(y), *map(int, x)] for x, y in zip(digits.data[:900], digits.target[:900], strict=True)]
    repository = folder / "digits"
    _write(repository, {"train.py": CLASSIFIER, "score.py": SCORE, "README.md": "# Digits\n"})
    _table(repository / "data" / "train.csv", rows[:600])
    _table(repository / "data" / "test.csv", [row[1:] for row in rows[600:]])
    _table(repository / "held_out" / "labels.csv", [row[:1] for row in rows[600:]])
    (repository / "data" / "logo.bin").write_bytes(bytes(range(256)))
    _track(repository)
    (repository / "notes-of-mine.txt").write_text("git does not track this")
    return _toml(folder / "digits.toml", CLASSIFIER_TOML)


def make_primes(folder: Path) -> Path:
    """A slow program in C with a Makefile; no git. Returns its TOML file."""
    makefile = "primes: src/main.c\n\tcc -O1 -o primes src/main.c\n"
    _write(
        folder / "primes",
        {"src/main.c": SLOW_C, "Makefile": makefile, "check.py": CHECK_C, "bench.sh": BENCH_C},
    )
    return _toml(folder / "primes.toml", C_TOML)


def make_characters(folder: Path) -> Path:
    """A train.py that prints its own loss; tracked by git. Returns its TOML file."""
    _write(folder / "characters", {"train.py": TRAIN_CHARACTERS, "input.txt": TEXT * 20})
    _track(folder / "characters")
    return _toml(folder / "characters.toml", CHARACTERS_TOML)


def state_of(repository: Path) -> dict[str, tuple[bytes, int, int]]:
    """All that lies in a repository: content, mode and time of every file."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(repository.rglob("*"))
        if path.is_file()
    }


def _write(repository: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"))


def _toml(path: Path, text: str) -> Path:
    path.write_text(text.lstrip("\n"))
    return path


def _table(path: Path, rows: Iterable[list[int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _track(repository: Path) -> None:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "As it is")):
        subprocess.run(["git", "-C", str(repository), *identity, *command], check=True)
