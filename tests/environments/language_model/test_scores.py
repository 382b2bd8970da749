"""Scores of the untrained policy, of ones worked out by hand, and of folders that hold none to be scored."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from environments.base import InvalidPolicy, Score, Split
from environments.language_model.environment import MOST_BITS, LanguageModel
from environments.language_model.shape import config_of
from environments.language_model.tales import PASSAGES, VOCABULARY
from evaluators.policy import Policy, save_policy
from tests.environments.language_model.conftest import Save

ONLY_SPACES = 1


def test_untrained_policy_needs_the_bits_of_a_uniform_guess(domain: LanguageModel, tmp_path: Path) -> None:
    score = domain.score(domain.starting_policy(), Split.SELECTION, seed=3)
    assert score.value == pytest.approx(math.log2(VOCABULARY), abs=1e-6)
    assert score.metrics["entropy"].value == pytest.approx(math.log(VOCABULARY), abs=1e-6)
    policy = Policy(config_of(width=8, layers=1, heads=1, feed_forward=8))
    for parameter in policy.parameters():
        parameter.data.zero_()
    save_policy(policy, tmp_path)
    for file in domain.starting_policy().iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes()


def test_score_has_every_metric_of_the_spec_a_passage_a_task(domain: LanguageModel, saved: Save) -> None:
    score = domain.score(saved(), Split.SELECTION, seed=3)
    assert score.primary == domain.spec.metric
    for name in (*domain.spec.metrics, "entropy"):
        metric = score.metrics[name]
        assert len(metric.per_task) == len(metric.cluster) == domain.scored_tasks
        assert len(set(metric.cluster)) == domain.scored_tasks // PASSAGES
        assert metric.value == pytest.approx(statistics.fmean(metric.per_task))
        assert metric.standard_error is not None
    assert domain.spec.range[0] < score.value < domain.spec.range[1]


def test_scoring_again_gives_the_same_score_and_another_seed_or_split_another(
    domain: LanguageModel, saved: Save
) -> None:
    policy = saved()
    score = domain.score(policy, Split.SELECTION, seed=3)
    assert domain.score(policy, Split.SELECTION, seed=3) == score
    assert domain.score(policy, Split.SELECTION, seed=4) != score
    assert domain.score(policy, Split.CONFIRMATION, seed=3) != score
    assert Score.from_json(score.to_json()) == score


def test_a_sure_policy_that_is_wrong_pays_for_it_up_to_a_bound(domain: LanguageModel, saved: Save) -> None:
    def sure_of_spaces(policy: Policy) -> None:
        policy.model.embed_tokens.weight.fill_(1.0)
        policy.lm_head.weight.zero_()
        policy.lm_head.weight[ONLY_SPACES] = 1e4 * policy.model.norm(policy.model.embed_tokens.weight[0])

    score = domain.score(saved(sure_of_spaces), Split.SELECTION, seed=3)
    hits = score.metrics["next_byte_accuracy"].value
    assert 0.1 < hits < 0.3
    bound = 16 + math.log2(VOCABULARY)
    assert score.value == pytest.approx((1 - hits) * bound, rel=1e-4)
    assert score.value < bound < MOST_BITS


def test_knowing_how_frequent_bytes_are_wins_less_than_half(domain: LanguageModel, tmp_path: Path) -> None:
    """Against what a short training reaches, 1.5 bits; see docs/language_model.md."""
    folder = domain.trivial_policies(tmp_path)["byte frequencies"]
    value = domain.score(folder, Split.SELECTION, seed=3).value
    assert 4.0 < value < 4.6
    assert (math.log2(VOCABULARY) - value) / (math.log2(VOCABULARY) - 1.5) < 0.5


def test_temperature_is_that_of_the_logits(domain: LanguageModel, saved: Save) -> None:
    policy = saved()
    cold, hot = (
        domain.at_temperature(one, tasks=8, samples=1).score(policy, Split.SELECTION, 3).metrics["entropy"]
        for one in (0.3, 1.5)
    )
    assert cold.value < hot.value
    assert len(hot.per_task) == 8


def rewritten(folder: Path, **changes: object) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hidden_size": 4096}, "parameters"),
        ({"intermediate_size": 10**12}, "parameters"),
        ({"num_hidden_layers": 17}, "layers"),
        ({"num_hidden_layers": 0}, "number of layers"),
        ({"num_attention_heads": -2}, "number of heads"),
        ({"num_key_value_heads": 3}, "Key heads"),
        ({"head_dim": 7}, "even"),
        ({"vocab_size": 256}, "alphabet"),
        ({"rope_theta": -1.0}, "rotary"),
        ({"rope_theta": math.nan}, "rotary"),
        ({"rms_norm_eps": math.inf}, "epsilon"),
        ({"model_type": "mamba"}, "llama"),
        ({"hidden_size": 24}, "does not fit"),
    ],
)
def test_policy_of_another_shape_is_refused_with_the_reason(
    domain: LanguageModel, saved: Save, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidPolicy, match=told):
        domain.score(rewritten(saved(), **changes), Split.SELECTION, seed=3)


def test_weights_that_give_no_probabilities_are_refused(domain: LanguageModel, saved: Save) -> None:
    folder = saved(lambda policy: policy.lm_head.weight.fill_(3e38))
    with pytest.raises(InvalidPolicy, match="not finite"):
        domain.score(folder, Split.SELECTION, seed=3)


def test_a_file_that_holds_more_than_the_policy_is_refused(domain: LanguageModel, saved: Save) -> None:
    folder = saved()
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "text": torch.zeros(10)}, folder / "model.safetensors")
    with pytest.raises(InvalidPolicy, match="does not fit"):
        domain.score(folder, Split.SELECTION, seed=3)
    save_file({**weights, "text": torch.zeros(10**6)}, folder / "model.safetensors")
    with pytest.raises(InvalidPolicy, match="larger than any policy"):
        domain.score(folder, Split.SELECTION, seed=3)


def test_pickled_weights_are_never_read(domain: LanguageModel, saved: Save) -> None:
    folder = saved()
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    torch.save(weights, folder / "model.safetensors")
    with pytest.raises(InvalidPolicy, match="cannot be read"):
        domain.score(folder, Split.SELECTION, seed=3)
