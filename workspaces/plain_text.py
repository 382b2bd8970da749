"""Text that a model or a program wrote, made harmless: for a terminal, a line, a page, a commit, a prompt.

Owns every cleaning, cutting and fencing of foreign text; who shows it chooses which. Secrets are taken out by
`redaction`.
"""

from __future__ import annotations

import re
import unicodedata

FIELD_CHARACTERS = 6_000

_ESCAPE_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f])[^\n\x07\x1b\x9c]*(?:\x07|\x9c|\x1b\\)?"  # OSC, DCS, PM, APC, SOS
    r"|\x1b[ -/]*[0-~]"
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_ASCII_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# Letters, marks and symbols that Unicode shows as nothing; the categories hold the others.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_INVISIBLE = re.compile(f"[{_FILLERS}]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
_HIDING = re.compile(f"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f{_FILLERS}]|\r(?!\n)")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#$]|@(?!\d+(?![\w.-])))")  # pass@16 is no address
_ADDRESS = re.compile(r":(?=//)|(?<=\bwww)\.", re.IGNORECASE)
_CHAT_MARK = re.compile(r"<(?=\|)|(?<=\|)>")


def clean(text: str) -> str:
    """The text without terminal control sequences and invisible characters; every line end is "\\n"."""
    text = _LINE_ENDS.sub("\n", _ESCAPE_SEQUENCES.sub("", text))
    text = _ASCII_CONTROLS.sub("", text)
    return text if text.isascii() else _INVISIBLE.sub("", _NOT_ASCII.sub(_seen, text))


def one_line(text: str, length: int | None = None) -> str:
    """The cleaned text on one line, cut to `length` characters with an ellipsis."""
    line = " ".join(clean(text).split())
    if length is not None and len(line) > length:
        return line[: length - 1].rstrip() + "…"
    return line


def clipped(text: str, limit: int) -> str:
    """`text`, or its beginning and end around a note that says how much is missing."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def fenced(text: str, language: str = "text", limit: int | None = FIELD_CHARACTERS) -> str:
    """`text` for a language model: cleaned, clipped in the middle, in a fence that it cannot close.

    The marks that chat templates set between turns, such as those of ChatML, are broken by a space.
    """
    text = _unmarked(clean(text))
    text = text if limit is None else clipped(text, limit)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}{'' if text.endswith(chr(10)) else chr(10)}{fence}"


def markdown(text: str) -> str:
    """One cleaned line in which nothing is Markdown, HTML, a formula or a link."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ADDRESS.sub(r"\\\g<0>", _MARKDOWN.sub(r"\\\1", line))


def hidden(text: str) -> set[str]:
    """Characters by which code can look like other code: controls, a lone "\\r", what shows as nothing."""
    found = set(_HIDING.findall(text))
    return (
        found
        if text.isascii()
        else found | {c for c in text if unicodedata.category(c) in ("Cf", "Zl", "Zp")}
    )


def _seen(run: re.Match[str]) -> str:
    return "".join(char for char in run.group() if unicodedata.category(char) not in _UNSEEN)


def _unmarked(text: str) -> str:
    return _CHAT_MARK.sub(lambda mark: "< " if mark.group() == "<" else " >", text)
