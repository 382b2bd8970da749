"""Secrets, taken out of what is kept, shown or sent: values of the coordinator's environment, known formats.

Owns what counts as a secret and what stands in its place. A secret that was encoded, split or spelt backwards
is not known as one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

REDACTED = "[secret]"
SHORTEST_SECRET = 8
SHORTEST_WORD = 16

_KEY_LIKE = re.compile(
    r"(?:^|_)(?:API|APIKEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PWD|PASS|CREDENTIALS?|AUTH|PAT|COOKIE)"
    r"(?:_|\d|$)|(?:KEY|TOKEN|SECRET|PASSWORD)$",
    re.IGNORECASE,
)
_USER_OF_ADDRESS = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
# A format that may hold hyphens begins where a run of its letters does, so that a text is searched only once.
_AT_START = "(?<![A-Za-z0-9_-])"
_FORMATS = tuple(
    re.compile(pattern)
    for pattern in (
        _AT_START + r"sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic, OpenRouter
        r"\bhf_[A-Za-z0-9]{20,}",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bgithub_pat_[A-Za-z0-9_]{20,}",
        _AT_START + r"glpat-[A-Za-z0-9_-]{20,}",
        _AT_START + r"xox[abeprs]-[A-Za-z0-9-]{10,}",
        r"\bA(?:KIA|SIA)[A-Z0-9]{16}",
        r"\bAIza[A-Za-z0-9_-]{35}",
        r"\bgsk_[A-Za-z0-9]{20,}",
        _AT_START + r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",  # JSON web tokens
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"://[^/\s:@]+:[^/\s@]+@",
    )
)
_SPELT = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u00([2-7][0-9a-fA-F])|/)")


def redacted(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` with "[secret]" for each secret, also for one whose characters JSON spells in another way."""
    shown = _without_secrets(text, environ)
    spelt_out = _SPELT.sub(_character, text)
    if spelt_out == text:
        return shown
    other = _without_secrets(spelt_out, environ)
    return shown if other == spelt_out else other


def redact_file(path: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Take the secrets out of a file. In one that is no text only the values of the environment count.

    What is no text keeps its length, so that weights stay readable.

    Raises:
        OSError: it cannot be read, or not be written anew.
    """
    before = path.read_bytes()
    if b"\0" in before:
        after = before
        for secret in _values(environ):
            after = after.replace(secret.encode(), b"*" * len(secret.encode()))
    else:
        text = before.decode("utf-8", "surrogateescape")
        after = redacted(text, environ).encode("utf-8", "surrogateescape")
    if after != before:
        temporary = path.with_name(".redacted")
        temporary.write_bytes(after)
        os.replace(temporary, path)


def _without_secrets(text: str, environ: Mapping[str, str]) -> str:
    for secret in _values(environ):
        text = text.replace(secret, REDACTED)
    for form in _FORMATS:
        text = form.sub(REDACTED, text)
    return text


def _values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of key-like variables, but for paths, and the passwords in addresses; the longest first."""
    return _values_of(tuple(environ.items()))


@lru_cache(maxsize=8)
def _values_of(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    found: set[str] = set()
    for name, value in variables:
        if _KEY_LIKE.search(name) and not os.path.exists(value):
            found.add(value.strip())
        found.update(_USER_OF_ADDRESS.findall(value))
    long = {one for one in found if len(one) >= SHORTEST_SECRET and not _is_word(one)}
    return tuple(sorted(long | {json.dumps(one)[1:-1] for one in long}, key=len, reverse=True))


def _is_word(value: str) -> bool:
    """Whether it could as well be a word of code or prose, whose removal would spoil both: `countdown`."""
    return len(value) < SHORTEST_WORD and re.fullmatch("[A-Za-z]?[a-z]+([_-][a-z]+)*", value) is not None


def _character(spelt: re.Match[str]) -> str:
    character = chr(int(spelt.group(2), 16)) if spelt.group(2) else "/"
    return spelt.group(1) + json.dumps(character)[1:-1]
