"""What a language model costs: the list prices that are known, each with its source in `prices.toml`.

Owns the table and its words; sums belong to `workspaces.spending`. A price that is given overrides it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from urllib.parse import urlsplit

from agent.researchers.endpoint import DEFAULT_BASE_URL


def known_price(model: str, environ: Mapping[str, str]) -> tuple[float, float] | None:
    """Dollars for a million tokens, of prompts and of replies, at the host that OPENAI_BASE_URL names.

    None where the table does not have it: the same name may cost something else at another host.
    """
    base_url = environ.get("OPENAI_BASE_URL", "").strip() or DEFAULT_BASE_URL
    table = tomllib.loads(files("agent.researchers").joinpath("prices.toml").read_text(encoding="utf-8"))
    try:
        found = table.get(urlsplit(base_url).hostname or "", {}).get(model)
    except ValueError:
        return None
    if found is None:
        return None
    asked, said = found["price"]
    return float(asked), float(said)


def told(price: tuple[float, float] | None) -> str:
    """A price in words; says so where it is not known."""
    if price is None:
        return "price not known, so its cost will not be told: --price IN/OUT says it"
    return f"{price[0]:g} and {price[1]:g} dollars for a million tokens of prompts and of replies"
