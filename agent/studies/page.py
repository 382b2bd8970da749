"""The page of a study: claims and rules first, then a section for every domain that it was run on.

Owns the Markdown of such pages; a section that is there is replaced, those of other domains are kept.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from agent.studies.base import Report, Study
from environments.base import SzilardError

PENDING = "Not run yet: the rules above were written first."


def write_rules(study: Study, folder: Path, domain: str) -> Path:
    """Write claims and rules, and a section that waits for its figures unless there is one already."""
    path = folder / f"{study.name}.md"
    sections = _sections(path)
    sections.setdefault(domain, PENDING)
    return _write(path, study, sections)


def write_findings(study: Study, folder: Path, domain: str, report: Report, command: str) -> Path:
    """Write what was found on a domain, and copy the files of the report beside the page."""
    path = folder / f"{study.name}.md"
    beside = folder / study.name / domain
    beside.mkdir(parents=True, exist_ok=True)
    for file in report.files:
        shutil.copy(file, beside / file.name)
    lines = [f"`{command}`", "", "| claim | found here | figures |", "|---|---|---|"]
    lines += [f"| {f.claim} | **{f.judgement}** | {f.reason.replace('|', '/')} |" for f in report.findings]
    lines.append("")
    for file in report.files:
        if file.suffix == ".svg":
            lines += [f"![{study.title}, on {domain}]({study.name}/{domain}/{file.name})", ""]
    lines.append(report.body.strip())
    others = [file.name for file in report.files if file.suffix != ".svg"]
    if others:
        named = ", ".join(f"[{name}]({study.name}/{domain}/{name})" for name in others)
        lines += ["", f"Files: {named}."]
    sections = _sections(path)
    sections[domain] = "\n".join(lines)
    return _write(path, study, sections)


def _sections(path: Path) -> dict[str, str]:
    """Domain -> the text below its heading."""
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SzilardError(f"{path} is no page of a study (not UTF-8): move it away.") from error
    parts = re.split(r"^## On (\S+)$", text, flags=re.M)
    return {domain: text.strip() for domain, text in zip(parts[1::2], parts[2::2], strict=True)}


def _write(path: Path, study: Study, sections: dict[str, str]) -> Path:
    lines = [f"# {study.title}", "", study.design, "", "## Claims and rules", ""]
    lines += ["Rules are written before anything is trained; one that was corrected later says so.", ""]
    for claim in study.claims:
        lines += [f"**{claim.name}.** {claim.text} ({claim.source})", "", f"*Rule.* {claim.rule}", ""]
    for domain, text in sorted(sections.items()):
        lines += [f"## On {domain}", "", text, ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path
