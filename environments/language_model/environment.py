"""Pre-training, the classic: edit a small training script, and predict held-out text in fewer bits a byte.

Owns the spec and how a policy becomes a score; the text is in `tales`, permitted shapes in `shape`, the
arithmetic in `evaluators.bits_per_byte`.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from environments.base import (
    Environment,
    EnvironmentSpec,
    FrontierPoint,
    InvalidPolicy,
    Metric,
    Score,
    Split,
)
from environments.frontier import frontier_of
from environments.language_defaults import TEMPLATES
from environments.language_model.shape import MOST_PARAMETERS, config_of, require_shape
from environments.language_model.tales import (
    PASSAGE,
    PASSAGES,
    VOCABULARY,
    Tale,
    draw_tales,
    ids_of,
)
from evaluators.clustered import clustered_standard_error

if TYPE_CHECKING:
    from evaluators.policy import Policy

TRAIN = "train.py"
CONTROLS = ("batch", "entropy_bonus", "last_iterate", "weight_average")
TOKENS, UPDATES = 192 * 4 * 256, 192
MOST_BITS = 22.0
LARGEST_FILE = 8 * MOST_PARAMETERS + 2**20
COUNTED_TALES = 500


class LanguageModel(Environment):
    """Predict tales byte by byte: a task is a passage, read on its own, a cluster the cell of its tale."""

    contract = 1
    temperature: float = 1.0
    scored_tasks: int = 256
    spec = EnvironmentSpec(
        name="language_model",
        version="1",
        description="Pre-train a small policy from nothing, to predict held-out text byte by byte",
        metric="bits_per_byte",
        metric_meaning="bits a byte that the policy needs for passages of tales about people and things that "
        "it never read of together; a policy that knows nothing needs 5.55",
        direction="minimise",
        range=(0.0, MOST_BITS),
        metrics=("bits_per_byte", "next_byte_accuracy"),
        guards=(),
        editable=(TRAIN, "entropy_control.py", "controls/*.py"),
        protected=("prepare.py", "README.md"),
        train_command=("python", TRAIN),
        budget={"tokens": TOKENS, "updates": UPDATES},
        seconds_per_attempt=15.0,
        seeds=8,
    )

    def workspace_template(self) -> Mapping[str, Path]:
        template = {path.name: path for path in sorted((TEMPLATES / "pretraining").glob("*.*"))}
        controls = {f"controls/{name}.py": TEMPLATES / "controls" / f"{name}.py" for name in CONTROLS}
        return {**template, "controls/__init__.py": TEMPLATES / "controls" / "__init__.py", **controls}

    def starting_policy(self) -> Path:
        """A policy whose weights are all 0, so that it holds every byte for equally likely."""
        return Path(__file__).parent / "start"

    def frontier(self, winner: Mapping[str, str] | None = None) -> Sequence[FrontierPoint]:
        own = (TEMPLATES / "pretraining" / TRAIN).read_text()
        return frontier_of(TRAIN, own, (winner or {}).get(TRAIN, ""))

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        import torch

        from evaluators.bits_per_byte import predict
        from evaluators.policy import PolicyFileError

        tales = draw_tales(split, seed, max(1, self.scored_tasks // PASSAGES))
        passages = [passage for tale in tales for passage in tale.passages()]
        ids = bytearray(b"".join(map(ids_of, passages)))
        tokens = torch.frombuffer(ids, dtype=torch.uint8).view(len(passages), PASSAGE + 1).long()
        loaded = self._load(policy)
        try:
            found = predict(loaded, tokens, self.temperature)
        except PolicyFileError as error:
            raise InvalidPolicy(f"{policy}: {error}") from error
        clusters = tuple(tale.cell for tale in tales for _ in range(PASSAGES))
        metrics = {
            "bits_per_byte": found.bits,
            "next_byte_accuracy": found.hits,
            "entropy": found.entropies,
        }
        return Score(self.spec.metric, {name: _metric(values, clusters) for name, values in metrics.items()})

    def at_temperature(self, temperature: float, *, tasks: int, samples: int) -> LanguageModel:
        """The same text, predicted by logits over a temperature; nothing is sampled."""
        domain = copy.copy(self)
        domain.temperature, domain.scored_tasks = temperature, tasks
        return domain

    def resealed(self, opened: Sequence[int], seed: int) -> LanguageModel:
        """This very domain: a tale takes hundreds of draws, so those of two seeds are never the same text."""
        return self

    def trivial_policies(self, folder: Path) -> Mapping[str, Path]:
        """The policy that knows how frequent each byte is, and nothing of what stands before it."""
        import torch

        from evaluators.policy import Policy, save_policy

        counts = Counter(b"".join(map(ids_of, _training_passages())))
        total = sum(counts.values())
        policy = Policy(config_of(width=8, layers=1, heads=1, feed_forward=8))
        with torch.no_grad():
            for parameter in policy.model.layers.parameters():
                parameter.zero_()
            policy.model.embed_tokens.weight.fill_(1.0)
            chances = [max(counts[token], 0.5) / total for token in range(VOCABULARY)]
            policy.lm_head.weight.copy_(torch.tensor(chances).log()[:, None].expand(-1, 8) / 8)
        save_policy(policy, folder / "byte-frequencies")
        return {"byte frequencies": folder / "byte-frequencies"}

    def _load(self, folder: Path) -> Policy:
        """Raises InvalidPolicy: the folder holds no policy of a permitted shape."""
        from evaluators.policy import WEIGHTS_FILE, PolicyConfig, PolicyFileError, load_policy

        try:
            require_shape(PolicyConfig.read(folder))
            weights = folder / WEIGHTS_FILE
            if weights.is_file() and weights.stat().st_size > LARGEST_FILE:
                raise InvalidPolicy(f"{weights} is larger than any policy that is scored.")
            return load_policy(folder)
        except PolicyFileError as error:
            raise InvalidPolicy(str(error)) from error


def _metric(values: Sequence[float], clusters: tuple[str, ...]) -> Metric:
    mean = math.fsum(values) / len(values)
    return Metric(mean, clustered_standard_error(values, clusters), tuple(values), clusters)


def _training_passages() -> list[str]:
    tales: list[Tale] = draw_tales(Split.TRAINING, 0, COUNTED_TALES)
    return [passage for tale in tales for passage in tale.passages()]
