"""`szilard study`: try a published claim again."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import click

from agent.cli.find import folder, json_option
from agent.cli.training import Asked, training_options


@click.command(short_help="Try a published claim about entropy again.")
@click.argument("name", metavar="NAME")
@training_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=folder,
    help="Folder of the trainings.  [default: runs/studies/NAME]",
)
@click.option(
    "--pages",
    type=click.Path(path_type=Path),
    callback=folder,
    help="Folder of the page NAME.md, such as docs/studies.  [default: the folder of the trainings]",
)
@click.option("--rules", is_flag=True, help="Write claims and rules to the page, and train nothing.")
@json_option
def command(
    name: str,
    asked: Asked,
    out: Path | None,
    pages: Path | None,
    rules: bool,
    as_json: bool,
) -> None:
    """Train what study NAME needs, and write its page.

    NAME is entropy-law, entropy-regime, forking-tokens or controls.

    The page says claims and rules first: what counts as reproduced is fixed before anything is trained.
    Interrupt it at any time: the same command goes on.

    \b
    Examples:
      szilard study entropy-law
      szilard study controls --minutes 30
      szilard study entropy-law --pages docs/studies
    """
    from agent.cli.view import open_view
    from agent.opening import Interrupted
    from agent.studies import load
    from agent.studies.page import write_findings, write_rules
    from agent.trials import open_trials
    from environments.registry import load as load_environment

    study = load(name)
    spec = load_environment(asked.environment).spec
    domain = "-".join(re.findall(r"[A-Za-z0-9_-]+", spec.name)) or "domain"
    out = out or Path("runs/studies") / study.name
    pages = pages or out
    settings = asked.settings(study.title, out)
    view = open_view(as_json)
    page = pages / f"{study.name}.md"
    view.plan(
        [
            f"{study.title}, on {domain}: {len(study.claims)} claims; the rules are in {page}",
            f"At most {study.trainings(asked.seeds)} trainings; they live in {out}",
        ]
    )
    if rules:
        write_rules(study, pages, domain)
        return
    typed = "szilard " + shlex.join(sys.argv[1:])
    try:
        with view, open_trials(out, settings, {"names": []}, view.observe) as trials:
            write_rules(study, pages, domain)
            report = study.run(trials, view.observe, typed)
    except Interrupted:
        view.note(f"Stopped. Go on with: {typed}")
        sys.exit(130)
    write_findings(study, pages, domain, report, typed)
    if as_json:
        findings = [{"claim": f.claim, "judgement": f.judgement, "reason": f.reason} for f in report.findings]
        view.emit({"event": "study", "page": str(page), "findings": findings})
        return
    for finding in report.findings:
        view.note(f"\n{finding.claim}: {finding.judgement}. {finding.reason}")
    view.note(f"\nPage: {page}")
