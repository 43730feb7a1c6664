"""Calling an objective with what it names, and turning whatever happens into an Outcome."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from bandmaster.core.clock import Clock
from bandmaster.core.context import Context, EvaluationEnded
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.core.verdict import ended_with, failure_of, outcome_of
from bandmaster.errors import ConfigurationError

__all__ = ["Objective", "evaluate"]

_GIVEN: dict[str, Callable[[Job, Context], Any]] = {
    "config": lambda job, context: dict(job.config),
    "budget": lambda job, context: job.budget,
    "config_id": lambda job, context: job.config_id,
    "config_info": lambda job, context: dict(job.config_info),
    "working_directory": lambda job, context: context.working_directory,
    "job": lambda job, context: job,
    "context": lambda job, context: context,
}


class Objective:
    """A user's function, called with what its parameters name.

    Parameters
    ----------
    function : callable
        Parameters named config, budget, config_id, config_info, working_directory, job or
        context get just that, in any order; ``**kwargs`` gets all of them. Of other required
        parameters the first gets the configuration and the second the budget.

    Raises
    ------
    ConfigurationError
        When it is not callable, or needs more than there is.

    Attributes
    ----------
    budget_by_place : str or None
        The parameter that gets the budget though it has another name.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise ConfigurationError(f"the objective must be callable, got {function!r}")
        self.function = function
        self.takes_budget = self.takes_context = False
        self.budget_by_place: str | None = None
        self._positional: list[str] = []
        self._named: list[str] = []
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # some builtins have no signature
            self._positional = ["config"]
            return
        self._plan(parameters)
        taken = {*self._positional, *self._named}
        self.takes_budget, self.takes_context = "budget" in taken, "context" in taken

    def _plan(self, parameters: list[inspect.Parameter]) -> None:
        missing = [
            name for name in ("config", "budget") if name not in {p.name for p in parameters}
        ]
        for parameter in parameters:
            kind, name = parameter.kind, parameter.name
            if kind is parameter.VAR_KEYWORD:
                self._named.extend(n for n in _GIVEN if n not in (*self._positional, *self._named))
            elif kind is parameter.VAR_POSITIONAL:
                if not self._positional:
                    self._positional = missing[:1]
            elif kind is parameter.KEYWORD_ONLY:
                if name in _GIVEN:
                    self._named.append(name)
                elif parameter.default is parameter.empty:
                    raise ConfigurationError(self.refusal(name))
            elif name in _GIVEN and len(self._positional) == parameters.index(parameter):
                self._positional.append(name)
            elif name in _GIVEN:
                self._named.append(name)
            elif parameter.default is parameter.empty:
                if not missing or len(self._positional) != parameters.index(parameter):
                    raise ConfigurationError(self.refusal(name))
                self._positional.append(missing.pop(0))
                if self._positional[-1] == "budget":
                    self.budget_by_place = name

    def refusal(self, name: str) -> str:
        """Say that a parameter cannot be given."""
        return (
            f"{self.function!r} needs a parameter {name!r}, which nobody gives; an objective may "
            f"have the parameters {', '.join(_GIVEN)}"
        )

    def __call__(self, job: Job, context: Context) -> Any:
        """Call the function for `job`; what it returns or raises passes through."""
        given = [_GIVEN[name](job, context) for name in self._positional]
        if not self._named:
            return self.function(*given)
        return self.function(*given, **{name: _GIVEN[name](job, context) for name in self._named})


def evaluate(
    objective: Objective,
    job: Job,
    context: Context,
    clock: Clock,
    *,
    catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
) -> Outcome:
    """Run one evaluation; whatever it returns or raises becomes an Outcome.

    Parameters
    ----------
    catch : tuple of exception types
        What becomes a failed outcome; others (KeyboardInterrupt) pass through.
    """
    started = clock()
    try:
        returned = objective(job, context)
        return outcome_of(
            returned, started=started, finished=clock(), worker=context.worker,
            checkpoint=context.saved,
        )  # fmt: skip
    except EvaluationEnded as ended:
        outcome = ended_with(ended.metrics, ended.decision)
        return outcome.timed(started, clock(), context.worker, context.saved)
    except catch as error:
        return failure_of(error).timed(started, clock(), context.worker, context.saved)
    finally:
        context.close()
