"""What a run will optimise, do and cost, in words, before anything is trained.

Owns these sentences and the reckoning of trainings and minutes; whether the options can be had is `plan`'s.
"""

from __future__ import annotations

from agent.closing_seeds import ClosingSeeds, closing_seeds, frontier_points, planned_closing_seeds
from agent.researchers.prices import told
from agent.seeds import every_seed
from agent.settings import RunSettings
from environments.base import EnvironmentSpec
from environments.registry import load

SCORE_SECONDS = 2.0
SCREENED_SHARE = 1 / 4
RACED_SHARE = 1 / 3
_PROPOSES = {
    "catalogue": "the catalogue (no model, no network)",
    "language-model": "language model {model}, {price}",
    "random": "chance, out of the catalogue",
    "tpe": "Optuna's TPE sampler, out of the catalogue",
    "hybrid": "Optuna's TPE sampler; language model {model}, {price}, may overrule 3 of 10 trials",
    "command": "a program of yours, in the sandbox: {model}",
}


def describe(settings: RunSettings) -> list[str]:
    """What a run will optimise, do and cost, one line each."""
    spec = load(settings.environment, settings.policy).spec
    guards = ", ".join(f"{g.metric} may fall by at most {g.tolerance:g}" for g in settings.guards) or "none"
    proposes = settings.program.told if settings.program else settings.model
    who = _PROPOSES[settings.researcher].format(model=proposes, price=told(settings.price))
    if settings.replays is not None:
        who = f"the replies of {settings.model} that {settings.replays} holds; nothing is sent"
    first = ", tried before those of the catalogue" if settings.researcher == "catalogue" else ""
    until = f", or {_minutes(settings.minutes)} with the confirmation" if settings.minutes else ""
    if settings.training_seconds:
        until += f", or {settings.training_seconds:g} seconds of training with those of the confirmation"
    until += f", or {settings.tokens:,} tokens" if settings.tokens else ""
    until += f", or {settings.dollars:g} dollars" if settings.dollars else ""
    return [
        f"Goal: {settings.goal}",
        f"Domain: {spec.name}: {spec.description}",
        *([f"Policy: {settings.policy}"] if settings.policy else []),
        f"Optimised: {settings.direction} {settings.metric}"
        + (f" ({spec.metric_meaning})" if settings.metric == spec.metric else ""),
        f"Guards, against the baseline: {guards}",
        f"Budget: {_counted(settings.attempts, 'attempt')}{until}, each trained with at most "
        + ", ".join(f"{count:,} {what}" for what, count in spec.budget.items())
        + " a seed",
        f"Decision: 1 screening seed, then up to {settings.seeds} evidence seeds"
        + (f" to show more than {settings.minimum_effect:+g}; " if settings.minimum_effect else "; ")
        + f"the chance to keep any useless edit is held at {settings.alpha:g} over the run",
        _confirmation(settings, spec),
        f"Researcher: {who}; search: {settings.search}; seed {settings.seed}",
        *([f"Your controls: {', '.join(settings.controls)}{first}"] if settings.controls else []),
        f"Machine: {_counted(settings.workers, 'worker')} on {settings.device}, sandbox: {settings.sandbox}"
        + (" (NOTHING ISOLATES THE CODE)" if settings.sandbox == "none" else ""),
        f"Cost: {_cost(settings, spec)}",
    ]


def _confirmation(settings: RunSettings, spec: EnvironmentSpec) -> str:
    planned, fitting = settings.confirmation_seeds, _closing(settings, spec).confirmation
    seeds = _counted(planned, "seed")
    if fitting < planned:
        seeds = f"about {fitting} seeds, for which there is time (of {planned})"
    again = f"Confirmation: on {settings.confirmed_on}, {seeds}"
    return f"{again}, beside the frontier of learning rate and length" if settings.trains_policy else again


def _closing(settings: RunSettings, spec: EnvironmentSpec) -> ClosingSeeds:
    """Seeds of the end where a training takes as long as the domain says."""
    points = frontier_points(load(settings.environment, settings.policy))
    return closing_seeds(settings, points, spec.seconds_per_attempt + SCORE_SECONDS)


def _cost(settings: RunSettings, spec: EnvironmentSpec) -> str:
    """What the whole run takes or, where its minutes or training seconds are fewer, what fits into those."""
    baseline, closing = len(every_seed(settings.seeds)), _closing(settings, spec)
    an_attempt = 1 + SCREENED_SHARE * RACED_SHARE * settings.seeds
    pace = settings.workers * 60 / (spec.seconds_per_attempt + SCORE_SECONDS)

    def took(trainings: float) -> str:
        return f"{_counted(round(trainings), 'training')}, {_minutes(max(1, round(trainings / pace)))}"

    last_race = settings.seeds
    whole = (
        baseline + planned_closing_seeds(settings, closing.points).trainings + settings.attempts * an_attempt
    )
    around = baseline + closing.trainings
    bounds = {
        _minutes(settings.minutes or 0): settings.minutes and settings.minutes * pace,
        f"{_counted(settings.training_seconds or 0, 'second')} of training": settings.training_seconds
        and settings.training_seconds / spec.seconds_per_attempt,
    }
    holding = {told: trainings for told, trainings in bounds.items() if trainings is not None}
    tightest = min(holding, key=holding.__getitem__, default=None)
    if tightest is None or holding[tightest] >= whole + last_race:
        return f"about {took(whole)}"
    fitting = int((holding[tightest] - around - last_race) / an_attempt)
    if fitting < 1:
        return (
            f"{tightest} may be too short for any attempt: baseline, one race and "
            f"confirmation alone are about {took(around + last_race)}"
        )
    return (
        f"{tightest}, which hold about {fitting} of the "
        f"{_counted(settings.attempts, 'attempt')} (all of them: about {took(whole)})"
    )


def _minutes(minutes: float) -> str:
    return _counted(minutes, "minute")


def _counted(count: float, noun: str) -> str:
    return f"{count:g} {noun}{'' if count == 1 else 's'}"
