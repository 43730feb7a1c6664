"""Playing runs: records, the virtual clock, tables and the report of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandmaster.optimizers import Cost, ETPEOptimizer, Optimizer, get_optimizer
from bandmaster.testing.problems import branin, counting_ones
from benchmarks.quality import ablations, cli, report, suites
from benchmarks.quality.asktime import ask_times, measure
from benchmarks.quality.bench import Bench
from benchmarks.quality.curve import Curve
from benchmarks.quality.engines import engine, parse
from benchmarks.quality.runs import play
from benchmarks.quality.schedulers import StudyScheduler, Task
from benchmarks.quality.sequential import sequential
from benchmarks.quality.simulated import simulated
from benchmarks.quality.table import Results
from benchmarks.quality.watch import watch


def test_a_run_is_its_seed_again() -> None:
    """The same key gives the same curve, another seed another one."""
    first, again, other = (play(("branin", "Random", s, 1, 9.0)) for s in (3, 3, 4))
    assert first.x == again.x
    assert first.y == again.y
    assert first.y != other.y
    assert "" == first.error


@pytest.mark.parametrize("workers", [1, 8])
def test_with_workers_as_many_evaluations_are_made(workers: int) -> None:
    """Eight at a time make the 20 evaluations that one at a time makes, and no more."""
    bench, curve = suites.load("branin"), Curve()
    optimizer = get_optimizer("Random")
    sequential(bench, optimizer, 0, workers=workers, n_evaluations=20, curve=curve)
    assert (20, 20, 20) == (len(curve.losses), len(curve.asks), len(optimizer.history))


def test_an_exception_becomes_a_record() -> None:
    """What an engine raises is kept, and the round goes on."""
    assert "no optimizer 'Nobody'" in play(("branin", "Nobody", 0, 1, 5.0)).error


def test_a_cap_cuts_off() -> None:
    """After the cap nothing more is asked, and the record says after how many."""
    assert 1 == play(("branin", "Random", 0, 1, 50.0), cap=0.0).capped


class Script:
    """Schedules given (value, budget) pairs and notes when losses arrive."""

    def __init__(self, *tasks: tuple[float, float]) -> None:
        self.tasks = list(tasks)
        self.told: list[tuple[float, float]] = []

    def next(self) -> Task | None:
        """Return the next of the script."""
        if not self.tasks:
            return None
        x, budget = self.tasks.pop(0)
        return Task({"x": x, "y": 0.0}, budget, None)

    def tell(self, task: Task, loss: float, seconds: float) -> None:
        """Note it."""
        self.told.append((task.config["x"], task.budget))


def played(script: Script, *, workers: int, length: float) -> Curve:
    """Play a script whose evaluations take as long as their budget; 9 is a full one."""
    problem = replace(
        branin(), function=lambda config, budget: config["x"] - budget, budgets=(1, 3, 9)
    )
    curve = Curve()
    simulated(Bench(problem, eta=3), script, workers=workers, length=length, curve=curve)
    return curve


def test_evaluations_end_in_the_order_of_the_virtual_clock() -> None:
    """With two workers a short evaluation that begins second ends first."""
    script = Script((5.0, 9), (4.0, 1), (3.0, 3))
    played(script, workers=2, length=10)
    assert [(4.0, 1), (3.0, 3), (5.0, 9)] == script.told


def test_what_ends_too_late_does_not_count() -> None:
    """A full evaluation that begins after the first cannot end within one duration."""
    script = Script((5.0, 9), (1.0, 9))
    curve = played(script, workers=1, length=1)
    assert [(5.0, 9)] == script.told
    assert [1.0] == curve.x


def test_the_largest_budget_says_who_is_best() -> None:
    """One evaluation at a larger budget counts more than all at smaller ones."""
    curve = played(Script((1.0, 1), (9.0, 3), (8.0, 9), (0.0, 1)), workers=1, length=10)
    assert [1.0 - 9, 9.0 - 9, 8.0 - 9] == curve.y  # the true loss is the one at budget 9


def test_several_budgets_are_played_by_a_generator() -> None:
    """Counting ones takes 2 full evaluations with Hyperband, and the truth has no noise."""
    record = play(("mf-counting_ones", "Random+HyperBand", 0, 4, 2.0))
    assert "" == record.error
    assert record.y[-1] >= counting_ones().optimum
    assert max(record.x) <= 2.0


def test_the_study_learns_what_evaluations_cost() -> None:
    """On the virtual clock the optimizer's history has the durations that the problem says."""
    bench, optimizer = suites.load("mf-hartmann6-dear"), get_optimizer("Random")
    scheduler = StudyScheduler(bench, optimizer, "Flat", 0)
    simulated(bench, scheduler, workers=2, length=20, curve=Curve())
    history = optimizer.history
    seconds = history.column("finished") - history.column("started")
    assert len(history) > 3
    assert [100.0 ** (1 - e.config["x0"]) for e in history] == pytest.approx(seconds.tolist())


def test_a_cost_may_have_a_total() -> None:
    """`cost=NAME/TOTAL` in an engine's name makes a Cost with a total."""
    with engine(parse("ETPE:cost=duration/500"), seed=0) as optimizer:
        assert isinstance(optimizer, ETPEOptimizer)
        assert Cost("duration", total=500.0) == optimizer.cost


@pytest.mark.parametrize("name", ["multi-vehicle", "constrained-vessel"])
@pytest.mark.parametrize("engine_name", ["Random", "Optuna", "Optuna:sampler=NSGAII"])
def test_several_metrics_are_told_and_scored(name: str, engine_name: str) -> None:
    """Engines and peers learn all metrics; the curve falls towards the optimum, never below."""
    record = play((name, engine_name, 0, 1, 25.0))
    assert "" == record.error
    assert record.y == sorted(record.y, reverse=True)
    assert record.y[-1] >= suites.load(name).problem.optimum


def test_what_breaks_a_constraint_is_not_the_best() -> None:
    """The curve starts with the first outcome that meets the constraints."""
    bench, curve = suites.load("constrained-branin_disk"), Curve()
    watched = watch(bench, curve)
    for n, (x, y) in enumerate([(-np.pi, 12.275), (2.5, 7.5), (np.pi, 2.275)], start=1):
        config = {"x": x, "y": y}
        watched.note(n, config, watched.evaluate(config))
    assert [2, 3] == curve.x
    assert pytest.approx(0.397887357729) == curve.y[-1]


def test_what_ten_random_configurations_reach_is_a_regret_of_one() -> None:
    """The median of several objectives is between nothing and the whole front's hypervolume."""
    for name in ("multi-dtlz2", "multi-mixed"):
        reference = suites.load(name).reference()
        assert reference.best < reference.median < 0.0


def test_only_what_all_engines_have_is_compared() -> None:
    """Engines that lack a problem are left out, seeds that one lacks too."""
    records = [
        *(play(("branin", "Random", seed, 1, 4.0)) for seed in range(3)),
        *(play(("branin", "Sobol", seed, 1, 4.0)) for seed in range(2)),
        play(("hartmann6", "Random", 0, 1, 4.0)),
    ]
    both = Results.of(records, ["branin"], ["Random", "Sobol", "GP"])
    assert (("Random", "Sobol"), (0, 1)) == (both.engines, both.seeds)
    assert ("Random",) == Results.of(records, ["branin", "hartmann6"], ["Random", "Sobol"]).engines


def test_the_command_runs_resumes_and_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command plays and shows; called again it plays nothing; the page keeps its prose."""
    page = tmp_path / "page.md"
    old = "<!-- section synthetic -->\nold\n<!-- section other -->\nkept\n"
    page.write_text(f"before\n{report.BEGIN}\n{old}{report.END}\nafter\n")
    command = [
        "--suite", "synthetic", "--problems", "branin", "--engines", "Random", "Sobol",
        "--seeds", "2", "--budget", "6", "--results", str(tmp_path / "runs.jsonl"),
    ]  # fmt: skip
    assert 0 == cli.main([*command, "--report", str(page)])
    assert "4 runs with 1 at a time, 4 of them to do" in capsys.readouterr().out
    assert 0 == cli.main(command)
    assert "4 runs with 1 at a time, 0 of them to do" in capsys.readouterr().out
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| branin |" in text
    assert "old" not in text
    assert "kept" in text
    assert (tmp_path / "images" / "quality-synthetic.png").read_bytes().startswith(b"\x89PNG")


def test_every_suite_names_its_problems() -> None:
    """A suite's problems are found again by their names, and no name is in one suite twice."""
    for suite in suites.SUITES:
        found = suites.names(suite)
        assert len(found) == len(set(found))
        assert bool(found) or bool(suites.why_missing(suite))


def test_the_time_of_an_ask_is_measured_once(tmp_path: Path) -> None:
    """For every size p50 and p99; what the file knows is not measured again; it can be drawn."""
    found = measure("Random", (5, 20))
    assert [5, 20] == list(found)
    assert all(0 < p50 <= p99 for p50, p99 in found.values())
    path = tmp_path / "times.json"
    path.write_text('{"Nobody": {"5": [1.0, 2.0], "20": [2.0, 4.0]}}')
    times = ask_times(["Nobody"], path)
    assert {"Nobody": {5: (1.0, 2.0), 20: (2.0, 4.0)}} == times
    assert "| Nobody | 1 / 2 | 2 / 4 |" in report.ask_time_section(times, tmp_path)
    assert (tmp_path / "quality-ask-time.png").exists()


def test_an_ablation_compares_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant's row says how much smaller the regret is with what it lacks."""
    monkeypatch.setitem(ablations.ABLATIONS, "Sobol", (("is even", "Random"), ("none", "Absent")))
    names = ablations.variants("Sobol")
    assert ["Sobol", "Random", "Absent"] == names
    records = [play(("branin", name, s, 1, 5.0)) for name in names[:2] for s in range(3)]
    ((what, ratio, wins),) = ablations.rows(Results.of(records, ["branin"], names), "Sobol")
    assert "is even (`Random`)" == what
    assert float(ratio.partition(" ")[0]) > 0
    assert 2 == wins.count("/")


def test_every_ablation_is_a_legal_engine() -> None:
    """A variant that no longer exists is taken off the list, or renamed in it."""
    for name in ablations.ABLATIONS:
        for variant in ablations.variants(name):
            with engine(parse(variant), seed=0) as made:
                assert isinstance(made, Optimizer)
