"""The page that goes with an exported control: what it does, and what its run measured of it.

Owns the words; every figure was decided elsewhere.
"""

from __future__ import annotations

from workspaces.attempts import AttemptRecord
from workspaces.controls import Control
from workspaces.plain_text import fenced, markdown
from workspaces.review.claim import confirmation_sentence
from workspaces.review.record import RunRecord, figures
from workspaces.review.text import figure, markdown_table, signed, span

_TRAILERS = {
    "Seed-Changes": "change by seed",
    "P-Value": "p value, one-sided",
    "Threshold": "held against",
    "Alpha-Spent": "alpha that it could spend",
    "Seeds": "seeds, the first screens",
    "Guards": "guards, against the baseline",
    "Entropy-End": "final entropy, nats a token",
    "Diagnosis": "where entropy went",
    "Sandbox": "sandbox",
}


def control_page(run: RunRecord, attempt: AttemptRecord, control: Control, change: str) -> str:
    """The page as Markdown; `change` is the diff by which the attempt put the control in force."""
    found, settings = figures(attempt), run.settings
    on = f"attempt {attempt.parent}" if attempt.parent else "the baseline"
    rows = [
        (f"change of {settings['metric']}, against {on}", signed(found.change)),
        ("95% interval", span(found.interval)),
        ("score", figure(found.score, found.standard_error, found.change)),
        *(
            (said, attempt.trailers[name])
            for name, said in _TRAILERS.items()
            if attempt.trailers.get(name) is not None
        ),
    ]
    file = f"{control.module}.py"
    return "\n\n".join(
        [
            f"# {control.name}",
            markdown(control.summary) or "Its file says nothing of it.",
            f"A control of kind `{control.kind}`, invented by attempt {attempt.number} of the run "
            f"{markdown(str(settings['name']))} (researcher: {markdown(attempt.researcher)}) in the domain "
            f"{markdown(str(settings['environment']).rpartition('/')[2])}, and {attempt.verdict} there.",
            f"- Hypothesis: {markdown(attempt.hypothesis)}\n- Mechanism: {markdown(attempt.mechanism)}",
            "## Measured",
            markdown_table(("", ""), [(markdown(name), markdown(value)) for name, value in rows]),
            "The figures are those of the whole attempt, below, in that domain. Of the run's winner as a "
            f"whole: {markdown(confirmation_sentence(run))}.",
            "## How it was in force",
            fenced(change, "diff"),
            "## Use it",
            f"```sh\nszilard controls check {file}\npytest test_{file}\n"
            f'szilard run "GOAL" --control {file}\n```\n',
        ]
    )
