"""What the entropy controls promise: loss and gradient of their reference, padding without influence."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

TEMPLATES = Path(__file__).parents[2] / "workspaces" / "templates"
VECTORS = Path(__file__).parents[1] / "vectors" / "entropy"
LOSSES = ("ppo_clip.PpoClip", "clip_higher.ClipHigher", "clip_cov.ClipCov", "forking_tokens.ForkingTokens")
TERMS = ("entropy_bonus.EntropyBonus", "kl_to_start.KlToStart")
ADVANTAGES = ("group_advantage.GroupAdvantage", "pass_at_k_advantage.PassAtKAdvantage")
AVERAGES = ("last_iterate.LastIterate", "weight_average.WeightAverage")

Control = Callable[..., Any]


def forget_controls() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "controls"]:
        del sys.modules[name]


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """Makes a control of the templates in float64, `control("ppo_clip.PpoClip", low=0.2)`."""
    monkeypatch.syspath_prepend(str(TEMPLATES))
    forget_controls()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)

    def make(name: str, **parameters: Any) -> Any:
        module, kind = name.split(".")
        return getattr(importlib.import_module(f"controls.{module}"), kind)(**parameters)

    yield make
    torch.set_default_dtype(default)
    forget_controls()


def vector(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((VECTORS / f"{name}_a.json").read_text())
    return content


def tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def batch_of(inputs: dict[str, Any], **changes: Any) -> Any:
    """The minibatch of a vector; its log-probabilities and entropies are leaves."""
    logprobs = tensor(inputs["log_probs"]).requires_grad_()
    advantages = tensor(inputs.get("advantages", [0.0] * len(logprobs)))
    fields = {
        "logprobs": logprobs,
        "old_logprobs": tensor(inputs.get("old_log_probs", inputs["log_probs"])),
        "reference_logprobs": tensor(inputs["ref_log_probs"]) if "ref_log_probs" in inputs else None,
        "advantages": advantages if advantages.ndim == 2 else advantages[:, None].expand_as(logprobs),
        "entropies": tensor(inputs.get("entropy", inputs["log_probs"])).requires_grad_(),
        "mask": tensor(inputs["mask"]).bool(),
    }
    return importlib.import_module("controls.batch").Batch(**{**fields, **changes})


def assert_matches(loss: Tensor, gradient: Tensor | None, expected: dict[str, Any], tolerance: float) -> None:
    assert float(loss.detach()) == pytest.approx(expected["loss"], abs=tolerance)
    torch.testing.assert_close(gradient, tensor(expected["grad_log_probs"]), atol=tolerance, rtol=0)


# Against the reference


@pytest.mark.parametrize(
    ("name", "kind"), [("ppo_clip", "ppo_clip.PpoClip"), ("dapo_clip_higher", "clip_higher.ClipHigher")]
)
def test_clipped_losses_are_those_of_the_reference(control: Control, name: str, kind: str) -> None:
    case = vector(name)
    made = control(kind)
    assert (made.low, made.high) == (case["inputs"]["clip_low"], case["inputs"]["clip_high"])
    batch = batch_of(case["inputs"])
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert_matches(loss, batch.logprobs.grad, case["expected"], case["tolerance"])
    assert diagnostics["clip_fraction"] == pytest.approx(
        case["expected"]["clip_fraction"], abs=case["tolerance"]
    )


@pytest.mark.parametrize("name", ["clip_cov", "clip_cov_empty", "clip_cov_subset"])
def test_clip_cov_is_that_of_the_reference(
    control: Control, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = vector(name)
    inputs, expected = case["inputs"], case["expected"]
    made = control(
        "clip_cov.ClipCov",
        fraction=inputs["clip_cov_ratio"],
        lower=inputs["cov_low"],
        upper=inputs["cov_high"],
        low=inputs["clip_low"],
        high=inputs["clip_high"],
    )
    order = torch.arange if name == "clip_cov" else (lambda n, **_: torch.arange(n).flip(0))
    monkeypatch.setattr(torch, "randperm", order)
    batch = batch_of(inputs)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert_matches(loss, batch.logprobs.grad, expected, case["tolerance"])
    assert diagnostics["touched"] == len(expected["selected_indices"])


def test_clip_cov_draws_its_tokens_at_random_and_repeatably(control: Control) -> None:
    inputs = vector("clip_cov_subset")["inputs"]
    made = control("clip_cov.ClipCov", fraction=0.15, lower=0.05, upper=5.0)

    def spared(seed: int) -> tuple[tuple[int, int], ...]:
        torch.manual_seed(seed)
        batch = batch_of(inputs)
        loss, _, _ = made.loss(batch, None)
        loss.backward()
        rows = ((batch.logprobs.grad == 0) & batch.mask).nonzero().tolist()
        return tuple((row, column) for row, column in rows)

    candidates = {(i, j) for i, j in vector("clip_cov_subset")["expected"]["candidate_indices"]}
    draws = [spared(seed) for seed in range(60)]
    assert all(len(draw) == 2 for draw in draws)
    assert {token for draw in draws for token in draw} == candidates
    assert spared(7) == draws[7]


def test_forking_tokens_are_those_of_the_reference(control: Control) -> None:
    case = vector("forking_tokens_selected_mean")
    inputs, expected = case["inputs"], case["expected"]
    made = control("forking_tokens.ForkingTokens", low=inputs["clip_low"], high=inputs["clip_high"])
    assert made.fraction == inputs["top_ratio"]
    batch = batch_of(inputs)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert_matches(loss, batch.logprobs.grad, expected, case["tolerance"])
    assert diagnostics["touched"] == expected["n_kept"]
    assert batch.entropies.grad is None


def test_group_advantages_are_those_of_the_reference(control: Control) -> None:
    case = vector("group_advantages")
    rewards = tensor(case["inputs"]["rewards"]).view(-1, case["inputs"]["group_size"])
    found = control("group_advantage.GroupAdvantage").advantages(rewards)
    expected = tensor(case["expected"]["verl_grpo"]).view_as(rewards)
    torch.testing.assert_close(found, expected, atol=case["tolerance"], rtol=0)
    for group in case["expected"]["zero_std_groups"]:
        assert (found[group] == 0).all()


def test_pass_at_k_advantages_are_those_of_the_reference(control: Control) -> None:
    case = vector("passk_training")
    mixed = tensor(case["inputs"]["rewards"])
    rewards = torch.stack([mixed, torch.zeros_like(mixed), torch.ones_like(mixed)])
    found = control("pass_at_k_advantage.PassAtKAdvantage", k=case["inputs"]["k"]).advantages(rewards)
    expected = tensor([case["expected"][name] for name in ("mixed", "all_wrong", "all_right")])
    torch.testing.assert_close(found, expected, atol=case["tolerance"], rtol=0)


@pytest.mark.parametrize("right", range(9))
def test_pass_at_1_advantage_is_the_group_advantage_with_population_deviation(
    control: Control, right: int
) -> None:
    rewards = tensor([[1.0] * right + [0.0] * (8 - right)])
    found = control("pass_at_k_advantage.PassAtKAdvantage", k=1).advantages(rewards)
    spread = rewards.std(dim=1, correction=0, keepdim=True) + 1e-6
    torch.testing.assert_close(found, (rewards - rewards.mean()) / spread, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ADVANTAGES)
def test_advantages_of_a_group_sum_to_nothing(control: Control, name: str) -> None:
    rewards = torch.bernoulli(torch.full((64, 8), 0.4), generator=torch.Generator().manual_seed(0))
    found = control(name).advantages(rewards)
    assert found.shape == rewards.shape
    torch.testing.assert_close(found.sum(dim=1), torch.zeros(64), atol=1e-12, rtol=0)


def test_entropy_bonus_is_that_of_the_reference(control: Control) -> None:
    case = vector("entropy_bonus")
    inputs, expected = case["inputs"], case["expected"]
    logits = tensor(inputs["logits"]).requires_grad_()
    distribution = torch.log_softmax(logits / inputs["temperature"], dim=-1)
    chosen = torch.tensor(inputs["actions"])[..., None]
    policy_loss = control("ppo_clip.PpoClip", low=inputs["clip_low"], high=inputs["clip_high"])
    bonus = control("entropy_bonus.EntropyBonus", coefficient=inputs["entropy_coef"])
    logprobs = distribution.gather(2, chosen)[..., 0]
    batch = batch_of(
        {**inputs, "log_probs": inputs["old_log_probs"]},
        logprobs=logprobs,
        entropies=-(distribution.exp() * distribution).sum(-1),
    )
    first, second = policy_loss.loss(batch, None)[0], bonus.loss(batch, None)[0]
    (first + second).backward()
    close = {"abs": case["tolerance"]}
    assert float(first.detach()) == pytest.approx(expected["policy_loss"], **close)
    assert float(second.detach()) == pytest.approx(
        -inputs["entropy_coef"] * expected["mean_entropy"], **close
    )
    torch.testing.assert_close(logits.grad, tensor(expected["grad_logits"]), atol=case["tolerance"], rtol=0)


def test_kl_to_start_is_the_k3_of_the_reference(control: Control) -> None:
    case = vector("kl_estimators")
    expected = case["expected"]["k3_unclamped"]
    batch = batch_of(case["inputs"])
    loss, diagnostics, _ = control("kl_to_start.KlToStart", coefficient=1.0).loss(batch, None)
    loss.backward()
    assert_matches(
        loss, batch.logprobs.grad, {**expected, "loss": expected["masked_token_mean"]}, case["tolerance"]
    )
    assert diagnostics["kl"] == pytest.approx(expected["masked_token_mean"], abs=case["tolerance"])


def test_kl_to_start_without_a_reference_is_refused(control: Control) -> None:
    inputs = {k: v for k, v in vector("kl_estimators")["inputs"].items() if k != "ref_log_probs"}
    made = control("kl_to_start.KlToStart")
    with pytest.raises(ValueError, match="reference"):
        made.loss(batch_of(inputs), None)


# At the edges


EDGE = {
    "ppo_clip": ("ppo_clip.PpoClip", {}),
    "clip_cov_select_all": ("clip_cov.ClipCov", {"fraction": 1.0, "lower": 0.05, "upper": 5.0}),
    "forking_tokens_selected_mean": ("forking_tokens.ForkingTokens", {"fraction": 0.3}),
}


@pytest.mark.parametrize("name", EDGE)
def test_edge_batch_gives_the_reference_whatever_the_padding_holds(control: Control, name: str) -> None:
    case = vector("edge_batch")
    kind, parameters = EDGE[name]
    made = control(kind, low=case["inputs"]["clip_low"], high=case["inputs"]["clip_high"], **parameters)
    batch = batch_of(case["inputs"])
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    expected = case["expected"][name]
    assert_matches(loss, batch.logprobs.grad, expected, case["tolerance"])
    assert (batch.logprobs.grad[~batch.mask] == 0).all()
    if "touched" in diagnostics:
        assert diagnostics["touched"] == len(expected["selected_indices"])


@pytest.mark.parametrize("name", [*LOSSES, *TERMS])
def test_padding_has_exactly_no_gradient_and_no_influence(control: Control, name: str) -> None:
    inputs = vector("edge_batch")["inputs"]
    made, mask = control(name), tensor(inputs["mask"]).bool()

    def outcome(garbage: float) -> tuple[Tensor, Tensor, Tensor]:
        def padded(values: Tensor, scale: float = 1.0) -> Tensor:
            return values.detach().masked_fill(~mask, scale * garbage)

        plain = batch_of(inputs)
        batch = batch_of(
            inputs,
            logprobs=padded(plain.logprobs).requires_grad_(),
            old_logprobs=padded(plain.old_logprobs - 0.1, 100.0),
            reference_logprobs=padded(plain.old_logprobs, -100.0),
            advantages=padded(plain.advantages),
            entropies=padded(plain.entropies).requires_grad_(),
        )
        loss, diagnostics, _ = made.loss(batch, None)
        loss.backward()
        assert all(value == value for value in diagnostics.values())
        nothing = torch.zeros(mask.shape)
        gradients = [
            leaf.grad if leaf.grad is not None else nothing for leaf in (batch.logprobs, batch.entropies)
        ]
        return loss.detach(), gradients[0], gradients[1]

    clean, dirty = outcome(0.0), outcome(-30.0)
    for one, other in zip(clean, dirty, strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one, other, atol=1e-15, rtol=0)
    for gradient in dirty[1:]:
        assert (gradient[~mask] == 0).all()


@pytest.mark.parametrize("name", [*LOSSES, *TERMS])
def test_batch_without_a_single_token_gives_zero_and_no_gradient(control: Control, name: str) -> None:
    inputs = vector("edge_batch")["inputs"]
    batch = batch_of(
        inputs, mask=torch.zeros(4, 7, dtype=torch.bool), reference_logprobs=tensor(inputs["old_log_probs"])
    )
    loss, _, _ = control(name).loss(batch, None)
    loss.backward()
    assert float(loss.detach()) == 0
    assert batch.logprobs.grad is None or (batch.logprobs.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_equal_rewards_move_nothing(control: Control, name: str) -> None:
    inputs = vector("edge_batch")["inputs"]
    batch = batch_of(inputs, advantages=torch.zeros(4, 7))
    loss, _, _ = control(name).loss(batch, None)
    loss.backward()
    assert float(loss.detach()) == 0
    assert (batch.logprobs.grad == 0).all()


@pytest.mark.parametrize("name", [*LOSSES, *TERMS, *ADVANTAGES])
def test_control_declares_its_kind_and_names_its_paper(control: Control, name: str) -> None:
    made = control(name)
    expected = "loss" if name in LOSSES else "term" if name in TERMS else "advantage"
    assert made.kind == expected
    assert hasattr(made, "needs_reference") == (expected != "advantage")
    assert type(made).__doc__
    documented = sys.modules[type(made).__module__].__doc__ or ""
    assert "arXiv" in documented
    with pytest.raises(AttributeError):
        made.kind = "other"


def test_every_control_of_the_template_is_tested_here() -> None:
    files = {path.stem for path in (TEMPLATES / "controls").glob("*.py")} - {"__init__", "batch"}
    assert files == {name.split(".")[0] for name in (*LOSSES, *TERMS, *ADVANTAGES, *AVERAGES)}


def test_weight_average_is_the_exponential_moving_average_of_every_update(control: Control) -> None:
    average, policy = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    expected = average.weight.detach().clone()
    for step in range(5):
        with torch.no_grad():
            policy.weight.fill_(float(step))
        control("weight_average.WeightAverage", decay=0.8).update(average, policy)
        expected = 0.8 * expected + 0.2 * step
    torch.testing.assert_close(average.weight.detach(), expected)


def test_last_iterate_is_the_policy_after_the_last_update(control: Control) -> None:
    average, policy = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    control("last_iterate.LastIterate").update(average, policy)
    torch.testing.assert_close(average.weight, policy.weight)
    assert average.weight is not policy.weight
