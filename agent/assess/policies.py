"""The policies that an assessment holds against the baseline's: degraded ones and trivial ones.

Owns which are made; how weights are changed is `evaluators.worse_policies`, what they score is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from environments.base import Environment, Split, Task
from environments.language import LanguageEnvironment
from evaluators.worse_policies import CannotDegrade, emptied, noised, of_one_answer, shuffled

NOISE_SCALES = (5.0, 20.0)
RANDOM = "shuffled weights"
EMPTY = "weights of 0"
START = "the starting policy"
_ASKED, _DRAWN, _JUDGED, _CANDIDATES = 64, 8, 256, 24


def degraded_policies(trained: Path, folder: Path, seed: int) -> dict[str, Path]:
    """Noised copies of a trained policy; none where its weights are no tensors."""
    try:
        return {
            f"noise x {scale:g}": noised(trained, folder / f"noise-{scale:g}", scale=scale, seed=seed)
            for scale in NOISE_SCALES
        }
    except CannotDegrade:
        return {}


def trivial_policies(environment: Environment, weights: Path, folder: Path, seed: int) -> dict[str, Path]:
    """Policies that solve nothing: of any weights, and what the domain adds."""
    added: Mapping[str, Path] = environment.trivial_policies(folder / "of-the-domain")
    try:
        made = {
            RANDOM: shuffled(weights, folder / "shuffled", seed=seed),
            EMPTY: emptied(weights, folder / "emptied"),
        }
    except CannotDegrade:
        made = {}
    return {**made, **added}


def constant_answer(environment: Environment, trained: Path, folder: Path, seed: int) -> dict[str, Path]:
    """The one answer that earns most whatever is asked, as a policy; none where a domain has no prompts, or
    trains a policy of another architecture than ours.

    It is chosen among what the trained policy says, by the rewards of training tasks.
    """
    if not isinstance(environment, LanguageEnvironment):
        return {}
    import torch
    from tokenizers import Tokenizer

    from evaluators.hugging_face import is_plain
    from evaluators.policy import load_policy
    from evaluators.sampling import decode_completions, encode_prompts, load_tokenizer, sample

    torch.set_num_threads(1)
    tokenizer = load_tokenizer(environment.starting_policy())
    if not is_plain(trained) or not isinstance(tokenizer, Tokenizer):
        return {}
    policy = load_policy(trained)
    tasks = environment.drawn(Split.TRAINING, seed, _ASKED + _JUDGED)
    prompts = [task.prompt for task in tasks]
    ids, mask = encode_prompts(tokenizer, prompts[:_ASKED], policy.config.pad_token_id)
    completions = sample(
        policy,
        ids,
        mask,
        samples=_DRAWN,
        max_tokens=environment.max_tokens,
        generator=torch.Generator().manual_seed(seed),
    )
    said = decode_completions(tokenizer, completions)
    answer = _best_answer(environment, said, tasks)
    of_one_answer(policy, tokenizer, prompts, answer, folder / "constant", seed=seed)
    shown = answer if len(answer) <= 40 else answer[:39] + "…"
    return {f"constant answer {shown!r}": folder / "constant"}


def _best_answer(environment: LanguageEnvironment, said: Sequence[str], tasks: Sequence[Task]) -> str:
    """Of the answers given most and those that were right, the one of the largest mean reward."""
    right = [text for row, text in enumerate(said) if environment.rewarded(tasks[row // _DRAWN], text) > 0]
    common = [text for text, _ in Counter(said).most_common(_CANDIDATES // 2)]
    candidates = list(dict.fromkeys([*right[: _CANDIDATES // 2], *common]))
    judged = tasks[_ASKED:]
    return max(candidates, key=lambda text: sum(environment.rewarded(task, text) for task in judged))
