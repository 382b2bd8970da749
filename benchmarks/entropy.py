"""Seconds and peak memory of token entropy over a vocabulary of 150,000: Szilard's against TRL's and verl's.

`pip install -e '.[benchmark]'`, for verl also `pip install --no-deps verl` and
`pip install ray tensordict codetiming hydra-core`, then `python benchmarks/entropy.py [--sequences N]`.
Sequences of 512 tokens, on the CPU, one thread. Each contender runs in a process of its own, whose high-water
mark is its peak: memory is this mark less what was resident before the logits were made, as a multiple of
the logits; with the gradient, which is as large as they are, nobody can do with less than 2. Contenders take
turns, so that a machine that drifts does not decide; seconds are CPU seconds, which on one thread are the
wall's less what other processes took. Errors are against float64, in nats, on some rows; with float32
logits Szilard must agree with it, and the others must compute the same function.

All contenders see the same logits, of as many sequences as all can hold: fewer rows than the 2048 that
verl chunks by, so its chunked form differs from the plain one in its precision only. The full shape (64
sequences, 19.7 GB in float32) is Szilard's alone, and is run where memory suffices. verl compiles its
function by default, so both forms are shown. Where verl cannot be imported its lines are those restated here.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor

SEQUENCES, LENGTH, VOCABULARY = 64, 512, 150_000
COMPARED_SEQUENCES = 2
ROUNDS, CALLS = 3, 3
SPREAD = 3.0  # standard deviation of the logits
CHECKED_ROWS = 16
MOST_MEMORY = 1.25
MOST_ERROR = 5e-5  # of Szilard's entropies and gradient in float32, nats
SAME_FUNCTION = 1e-3  # of the others': more would mean that they compute something else
# The full shape is tried where so much of its logits is available.
AVAILABLE = 1.15

Entropy = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Run:
    """One contender in one process.

    `seconds` of each call; `memory` as a multiple of the logits; `error` of entropies (nats) and of their
    gradient (None without one) against float64.
    """

    seconds: list[float]
    memory: float
    error: float
    gradient_error: float | None


@dataclass(frozen=True)
class Row:
    """A contender's part in one comparison: medians of time, the largest of the rest."""

    seconds: float
    memory: float
    error: float
    gradient_error: float | None


def szilard_entropy() -> Entropy:
    from evaluators.entropy import token_entropy

    return token_entropy


def trl_entropy() -> Entropy:
    from trl.trainer.utils import entropy_from_logits

    return entropy_from_logits  # type: ignore[no-any-return]


def verl_entropy() -> Entropy:
    try:
        from verl.utils.torch_functional import entropy_from_logits
    except ImportError:
        return restated_entropy_from_logits
    return entropy_from_logits  # type: ignore[no-any-return]


def verl_chunked_entropy() -> Entropy:
    try:
        from verl.utils.torch_functional import entropy_from_logits_with_chunking
    except ImportError:
        return restated_entropy_from_logits_with_chunking
    return entropy_from_logits_with_chunking  # type: ignore[no-any-return]


def verl_compiled_entropy() -> Entropy:
    """As verl/workers/engine/fsdp/transformer_impl.py makes it unless told otherwise."""
    return torch.compile(verl_entropy(), dynamic=True)


# From verl 0.9.1, verl/utils/torch_functional.py, Copyright 2024 Bytedance Ltd. and/or its affiliates,
# Apache License 2.0.


def restated_entropy_from_logits(logits: Tensor) -> Tensor:
    pd = torch.nn.functional.softmax(logits, dim=-1)
    return torch.logsumexp(logits, dim=-1) - torch.sum(pd * logits, dim=-1)


def restated_entropy_from_logits_with_chunking(logits: Tensor, chunk_size: int = 2048) -> Tensor:
    entropy = torch.zeros(logits.shape[0], device=logits.device)
    for i in range(0, logits.shape[0], chunk_size):
        entropy[i : i + chunk_size] = restated_entropy_from_logits(logits[i : i + chunk_size].float())
    return entropy


CONTENDERS = {
    "szilard": szilard_entropy,
    "trl": trl_entropy,
    "verl": verl_entropy,
    "verl chunked": verl_chunked_entropy,
    "verl compiled": verl_compiled_entropy,
}


def measured(contender: str, sequences: int, dtype: torch.dtype, gradient: bool, calls: int) -> Run:
    """Time calls of a contender in this process, which must have done nothing else before."""
    torch.set_num_threads(1)
    entropy = CONTENDERS[contender]()

    def call(logits: Tensor) -> Tensor:
        logits.grad = None
        found = entropy(logits.flatten(0, 1))
        if gradient:
            found.sum().backward()
        return found.detach()

    call(torch.zeros(2, 4, VOCABULARY, dtype=dtype, requires_grad=gradient))
    gc.collect()
    before = resident("VmRSS")
    logits = made_in_place(sequences, dtype).requires_grad_(gradient)
    seconds, found = [], torch.empty(0)
    for _ in range(calls):
        start = time.process_time()
        found = call(logits)
        seconds.append(time.process_time() - start)
    memory = (resident("VmHWM") - before) / (logits.numel() * logits.element_size())
    error, gradient_error = errors(logits, found)
    return Run(seconds, memory, error, gradient_error)


def made_in_place(sequences: int, dtype: torch.dtype) -> Tensor:
    """The same random logits for every contender, without a second copy."""
    logits = torch.empty(sequences, LENGTH, VOCABULARY, dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    for part in logits.view(-1, VOCABULARY).split(16):
        part.normal_(0.0, SPREAD, generator=generator)
    return logits


def resident(field: str) -> int:
    """Bytes of this process, VmRSS now or VmHWM at most."""
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0])


def errors(logits: Tensor, entropies: Tensor) -> tuple[float, float | None]:
    """Largest error of some rows against the formulas in float64, of entropies and of gradients."""
    flat = logits.detach().view(-1, VOCABULARY)
    rows = torch.arange(0, len(flat), len(flat) // CHECKED_ROWS)
    logprobs = torch.log_softmax(flat[rows].double(), dim=-1)
    exact = -(logprobs.exp() * logprobs).sum(dim=-1)
    error = float((entropies[rows].double() - exact).abs().max())
    if logits.grad is None:
        return error, None
    slope = -logprobs.exp() * (logprobs + exact[:, None])
    return error, float((logits.grad.view(-1, VOCABULARY)[rows].double() - slope).abs().max())


def in_fresh_process(contender: str, sequences: int, dtype: str, gradient: bool, calls: int = CALLS) -> Run:
    with tempfile.NamedTemporaryFile("r", suffix=".json") as answer:
        command = [sys.executable, __file__, "--contender", contender, "--sequences", str(sequences)]
        command += ["--dtype", dtype, "--calls", str(calls), "--answer", answer.name]
        done = subprocess.run(
            command + ["--gradient"] * gradient,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            told = f"{done.stdout}{done.stderr[-4000:]}"
            raise SystemExit(f"{contender} failed ({dtype}), exit status {done.returncode}:\n{told}")
        return Run(**json.load(answer))


def gathered(runs: list[Run]) -> Row:
    slopes = [run.gradient_error for run in runs if run.gradient_error is not None]
    return Row(
        statistics.median(seconds for run in runs for seconds in run.seconds),
        max(run.memory for run in runs),
        max(run.error for run in runs),
        max(slopes) if slopes else None,
    )


def compare(names: list[str], sequences: int) -> dict[tuple[str, bool], dict[str, Row]]:
    """Every contender with each type of logits, forward alone and with the gradient."""
    cases = [(dtype, gradient) for dtype in ("float32", "bfloat16") for gradient in (False, True)]
    runs: dict[tuple[str, bool, str], list[Run]] = {}
    for _ in range(ROUNDS):
        for dtype, gradient in cases:
            for name in names:
                done = in_fresh_process(name, sequences, dtype, gradient)
                runs.setdefault((dtype, gradient, name), []).append(done)
    return {case: {name: gathered(runs[(*case, name)]) for name in names} for case in cases}


def show(name: str, row: Row, ours: float) -> None:
    slope = "" if row.gradient_error is None else f"   gradient {row.gradient_error:.1e}"
    figures = f"{row.seconds:8.3f} s {ours / row.seconds:9.2f} {row.memory:15.2f} {row.error:12.1e}"
    print(f"  {name:14} {figures}{slope}")


def claim(words: str, holds: bool) -> bool:
    print(f"{'PASS' if holds else 'FAIL'}  {words}")
    return holds


def judge(case: str, rows: dict[str, Row]) -> None:
    """Claim speed and exactness against everyone else."""
    ours = rows["szilard"]
    for name, row in rows.items():
        if name != "szilard":
            ratio = ours.seconds / row.seconds
            claim(f"{case}: {ratio:.2f} of {name}'s time <= 1", ratio <= 1)
    closest = min(row.error for row in rows.values())
    claim(f"{case}: error {ours.error:.1e} nats, the least of all", ours.error <= closest)


def contenders_here() -> list[str]:
    """Who can run on this machine; says who cannot, and whose lines are used."""
    names = list(CONTENDERS)
    if importlib.util.find_spec("trl") is None:
        names.remove("trl")
        print("trl is not installed: not compared (pip install -e '.[benchmark]')")
    else:
        print(f"trl {importlib.metadata.version('trl')}: trl.trainer.utils.entropy_from_logits")
    try:
        importlib.import_module("verl.utils.torch_functional")
        print(f"verl {importlib.metadata.version('verl')}: verl.utils.torch_functional.entropy_from_logits")
    except ImportError as error:
        print(f"verl cannot be imported ({error}): its functions as of 0.9.1, restated here")
    if shutil.which("c++") is None and shutil.which("g++") is None:
        names.remove("verl compiled")
        print("there is no C++ compiler: verl's function is not shown compiled")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sequences", type=int, default=COMPARED_SEQUENCES, metavar="N", help="in the comparison (default 2)"
    )
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--gradient", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        run = measured(
            options.contender,
            options.sequences,
            getattr(torch, options.dtype),
            options.gradient,
            options.calls,
        )
        options.answer.write_text(json.dumps(asdict(run)))
        return

    print(f"torch {torch.__version__}, CPU, one thread")
    names = contenders_here()
    found = compare(names, options.sequences)
    print(f"\n{options.sequences} x {LENGTH} tokens x {VOCABULARY:,}, {ROUNDS} x {CALLS} calls each")
    for (dtype, gradient), rows in found.items():
        print(f"{dtype} logits, {'forward + backward' if gradient else 'forward'}")
        print(f"  {'':14} {'CPU':>10} {'szilard /':>9} {'peak / logits':>15} {'error (nats)':>12}")
        for name, row in rows.items():
            show(name, row, rows["szilard"].seconds)
    print(f"\nSzilard alone, forward; {available() / 1e9:.1f} GB of memory available")
    alone = [full_shape(dtype) for dtype in ("float32", "bfloat16")]

    print()
    for (dtype, gradient), rows in found.items():
        judge(f"{dtype}, {'forward + backward' if gradient else 'forward'}", rows)
    compared = [(case[0], rows["szilard"].memory) for case, rows in found.items() if not case[1]]
    peaks = [*((dtype, options.sequences, memory) for dtype, memory in compared), *alone]
    lean = [
        claim(
            f"{dtype}, forward, {sequences} x {LENGTH}: peak {memory:.2f} x logits <= {MOST_MEMORY}",
            memory <= MOST_MEMORY,
        )
        for dtype, sequences, memory in peaks
    ]
    for (dtype, _), rows in found.items():
        for name, row in rows.items():
            most = MOST_ERROR if name == "szilard" else SAME_FUNCTION
            if dtype == "float32" and max(row.error, row.gradient_error or 0.0) > most:
                raise SystemExit(f"with float32 logits {name} is more than {most} off float64")
    print(f"with float32 logits Szilard is within {MOST_ERROR} of float64, the others within {SAME_FUNCTION}")
    sys.exit(not all(lean))


def available() -> int:
    return int(psutil.virtual_memory().available)


def full_shape(dtype: str) -> tuple[str, int, float]:
    """Run ours at the full shape, or at as many sequences as memory holds; (dtype, sequences, memory)."""
    one = LENGTH * VOCABULARY * getattr(torch, dtype).itemsize
    sequences = max(1, min(SEQUENCES, int(available() / AVAILABLE) // one))
    if sequences < SEQUENCES:
        print(
            f"{dtype}: not run at the full shape of {SEQUENCES * one / 1e9:.1f} GB: "
            f"{available() / 1e9:.1f} GB available"
        )
    run = in_fresh_process("szilard", sequences, dtype, False, calls=1)
    print(
        f"{dtype}: {sequences} x {LENGTH} x {VOCABULARY:,} = {sequences * one / 1e9:.1f} GB: "
        f"peak {run.memory:.2f} x logits, {run.seconds[0]:.1f} CPU s"
    )
    return dtype, sequences, run.memory


if __name__ == "__main__":
    main()
