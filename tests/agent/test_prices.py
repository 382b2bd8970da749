"""Prices of language models: those that are known have a source, those that are not are said to be none."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest

from agent.announcement import describe
from agent.plan import plan
from agent.researchers.prices import known_price
from agent.settings import InvalidOption, RunSettings


def planned(
    runs: Path, model: str, price: tuple[float, float] | None = None, dollars: float | None = None
) -> RunSettings:
    return plan(
        goal="Solve more",
        environment="countdown",
        metric=None,
        guards=None,
        attempts=2,
        minutes=None,
        seeds=2,
        workers=1,
        device="cpu",
        researcher="language-model",
        model=model,
        search="hill-climb",
        runs_dir=runs,
        name="a-run",
        seed=0,
        sandbox="none",
        keep_policies=False,
        price=price,
        dollars=dollars,
    )


def researcher_line(settings: RunSettings) -> str:
    return next(line for line in describe(settings) if line.startswith("Researcher:"))


def test_every_price_says_where_and_when_it_was_read() -> None:
    table = tomllib.loads(files("agent.researchers").joinpath("prices.toml").read_text())
    for models in table.values():
        for entry in models.values():
            assert entry.keys() == {"price", "source", "read"}
            assert entry["source"].startswith("https://")
            assert isinstance(entry["read"], date)
            asked, said = entry["price"]
            assert 0 < asked < said


@pytest.mark.parametrize(
    ("base_url", "model", "price"),
    [
        ("", "gpt-5.4-mini", (0.75, 4.5)),
        ("https://api.openai.com/v1/", "gpt-5.4-mini", (0.75, 4.5)),
        ("http://localhost:8000/v1", "gpt-5.4-mini", None),
        ("https://api.openai.com/v1", "gpt-0", None),
        ("http://[broken", "gpt-5.4-mini", None),
    ],
)
def test_a_price_is_that_of_a_model_at_its_host(
    base_url: str, model: str, price: tuple[float, float] | None
) -> None:
    assert known_price(model, {"OPENAI_BASE_URL": base_url}) == price


def test_a_known_price_is_taken_unless_another_is_given_and_an_unknown_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert planned(tmp_path, "gpt-5.4-mini", dollars=1.0).price == (0.75, 4.5)
    assert planned(tmp_path, "gpt-5.4-mini", price=(1.0, 2.0)).price == (1.0, 2.0)
    assert "0.75 and 4.5 dollars for a million tokens" in researcher_line(planned(tmp_path, "gpt-5.4-mini"))
    assert "price not known" in researcher_line(planned(tmp_path, "gpt-0"))
    with pytest.raises(InvalidOption, match="no price of gpt-0 is known"):
        planned(tmp_path, "gpt-0", dollars=1.0)
