"""What a loss or a term must satisfy: shapes, gradients, padding, inputs, state, figures."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from checks.calls import Calls, Refused, random_states, seed_everything
from checks.derivative import differs
from checks.inputs import Inputs, changed, edges, gradient_of, inputs, remembered

ORDINARY = ((11, 1.5), (12, 1.5), (13, 30.0), (14, 30.0), (15, 0.3), (16, 0.3))


@dataclass(frozen=True)
class Answer:
    """What a loss said of a minibatch; gradients are those of the batch's log-probabilities and entropies."""

    loss: float
    gradients: dict[str, Tensor]
    attached: bool
    state: Any

    @property
    def gradient_size(self) -> float:
        return max(float(gradient.abs().max()) for gradient in self.gradients.values())


class LossChecks:
    """The checks of one loss or term, each a method that warns in words or raises Refused."""

    def __init__(self, control: Any, calls: Calls) -> None:
        self._control = control
        self._calls = calls
        self._reference = bool(getattr(control, "needs_reference", False))
        self._is_loss = control.kind == "loss"

    def answers(self) -> list[str]:
        """Its loss, figures and state are what a training step takes, one batch after another."""
        state = None
        for seed, sharpness in ORDINARY:
            state = self.ask(self._inputs(seed, sharpness=sharpness), state).state
        return []

    def reaches(self) -> list[str]:
        """Its gradient arrives at the policy."""
        state, sizes, losses, attached = None, [], [], False
        for seed, sharpness in ORDINARY:
            answer = self.ask(self._inputs(seed, sharpness=sharpness), state)
            state = answer.state
            sizes.append(answer.gradient_size)
            losses.append(answer.loss)
            attached = attached or answer.attached
        if not attached:
            raise Refused(
                "the loss is detached, no gradient reaches the policy: compute it from batch.logprobs, "
                "batch.entropies or batch.distribution without detach(), item() or float()"
            )
        if max(sizes) == 0:
            if self._is_loss or any(losses):
                raise Refused(
                    "the gradient is zero on every batch, so nothing would be learned: look for a detach() "
                    "too many or a weight that is always zero"
                )
            return [f"it did nothing on any of {len(ORDINARY)} unlike batches"]
        return []

    def edges(self) -> list[str]:
        """It is finite on batches that are easily forgotten."""
        for name, edge in edges(self._reference).items():
            with naming(name):
                answer = self.ask(edge, None)
                if not edge.tokens and answer.gradient_size:
                    raise Refused(
                        "there is a gradient where there is no token: use token_mean(…, batch.mask)"
                    )
        return []

    def padding(self) -> list[str]:
        """Padded tokens have exactly no gradient and no influence."""
        usual = self._inputs(21)
        losses = [self._seeded(usual, seed).loss for seed in (0, 0, 1)]
        if losses[0] != losses[1]:
            return []  # what `randomness` refuses
        clean = self._seeded(usual.padded(0.0))
        unlike = {f"{garbage:g} at the padding": usual.padded(garbage) for garbage in (-30.0, 30.0)}
        if losses[0] == losses[2]:  # else other tokens are drawn in a wider batch
            unlike["more padding"] = usual.widened(3)
        for name, given in unlike.items():
            with naming(f"a batch with {name}"):
                answer = self._seeded(given)
            for part, gradient in answer.gradients.items():
                if gradient[~given.mask].any():
                    raise Refused(
                        f"padded tokens of batch.{part} get a gradient: use token_mean(…, batch.mask), or "
                        "masked_fill(~batch.mask, 0.0) before the sum"
                    )
            same = math.isclose(clean.loss, answer.loss, rel_tol=1e-5, abs_tol=1e-7)
            held = usual.mask.shape[1]
            if not same or not all(
                close(there, answer.gradients[part][:, :held]) for part, there in clean.gradients.items()
            ):
                raise Refused(
                    "what stands at the padding, or how much there is, changes the result: take every mean, "
                    "quantile and choice over batch.mask alone, and divide by batch.mask.sum()"
                )
        return []

    def equal_rewards(self) -> list[str]:
        """Without an advantage it moves nothing."""
        if not self._is_loss:
            return []
        declared = getattr(self._control, "learns_from_equal_rewards", False)
        usual = self._inputs(31).without_advantage()
        still = self.ask(usual.on_policy(), None)
        if still.gradients["logprobs"].any() and not declared:
            raise Refused(
                "it moves the policy where no advantage says so, even on-policy: multiply by "
                "batch.advantages; if that is meant, say `learns_from_equal_rewards: ClassVar[bool] = True`"
            )
        left = [name for name, gradient in still.gradients.items() if gradient.any() and name != "logprobs"]
        if left and not declared:
            return [
                f"where all rewards are equal a regulariser on batch.{left[0]} remains; a term would say so"
            ]
        if self.ask(usual, None).gradient_size and not declared:
            return ["off-policy a regulariser remains where all rewards are equal"]
        return []

    def direction(self) -> list[str]:
        """It raises what earned more, and its gradient is the derivative of its value."""
        notes = []
        usual = self._inputs(41)
        if self._is_loss:
            gradients = self.ask(usual.on_policy(), None).gradients["logprobs"]
            if float((gradients * usual.advantages).sum()) > 0:
                notes.append("it lowers what earned more: is a minus sign missing? A loss is minimised")
        different = self._derivative_differs()
        return [*notes, different] if different else notes

    def randomness(self) -> list[str]:
        """It leaves the seed to the session, and equal seeds give equal losses."""
        usual = self._inputs(51)

        def outcome(seed: int) -> tuple[float, tuple[bytes, int]]:
            return self._seeded(usual, seed).loss, random_states()

        (one, after), (again, after_again), (_, after_other) = outcome(1), outcome(1), outcome(2)
        if one != again or after != after_again:
            raise Refused(
                "equal seeds give other losses: draw from torch's global generator, without seeding it"
            )
        if after[0] == after_other[0] or after[1] == after_other[1]:
            raise Refused(
                "it seeds the global random state: leave out manual_seed, the session has seeded it"
            )
        return []

    def ask(self, given: Inputs, state: Any) -> Answer:
        """What the control says of a minibatch, held to what a training step takes."""
        batch, leaves = given.batch()
        before = remembered(batch)
        result = self._calls(self._control.loss, batch, state)
        edited = changed(batch, before)
        if edited:
            raise Refused(f"it edits batch.{edited} in place: work on a copy, batch.{edited}.clone()")
        if not isinstance(result, tuple) or len(result) != 3:
            raise Refused(f"loss() returns {_kind(result)}: return (loss, diagnostics, state)")
        loss, diagnostics, after = result
        if not isinstance(loss, Tensor):
            raise Refused(f"the loss is {_kind(loss)}: return a tensor of one number, with its gradient")
        if loss.ndim:
            raise Refused(
                f"the loss has shape {list(loss.shape)}: return one number, token_mean(values, batch.mask)"
            )
        if not torch.isfinite(loss):
            raise Refused(f"the loss is {float(loss)}: look for a division by zero, log(0) or 0 * inf")
        _check_diagnostics(diagnostics, given.tokens)
        if loss.requires_grad:
            self._calls(torch.autograd.backward, loss)
        elif self._is_loss:
            raise Refused(
                "the loss is detached, no gradient reaches the policy: compute it from batch.logprobs, "
                "batch.entropies or batch.distribution without detach(), item() or float()"
            )
        gradients = {name: gradient_of(leaf) for name, leaf in leaves.items()}
        for name, gradient in gradients.items():
            if not torch.isfinite(gradient).all():
                raise Refused(
                    f"the gradient of batch.{name} is not finite: look for sqrt or log at 0, and put "
                    "masked_fill(~batch.mask, …) before what can overflow"
                )
        return Answer(float(loss.detach()), gradients, loss.requires_grad, after)

    def _seeded(self, given: Inputs, seed: int = 0) -> Answer:
        seed_everything(seed)
        return self.ask(given, None)

    def _inputs(self, seed: int, **changes: Any) -> Inputs:
        return inputs(seed, reference=self._reference, **changes)

    def _derivative_differs(self) -> str | None:
        return differs(self._control, self._calls, reference=self._reference)


@contextmanager
def naming(edge: str) -> Iterator[None]:
    """Say on which batch something was refused."""
    try:
        yield
    except Refused as error:
        raise Refused(f"on {edge}: {error}") from None


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-7)


def _check_diagnostics(diagnostics: Any, tokens: int) -> None:
    if not isinstance(diagnostics, dict):
        raise Refused(f"the diagnostics are {_kind(diagnostics)}: return a dict of name -> float")
    for name, figure in diagnostics.items():
        if not isinstance(name, str) or not isinstance(figure, numbers.Real):
            raise Refused(f"the diagnostic {name!r} is {_kind(figure)}: make it a float, float(…)")
        if not math.isfinite(figure):
            raise Refused(f"the diagnostic {name!r} is {figure}: say nothing where there is nothing to say")
    touched = diagnostics.get("touched")
    if touched is None:
        raise Refused(
            'the diagnostics lack "touched", the number of tokens it acted on: '
            '{"touched": count(batch.mask)} if on all'
        )
    if not 0 <= touched <= tokens:
        raise Refused(f'"touched" is {touched:g} of {tokens} tokens: count within batch.mask')


def _kind(value: Any) -> str:
    shape = f" of length {len(value)}" if isinstance(value, tuple | list) else ""
    return "nothing" if value is None else f"a {type(value).__name__}{shape}"
