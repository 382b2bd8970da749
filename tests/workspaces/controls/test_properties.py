"""What holds of every control on any batch."""

from __future__ import annotations

import importlib
import math
import sys
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.vectors.read import tensor
from tests.workspaces.controls.vectors import (
    LOSSES,
    TEMPLATES,
    TERMS,
    Control,
    batch_of,
    group_of,
    minibatches,
    without_penalty,
)

ADVANTAGES = (
    "group_advantage.GroupAdvantage",
    "batch_scaled_advantage.BatchScaledAdvantage",
    "dr_grpo_advantage.DrGrpoAdvantage",
    "leave_one_out_advantage.LeaveOneOutAdvantage",
    "best_minus_second_advantage.BestMinusSecondAdvantage",
    "quantile_advantage.QuantileAdvantage",
    "weighted_reinforce.WeightedReinforce",
    "pass_at_k_advantage.PassAtKAdvantage",
    "unlikeliness_advantage.UnlikelinessAdvantage",
    "entropy_shaped_advantage.EntropyShapedAdvantage",
    "overlong_shaped_advantage.OverlongShapedAdvantage",
)


AVERAGES = ("last_iterate.LastIterate", "weight_average.WeightAverage")


SAMPLINGS = ("temperature.Temperature", "dynamic_sampling.DynamicSampling")


SHARED = {"__init__", "batch", "composition", "notes", "sampling"}


def outcome_of(made: Any, batch: Any) -> tuple[float, list[Tensor]]:
    torch.manual_seed(0)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert all(math.isfinite(value) for value in diagnostics.values())
    assert 0 <= diagnostics["touched"] <= int(batch.mask.sum())
    leaves = (batch.logprobs, batch.entropies, batch.distribution)
    return float(loss.detach()), [
        leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves
    ]


anything = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", [*LOSSES, *TERMS])
@given(inputs=minibatches())
@anything
def test_any_batch_gives_a_finite_loss_and_padding_no_gradient(
    control: Control, name: str, inputs: dict[str, Any]
) -> None:
    batch = batch_of(inputs)
    loss, gradients = outcome_of(control(name), batch)
    assert math.isfinite(loss)
    for gradient in gradients:
        assert torch.isfinite(gradient).all()
        assert (gradient[~batch.mask] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@given(inputs=minibatches())
@anything
def test_zero_advantage_gives_zero_loss_and_gradient(
    control: Control, name: str, inputs: dict[str, Any]
) -> None:
    batch = batch_of({**inputs, "advantages": [0.0] * len(inputs["log_probs"])})
    loss, gradients = outcome_of(without_penalty(control, name), batch)
    assert loss == 0
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("name", [name for name in (*LOSSES, *TERMS) if name != "clip_cov.ClipCov"])
@given(inputs=minibatches())
@anything
def test_order_of_sequences_changes_nothing(control: Control, name: str, inputs: dict[str, Any]) -> None:
    for number, row in enumerate(inputs["log_probs"]):  # no ties, which any order may break
        for at in range(len(row)):
            row[at] -= 1e-3 * (number * len(row) + at)
            inputs["entropy"][number][at] += 1e-3 * (number * len(row) + at)
    turned = {field: values[::-1] for field, values in inputs.items()}
    if name == "kl_cov.KlCov":
        batch = batch_of(inputs)
        spent = importlib.import_module("controls.batch").covariance(batch)[batch.mask].sort().values
        assume(bool((spent.diff() > 1e-9).all()))
    loss, gradients = outcome_of(control(name), batch_of(inputs))
    other, turned_gradients = outcome_of(control(name), batch_of(turned))
    assert loss == pytest.approx(other, abs=1e-10)
    for one, two in zip(gradients, turned_gradients, strict=True):
        torch.testing.assert_close(one, two.flip(0), atol=1e-10, rtol=1e-9)


TOKEN_MEAN_AT_RATIO_1 = (
    "ppo_clip.PpoClip",
    "dual_clip.DualClip",
    "clip_higher.ClipHigher",
    "gppo.Gppo",
    "ce_gppo.CeGppo",
    "cispo.Cispo",
    "cispo_absolute.CispoAbsolute",
    "kl_cov.KlCov",
)


@pytest.mark.parametrize("name", TOKEN_MEAN_AT_RATIO_1)
@given(inputs=minibatches())
@anything
def test_on_policy_every_clipped_form_is_the_policy_gradient(
    control: Control, name: str, inputs: dict[str, Any]
) -> None:
    batch = batch_of({**inputs, "old_log_probs": inputs["log_probs"]})
    _, (gradient, _, _) = outcome_of(control(name), batch)
    tokens = max(1, int(batch.mask.sum()))
    torch.testing.assert_close(gradient, -batch.advantages * batch.mask / tokens, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("name", ADVANTAGES)
@given(right=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
@anything
def test_advantages_are_finite_whatever_was_right(
    control: Control, name: str, right: list[list[bool]]
) -> None:
    rewards = tensor(right)
    found = control(name).advantages(group_of(rewards))
    assert found.shape[:2] == rewards.shape
    assert torch.isfinite(found).all()
    made = control(name)
    if not getattr(made, "learns_from_equal_rewards", False):
        assert (found[rewards.std(dim=1) == 0] == 0).all() or name.startswith("batch_scaled")


@pytest.mark.parametrize("name", [*LOSSES, *TERMS, *ADVANTAGES, *AVERAGES, *SAMPLINGS])
def test_control_declares_its_kind_and_names_its_source(control: Control, name: str) -> None:
    made = control(name)
    kinds = {
        "loss": LOSSES, "term": TERMS, "advantage": ADVANTAGES, "average": AVERAGES, "sampling": SAMPLINGS
    }  # fmt: skip
    assert name in kinds[made.kind]
    assert type(made).__doc__
    documented = sys.modules[type(made).__module__].__doc__ or ""
    assert "arXiv" in documented or name == "last_iterate.LastIterate"
    with pytest.raises(AttributeError):
        made.kind = "other"


def test_every_control_of_the_template_is_tested_here() -> None:
    files = {path.stem for path in (TEMPLATES / "controls").glob("*.py")} - SHARED
    assert files == {name.split(".")[0] for name in (*LOSSES, *TERMS, *ADVANTAGES, *AVERAGES, *SAMPLINGS)}
