"""What is said below the table of a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import cut_end
from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Status
from bandmaster.core.retried import Retried
from bandmaster.study.ending import Ending
from bandmaster.study.formatting import clean

__all__ = [
    "note_ending",
    "note_engines",
    "note_exceptions",
    "note_failures",
    "note_front",
    "note_proposers",
    "note_retries",
    "reason_of",
]

_TURNS = 5
_EARLY = ("interrupted", "stopped", "timeout")
_LONGEST = 160  # characters of a reason


def reason_of(evaluation: Evaluation) -> str:
    """Why it failed: what its traceback says after the last frame, in one line, or its status."""
    return last_line(evaluation.error or "") or evaluation.status.value


def last_line(error: str) -> str:
    """Return what a traceback says after its last frame, in one line; "" for nothing."""
    lines = [line for line in error.split("\n") if line.strip()]
    if not lines:
        return ""
    frames = [i for i, line in enumerate(lines) if line.startswith("  File ")]
    if not frames:
        return lines[-1].strip()
    said = [line for line in lines[frames[-1] + 1 :] if not line.startswith("    ")]
    return said[0].strip() if said else lines[-1].strip()


def note_failures(failures: Sequence[Evaluation], total: int) -> list[str]:
    """Say how many of `total` evaluations failed, and why most of them did."""
    if not failures:
        return []
    reasons = Counter(map(reason_of, failures))
    reason, times = reasons.most_common(1)[0]
    said = cut_end(clean(reason), _LONGEST)
    how_many = "All" if len(failures) == total else f"{len(failures)} of"
    how_often = f", {times} of them with this" if len(reasons) > 1 else ""
    return [
        f"{how_many} {total} evaluations failed (.failures has the tracebacks){how_often}: {said}"
    ]


def note_ending(ending: Ending | None) -> list[str]:
    """Say why a search ended that did not do all it might have done."""
    if ending is None or ending.cause not in _EARLY:
        return []
    return [f"The search has ended early: {cut_end(clean(ending.why), _LONGEST)}."]


def note_engines(rows: Iterable[Evaluation]) -> list[str]:
    """Say which engines proposed from which trial on, and why, where it was more than one.

    Trials that no model proposed and that name no engine (a user's, a random share) say nothing.
    """
    own = {
        e.trial: e.config_info
        for e in rows
        if e.trial >= 0 and ("engine" in e.config_info or e.config_info.get("model_based_pick"))
    }
    if not any("engine" in info for info in own.values()):
        return []
    turns: list[str] = []
    engines = set()
    last = None
    for trial, info in sorted(own.items()):
        engine = info.get("engine", "another optimizer")
        if engine == last:
            continue
        engines.add(engine)
        last = engine
        why = f" ({info['why']})" if info.get("why") else ""
        turns.append(clean(f"{engine} from trial {trial}{why}"))
    if len(engines) < 2:
        return []
    if len(turns) > _TURNS:
        turns[_TURNS - 1 :] = [f"and {len(turns) - _TURNS + 1} more changes"]
    return [f"Proposed by {', '.join(turns)}."]


def note_proposers(proposers: Sequence[tuple[int, str]]) -> list[str]:
    """Say which optimizers proposed from which trial on, where it was more than one."""
    if len(proposers) < 2:
        return []
    first, *others = [(trial, cut_end(clean(name), _LONGEST)) for trial, name in proposers]
    turns = [f"{name} from trial {trial} on" for trial, name in others[-_TURNS:]]
    if len(others) > _TURNS:
        turns.insert(0, f"{len(others) - _TURNS} others")
    return [f"The optimizer was changed: first {first[1]}, then {', '.join(turns)}."]


def note_exceptions(rows: Iterable[Evaluation], objectives: Objectives) -> list[str]:
    """Say how many were stopped early, and how many break a constraint."""
    rows = list(rows)
    notes = []
    stopped = sum(e.status is Status.STOPPED for e in rows)
    if stopped:
        notes.append(f"{stopped} of {len(rows)} evaluations were stopped early.")
    infeasible = sum(e.ok and not objectives.counts(e) for e in rows)
    if infeasible:
        names = clean(", ".join(metric.name for metric in objectives.constraints))
        notes.append(f"{infeasible} of {len(rows)} evaluations break a constraint ({names}).")
    return notes


def note_retries(retries: Sequence[Retried]) -> list[str]:
    """Say how many attempts were tried again, and why the last was."""
    if not retries:
        return []
    failed = sum(retried.failed for retried in retries)
    lost = len(retries) - failed
    parts = [f"{lost} lost with their workers"] * (lost > 0) + [f"{failed} failed"] * (failed > 0)
    last = retries[-1]
    reason = cut_end(clean(last_line(last.reason)), _LONGEST)
    at = f" at {clean(last.worker)}" if last.worker else ""
    count = "1 attempt was" if len(retries) == 1 else f"{len(retries)} attempts were"
    return [
        f"{count} tried again ({', '.join(parts)}; see .retries); the last: "
        f"job {last.job.number}{at}: {reason}"
    ]


def note_front(size: int, objectives: Objectives) -> list[str]:
    """Say that one of several metrics decides what is shown, and how many none beats in all."""
    names = clean(", ".join(metric.name for metric in objectives.optimized))
    return [
        f"The best by {clean(objectives.primary.name)}; {size} evaluations are on the Pareto front "
        f"of {names} (see .pareto_front())."
    ]
