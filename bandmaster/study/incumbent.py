"""Incumbents: the best evaluation known at each moment, their trajectory and their log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import format_budget
from bandmaster.core.job import ConfigId
from bandmaster.core.objectives import Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.study.formatting import format_losses, format_value
from bandmaster.study.rows import config_id_of, loss_of, stamps_of

__all__ = ["POLICIES", "IncumbentLog", "Trajectory", "find_trajectory"]

Rule = Callable[[Evaluation, Evaluation], bool]

# The name under which users of the seed's script know these lines.
_logger = logging.getLogger("bandmaster.incumbent_trajectory")


def _largest_budget(challenger: Evaluation, incumbent: Evaluation) -> bool:
    return (-challenger.budget, _loss(challenger)) < (-incumbent.budget, _loss(incumbent))


def _any_budget(challenger: Evaluation, incumbent: Evaluation) -> bool:
    return _loss(challenger) < _loss(incumbent)


def _non_decreasing_budget(challenger: Evaluation, incumbent: Evaluation) -> bool:
    return challenger.budget >= incumbent.budget and _loss(challenger) < _loss(incumbent)


def _larger_or_lower(challenger: Evaluation, incumbent: Evaluation) -> bool:
    return challenger.budget > incumbent.budget or _loss(challenger) < _loss(incumbent)


POLICIES: Mapping[str, Rule] = {
    "largest budget": _largest_budget,
    "any budget": _any_budget,
    "non-decreasing budget": _non_decreasing_budget,
}
"""When a challenger replaces the incumbent.

``"largest budget"``: a larger budget always wins, then the lower loss. ``"any budget"``: the lower
loss. ``"non-decreasing budget"``: the lower loss, at no smaller a budget.
"""

_SWITCHES: Mapping[tuple[bool, bool], Rule] = {
    (True, True): _largest_budget,
    (False, False): _any_budget,
    (False, True): _non_decreasing_budget,
    (True, False): _larger_or_lower,
}
"""The rules by HpBandSter's two switches (bigger_is_better, non_decreasing_budget).

Its fourth combination has no name here: a larger budget wins, and so does a lower loss anywhere.
"""

_KEYS = ("config_ids", "times_finished", "budgets", "losses")


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The successive incumbents of a search.

    Its length is their number, iterating gives them, and the keys of HpBandSter's dictionary
    (``"config_ids"``, ``"times_finished"``, ``"budgets"``, ``"losses"``) give lists. HpBandSter
    repeats the last incumbent at the end of the search; this does not.

    Parameters
    ----------
    evaluations : tuple of Evaluation
        Each incumbent, the last is the final one.
    times : tuple of float
        When each became the incumbent, in seconds since the epoch; never decreasing.
    objectives : Objectives, optional
        Default: minimise ``loss``.
    """

    evaluations: tuple[Evaluation, ...]
    times: tuple[float, ...]
    objectives: Objectives = field(default_factory=Objectives, repr=False)

    @property
    def losses(self) -> tuple[float, ...]:
        """Their losses; smaller is better."""
        return tuple(_loss(e) for e in self.evaluations)

    @property
    def values(self) -> tuple[float, ...]:
        """What the metric that is optimised was; the losses, unless it is maximised."""
        return tuple(map(self.objectives.value, self.losses))

    @property
    def budgets(self) -> tuple[float, ...]:
        """Their budgets."""
        return tuple(e.budget for e in self.evaluations)

    @property
    def configs(self) -> tuple[dict[str, Any], ...]:
        """Their configurations."""
        return tuple(dict(e.config) for e in self.evaluations)

    @property
    def trials(self) -> tuple[int, ...]:
        """The numbers of their trials."""
        return tuple(e.trial for e in self.evaluations)

    @property
    def config_ids(self) -> tuple[ConfigId, ...]:
        """Their identifiers: (bracket, 0, trial), as `compute` gets them."""
        return tuple(map(config_id_of, self.evaluations))

    def keys(self) -> tuple[str, ...]:
        """The keys of HpBandSter's dictionary; ``dict(trajectory)`` makes it."""
        return _KEYS

    def __getitem__(self, key: str) -> list[Any]:
        if key not in _KEYS:
            raise KeyError(f"{key!r}: a trajectory has the keys {', '.join(_KEYS)}")
        return list(getattr(self, "times" if key == "times_finished" else key))

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self.evaluations)

    def __len__(self) -> int:
        return len(self.evaluations)


def find_trajectory(
    evaluations: Iterable[Evaluation],
    *,
    budget: float | None = None,
    policy: str | tuple[bool, bool] = "largest budget",
    objectives: Objectives | None = None,
) -> Trajectory:
    """Follow the incumbent through evaluations in the order in which the study learned of them.

    Parameters
    ----------
    evaluations : iterable of Evaluation
    budget : float, optional
        Look at this budget only; all by default.
    policy : str or (bool, bool), default "largest budget"
        A key of `POLICIES`, or HpBandSter's (bigger_is_better, non_decreasing_budget).
    objectives : Objectives, optional
        Default: minimise ``loss``. Who breaks a constraint is no incumbent.

    Raises
    ------
    ConfigurationError
        If there is no such policy.

    Notes
    -----
    Workers' clocks differ and replies overtake one another, so the time of a change is the latest
    `finished` seen until then: the study cannot have known it before.
    """
    better = _rule(policy)
    objectives = objectives or Objectives()
    found: list[Evaluation] = []
    times: list[float] = []
    now = float("-inf")
    for evaluation in evaluations:
        now = max(now, stamps_of(evaluation)["finished"])
        if budget is not None and evaluation.budget != budget:
            continue
        if loss_of(evaluation) is None or not objectives.counts(evaluation):
            continue
        if not found or better(evaluation, found[-1]):
            found.append(evaluation)
            times.append(now)
    return Trajectory(tuple(found), tuple(times), objectives)


def _rule(policy: str | tuple[bool, bool]) -> Rule:
    rule = POLICIES.get(policy) if isinstance(policy, str) else _SWITCHES.get(policy)
    if rule is None:
        raise ConfigurationError(
            f"no incumbent policy {policy!r}; there are {', '.join(map(repr, POLICIES))}"
        )
    return rule


class IncumbentLog:
    """Logs every change of a budget's incumbent at INFO, and what changed in its configuration.

    Call it with each evaluation, from the thread that drives the study. The first incumbent of a
    budget is no change, so it logs nothing.

    Parameters
    ----------
    history : iterable of Evaluation, default ()
        What a resumed study knew before; it is not logged again.
    objectives : Objectives, optional
        Default: minimise ``loss``.
    """

    def __init__(
        self, history: Iterable[Evaluation] = (), objectives: Objectives | None = None
    ) -> None:
        self._objectives = objectives or Objectives()
        self._best: dict[float, Evaluation] = {}
        for evaluation in history:
            self._replaced(evaluation)

    def __call__(self, evaluation: Evaluation) -> None:
        """Take note of a finished evaluation."""
        old = self._replaced(evaluation)
        if old is None or not _logger.isEnabledFor(logging.INFO):
            return
        new, former = format_losses(*(self._objectives.value(_loss(e)) for e in (evaluation, old)))
        _logger.info(
            "Challenger (%s) is better than incumbent (%s) when budget is (%s).",
            new, former, format_budget(evaluation.budget),
        )  # fmt: skip
        changes = list(_changes(old.config, evaluation.config))
        if changes:
            _logger.info("Changes in incumbent:")
        for name, before, after in changes:
            _logger.info("  %s : %s -> %s", name, before, after)

    def _replaced(self, evaluation: Evaluation) -> Evaluation | None:
        """Make `evaluation` the incumbent if it is better; return the one it replaced."""
        if not self._objectives.counts(evaluation):
            return None
        old = self._best.get(evaluation.budget)
        if old is not None and not _any_budget(evaluation, old):
            return None
        self._best[evaluation.budget] = evaluation
        return old


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for name in sorted({*old, *new}):
        before, after = (
            format_value(config[name], quote=True) if name in config else "-"
            for config in (old, new)
        )
        if name not in old or name not in new or old[name] != new[name]:
            yield name, before, after


def _loss(evaluation: Evaluation) -> float:
    """The loss of an evaluation that is ok, so that has one."""
    assert evaluation.loss is not None
    return evaluation.loss
