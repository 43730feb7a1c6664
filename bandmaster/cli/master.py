"""``bandmaster master``: drive a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bandmaster.cli.exits import EXIT_FAILED
from bandmaster.cli.metrics import metric
from bandmaster.cli.options import connection_options, make_run_id, make_tls, number, sigterm_option
from bandmaster.cli.sources import check_output, find_previous, naming
from bandmaster.core.randomness import DEFAULT_SEED
from bandmaster.errors import ConfigurationError
from bandmaster.interrupts import SIGTERM_GRACE

if TYPE_CHECKING:
    from bandmaster.core.objectives import Metric
    from bandmaster.multifidelity import IterGenerator
    from bandmaster.study.result import Result

__all__ = ["GENERATORS", "make_generator", "master", "report"]

GENERATORS = ("asha", "asha-stopping", "bohb", "flat", "hyperband", "pasha", "sh")
"""The values of --generator."""


@click.command()
@click.argument("space", type=click.Path(exists=True, dir_okay=False))
@connection_options
@click.option("--optimizer", default="auto", show_default=True, help="Who proposes configurations.")
@click.option(
    "--generator",
    type=click.Choice(GENERATORS, case_sensitive=False),
    default="hyperband",
    show_default=True,
    help="Who decides on budgets; flat runs every configuration once, at the maximal budget.",
)
@click.option("--min-budget", type=number, help="The cheapest look, e.g. 1/4; not for flat.")
@click.option("--max-budget", type=number, default="1", show_default=True, help="The real thing.")
@click.option(
    "--eta", type=number, default="3", show_default=True, help="One in so many goes on to the next."
)
@click.option(
    "--metric",
    "metrics",
    type=metric,
    multiple=True,
    help="What evaluations return and the search goes by: NAME (minimized), NAME:maximize, "
    "NAME<=NUMBER or NAME>=NUMBER (constraints), NAME:store. May be repeated.  [default: loss]",
)
@click.option("--n-iterations", type=click.IntRange(min=1), help="Stop after so many brackets.")
@click.option("--n-trials", type=click.IntRange(min=1), help="Stop after so many configurations.")
@click.option(
    "--timeout",
    type=number,
    help="Start nothing after so many seconds, and end what runs 5 s later.",
)
@click.option("--job-timeout", type=number, help="Give up an evaluation after so many seconds.")
@click.option(
    "--max-retries",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="How often a job whose worker died is given to another one.",
)
@click.option(
    "--retry-failed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How often an evaluation that failed is tried again.",
)
@click.option(
    "--max-initial-failures",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="End the run when it begins with so many failures; 0 is never.",
)
@sigterm_option("the evaluations that are running, before the run ends without them")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=None,
    show_default="0, or that of the stored search",
    help="All random choices of the search are drawn from it.",
)
@click.option(
    "--checkpoint-file",
    type=click.Path(dir_okay=False),
    help="Keep the search in this SQLite file; the same command goes on where it was.",
)
@click.option(
    "--standby",
    is_flag=True,
    help="Wait while another master has the checkpoint file, and take over when it is gone.",
)
@click.option(
    "--checkpoint-store",
    help="The directory or URL in which evaluations keep their states.",
)
@click.option(
    "--keep-checkpoints",
    type=click.Choice(["best", "all"]),
    default="best",
    show_default=True,
    help="Which of these stay that nothing goes on from any more.",
)
@click.option(
    "--output",
    help="Where to save the result: a .jsonl, .parquet, .pkl or .csv file, or a directory for "
    "HpBandSter's files.",
)
@click.option(
    "--previous",
    help="Learn first from this: a saved result, or a checkpoint file or URL with one study in it.",
)
@click.option("--previous-study", help="The name of the study, when --previous has several.")
@click.option(
    "--shutdown-workers/--keep-workers",
    default=True,
    show_default=True,
    help="Whether the workers end with the run, or wait for its next master.",
)
def master(
    *,
    space: str,
    run_id: str | None,
    host: str | None,
    port: int | None,
    connection_file: str | None,
    tls: bool,
    certificate: tuple[str, str] | None,
    insecure: bool,
    optimizer: str,
    generator: str,
    min_budget: float | None,
    max_budget: float,
    eta: float,
    metrics: tuple[Metric, ...],
    n_iterations: int | None,
    n_trials: int | None,
    timeout: float | None,
    job_timeout: float | None,
    max_retries: int,
    retry_failed: int,
    max_initial_failures: int,
    sigterm_grace: float | None,
    seed: int | None,
    checkpoint_file: str | None,
    standby: bool,
    checkpoint_store: str | None,
    keep_checkpoints: str,
    output: str | None,
    previous: str | None,
    previous_study: str | None,
    shutdown_workers: bool,
) -> None:
    """Search the space of a YAML or JSON file with the run's workers, and print the result.

    The file is an HDL: from each parameter's name to its _type and _value. On Ctrl-C the
    evaluations that are running may end, a second one does not wait for them; the result so far is
    printed and saved in both cases. The master may start before the name server and the workers.
    The exit code is 1 when no evaluation has succeeded.
    """
    check_output(output)
    if n_iterations is None and n_trials is None and timeout is None:
        raise click.UsageError("say when to stop: --n-iterations, --n-trials or --timeout")
    if standby and checkpoint_file is None:
        raise click.UsageError("--standby needs a --checkpoint-file")
    iter_generator = make_generator(generator, min_budget, max_budget, eta)

    from bandmaster.asynccomm.master import Master
    from bandmaster.optimizers import get_optimizer
    from bandmaster.progress import default_callback, no_progress
    from bandmaster.space import compile_space, load_hdl
    from bandmaster.study.rows import own

    chosen = get_optimizer(optimizer)
    chosen.initialize(compile_space(load_hdl(space)), iter_generator.get_budgets())
    with naming("--previous {} --previous-study NAME", previous):
        driver = Master(
            run_id=make_run_id(run_id, connection_file),
            optimizer=chosen,
            iter_generator=iter_generator,
            metrics=metrics or None,
            progress_callback=default_callback if sys.stderr.isatty() else no_progress,
            nameserver=host,
            nameserver_port=port,
            connection_file=connection_file,
            tls=make_tls(tls, certificate),
            insecure=insecure,
            checkpoint_file=checkpoint_file,
            standby=standby,
            checkpoint_store=checkpoint_store,
            keep_checkpoints="all" if keep_checkpoints == "all" else None,
            random_state=DEFAULT_SEED if seed is None else seed,
            job_timeout=job_timeout,
            max_retries=max_retries,
            retry_failed=retry_failed,
            max_initial_failures=max_initial_failures or None,
            previous_result=find_previous(previous, previous_study),
        )
    try:
        # Its three programs may start in any order.
        driver.start(wait_for_nameserver=timeout)
        driver.run(
            n_iterations=n_iterations, n_trials=n_trials, timeout=timeout,
            sigterm_grace=SIGTERM_GRACE if sigterm_grace is None else sigterm_grace,
        )  # fmt: skip
    finally:
        try:
            driver.shutdown(shutdown_workers=shutdown_workers)
        finally:
            if chosen.history:
                report(driver.result, output)
    if driver.interrupted is not None:
        if checkpoint_file is not None and not driver.study.finished:
            left = "; its workers have left (--keep-workers: they wait)" * shutdown_workers
            click.echo(f"The same command goes on where it was{left}.", err=True)
        raise SystemExit(128 + driver.interrupted)
    if not any(e.ok for e in chosen.history if own(e)):
        click.echo(
            f"No evaluation has succeeded{_where_failures(checkpoint_file, output)}", err=True
        )
        raise SystemExit(EXIT_FAILED)


def make_generator(
    name: str, min_budget: float | None, max_budget: float, eta: float
) -> IterGenerator:
    """Return the iteration generator that the options describe.

    Raises
    ------
    ConfigurationError
        When they do not fit together.
    """
    from bandmaster.multifidelity import (
        ASHAIterGenerator,
        ASHAStoppingIterGenerator,
        BOHBIterGenerator,
        FlatIterGenerator,
        HyperBandIterGenerator,
        PASHAIterGenerator,
        SuccessiveHalvingIterGenerator,
    )

    if name == "flat":
        if min_budget not in (None, max_budget):
            raise ConfigurationError("--generator flat uses --max-budget only; omit --min-budget")
        return FlatIterGenerator(max_budget)
    if min_budget is None:
        raise ConfigurationError(f"--generator {name} needs --min-budget (or use --generator flat)")
    kinds = {
        "asha": ASHAIterGenerator,
        "asha-stopping": ASHAStoppingIterGenerator,
        "bohb": BOHBIterGenerator,
        "hyperband": HyperBandIterGenerator,
        "pasha": PASHAIterGenerator,
        "sh": SuccessiveHalvingIterGenerator,
    }
    made: IterGenerator = kinds[name](min_budget, max_budget, eta)
    return made


def _where_failures(checkpoint_file: str | None, output: str | None) -> str:
    kept = checkpoint_file or output
    return f": bandmaster show {kept} --failures prints why." if kept else "."


def report(result: Result, path: str | None) -> None:
    """Print the table of a result, and save it if wanted."""
    click.echo(str(result))
    if path is not None:
        result.save(path)
        click.echo(f"saved to {path}", err=True)
