"""What sampling promises: the policy's own distribution, counted up to the end token, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluators.policy import Policy, PolicyConfig, load_policy
from evaluators.sampling import (
    Completions,
    concatenate,
    decode_completions,
    encode_prompts,
    load_tokenizer,
    response_logits,
    sample,
)

SHIPPED = Path(__file__).parents[2] / "environments" / "countdown" / "policy"
PROMPTS = ([4, 9, 2], [7], [3, 3, 5, 8, 10, 2], [6, 2, 11, 12])
PAD, END = 0, 1


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Small and random, with grouped keys; ends a completion about every eighth token."""
    torch.manual_seed(0)
    made = Policy(
        PolicyConfig(
            vocab_size=13,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            rope_theta=777.0,
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=END,
            pad_token_id=PAD,
        )
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3)
    return made.eval()


def left_padded(rows: tuple[list[int], ...]) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([[PAD] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
    return ids, mask


def draw(
    policy: Policy,
    rows: tuple[list[int], ...],
    *,
    samples: int = 8,
    max_tokens: int = 14,
    seed: int = 0,
    temperature: float = 1.0,
) -> Completions:
    return sample(
        policy,
        *left_padded(rows),
        samples=samples,
        max_tokens=max_tokens,
        generator=torch.Generator().manual_seed(seed),
        temperature=temperature,
    )


def full_forward(policy: Policy, prompt: list[int], response: list[int]) -> Tensor:
    """Logits before each response token, without cache, padding or batch."""
    with torch.no_grad():
        logits: Tensor = policy(torch.tensor([prompt + response[:-1]]))
    return logits[0, len(prompt) - 1 :]


@pytest.mark.parametrize(
    "rows", [PROMPTS[:1], (PROMPTS[0], [5, 5, 8]), PROMPTS], ids=["one", "even", "ragged"]
)
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_sampling_with_cache_reports_what_a_full_forward_gives(
    policy: Policy, rows: tuple[list[int], ...], temperature: float
) -> None:
    samples = 8
    drawn = draw(policy, rows, samples=samples, temperature=temperature)
    assert drawn.tokens.shape[0] == samples * len(rows)
    for index, (tokens, mask) in enumerate(zip(drawn.tokens, drawn.mask, strict=True)):
        response = tokens[mask].tolist()
        logits = full_forward(policy, rows[index // samples], response) / temperature
        distribution = torch.log_softmax(logits, dim=-1)
        expected = distribution.gather(1, tokens[mask][:, None])[:, 0]
        torch.testing.assert_close(drawn.logprobs[index][mask], expected, atol=1e-5, rtol=0)
        entropies = -(distribution.exp() * distribution).sum(dim=-1)
        torch.testing.assert_close(drawn.entropies[index][mask], entropies, atol=1e-5, rtol=0)


def test_left_padded_prompts_give_the_distribution_of_unpadded_ones(policy: Policy) -> None:
    ids, mask = left_padded(PROMPTS)
    responses = torch.randint(2, 13, (len(PROMPTS), 5), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = response_logits(policy, ids, mask, responses)
        for index, prompt in enumerate(PROMPTS):
            alone = full_forward(policy, prompt, responses[index].tolist())
            torch.testing.assert_close(together[index], alone, atol=1e-5, rtol=0)


def test_padding_tokens_themselves_have_no_influence(policy: Policy) -> None:
    ids, mask = left_padded(PROMPTS)
    responses = torch.randint(2, 13, (len(PROMPTS), 5), generator=torch.Generator().manual_seed(0))
    other = torch.where(mask, ids, 9)
    with torch.no_grad():
        torch.testing.assert_close(
            response_logits(policy, ids, mask, responses), response_logits(policy, other, mask, responses)
        )
    generator = torch.Generator()
    first, second = (
        sample(policy, given, mask, samples=4, max_tokens=8, generator=generator.manual_seed(3))
        for given in (ids, other)
    )
    assert torch.equal(first.tokens, second.tokens)


def test_scores_of_training_are_those_of_sampling(policy: Policy) -> None:
    ids, mask = left_padded(PROMPTS)
    drawn = draw(policy, PROMPTS, samples=4)
    logits = response_logits(
        policy, ids.repeat_interleave(4, dim=0), mask.repeat_interleave(4, dim=0), drawn.tokens
    )
    logprobs = torch.log_softmax(logits, dim=-1).gather(2, drawn.tokens[..., None])[..., 0]
    torch.testing.assert_close(logprobs[drawn.mask], drawn.logprobs[drawn.mask], atol=1e-5, rtol=0)
    logprobs[drawn.mask].sum().backward()
    gradients = [parameter.grad for parameter in policy.parameters()]
    policy.zero_grad()
    assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_nothing_after_the_end_token_counts(policy: Policy) -> None:
    drawn = draw(policy, PROMPTS, samples=64)
    ended = 0
    for tokens, mask, logprobs, entropies in zip(
        drawn.tokens, drawn.mask, drawn.logprobs, drawn.entropies, strict=True
    ):
        length = int(mask.sum())
        assert mask[:length].all()
        assert END not in tokens[: length - 1]
        assert length == len(tokens) or tokens[length - 1] == END
        assert (tokens[length:] == PAD).all()
        assert (logprobs[length:] == 0).all()
        assert (entropies[length:] == 0).all()
        ended += length < len(tokens)
    assert 0 < ended < len(drawn.tokens)
    assert drawn.mean_entropy == pytest.approx(float(drawn.entropies.sum() / drawn.mask.sum()))


def test_sampling_stops_when_every_row_has_ended(policy: Policy) -> None:
    drawn = draw(policy, PROMPTS[:1], samples=2, max_tokens=400)
    assert drawn.tokens.shape[1] == int(drawn.mask.sum(dim=1).max()) < 400


def test_same_generator_seed_gives_the_same_samples_and_another_seed_others(policy: Policy) -> None:
    first, again, other = (draw(policy, PROMPTS, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.logprobs, again.logprobs)
    assert first.tokens.shape != other.tokens.shape or not torch.equal(first.tokens, other.tokens)


def test_samples_depend_on_no_global_seed(policy: Policy) -> None:
    torch.manual_seed(1)
    first = draw(policy, PROMPTS)
    torch.manual_seed(2)
    assert torch.equal(first.tokens, draw(policy, PROMPTS).tokens)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_frequencies_of_samples_match_their_probabilities(policy: Policy, temperature: float) -> None:
    from scipy.stats import chisquare

    prompts, samples = PROMPTS[:2], 20_000
    drawn = draw(policy, prompts, samples=samples, max_tokens=2, temperature=temperature)
    for index, prompt in enumerate(prompts):
        rows = drawn.tokens[index * samples : (index + 1) * samples]
        first = torch.softmax(full_forward(policy, prompt, [2])[0] / temperature, dim=-1)
        likely = int(first[2:].argmax()) + 2
        second = torch.softmax(full_forward(policy, prompt, [likely, 2])[1] / temperature, dim=-1)
        for chosen, probabilities in ((rows[:, 0], first), (rows[rows[:, 0] == likely, 1], second)):
            counts = torch.bincount(chosen, minlength=13)
            often = probabilities * len(chosen) >= 5
            observed = [*counts[often].tolist(), int(counts[~often].sum())]
            expected = [*probabilities[often].double().tolist(), float(probabilities[~often].double().sum())]
            total = sum(expected)
            expected = [len(chosen) * p / total for p in expected]
            if expected[-1] == 0:
                observed, expected = observed[:-1], expected[:-1]
            assert chisquare(observed, expected).pvalue > 1e-4


def test_mean_surprise_of_samples_is_the_reported_entropy(policy: Policy) -> None:
    drawn = draw(policy, PROMPTS[:1], samples=20_000, max_tokens=1)
    error = float(drawn.logprobs.std()) / 20_000**0.5
    assert float(-drawn.logprobs.mean()) == pytest.approx(drawn.mean_entropy, abs=4 * error)


def test_joined_parts_keep_every_row(policy: Policy) -> None:
    parts = [draw(policy, PROMPTS[:2], max_tokens=length, seed=length) for length in (3, 9)]
    joined = concatenate(parts, PAD)
    assert joined.tokens.shape == (32, max(part.tokens.shape[1] for part in parts))
    for index, part in enumerate(parts):
        rows = slice(16 * index, 16 * (index + 1))
        width = part.tokens.shape[1]
        assert torch.equal(joined.tokens[rows, :width], part.tokens)
        assert torch.equal(joined.mask[rows, :width], part.mask)
        assert not joined.mask[rows, width:].any()


def test_prompts_are_padded_on_the_left_and_completions_decoded_up_to_their_end() -> None:
    tokenizer = load_tokenizer(SHIPPED)
    ids, mask = encode_prompts(tokenizer, ["CD 1 2 >", "CD 10 >"], PAD)
    assert mask.tolist() == [[True] * 4, [False, True, True, True]]
    assert ids[1].tolist() == [PAD, *tokenizer.encode("CD 10 >").ids]
    tokens = torch.tensor([tokenizer.encode("1 + 2 3 <eos> 7 7").ids])
    ended = torch.tensor([[True] * 5 + [False] * 2])
    texts = decode_completions(tokenizer, Completions(tokens, tokens.float(), tokens.float(), ended))
    assert texts == ["1 + 2 3"]


def test_damaged_tokenizer_is_refused_with_its_path(tmp_path: Path) -> None:
    for text in (None, "{", "[]"):
        if text is not None:
            (tmp_path / "tokenizer.json").write_text(text)
        with pytest.raises(ValueError, match=r"tokenizer\.json cannot be read"):
            load_tokenizer(tmp_path)


def test_shipped_policy_mostly_ends_its_answers() -> None:
    policy, tokenizer = load_policy(SHIPPED), load_tokenizer(SHIPPED)
    ids, mask = encode_prompts(tokenizer, ["CD 3 10 7 1 21 >", "CD 5 5 2 9 48 >"], PAD)
    drawn = sample(policy, ids, mask, samples=64, max_tokens=13, generator=torch.Generator().manual_seed(0))
    ends = drawn.tokens.gather(1, drawn.mask.sum(dim=1, keepdim=True) - 1)
    assert (ends == END).float().mean() > 0.9
