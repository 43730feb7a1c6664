"""``bandmaster show``: a result in the terminal."""

from __future__ import annotations

import click

from bandmaster.cli.sources import find_source, source_arguments
from bandmaster.core.formatting import format_budget
from bandmaster.study.formatting import clean

__all__ = ["show"]


@click.command()
@source_arguments
@click.option(
    "--failures",
    is_flag=True,
    help="Print the errors of evaluations that failed, and of attempts that were tried again.",
)
def show(study: str, storage: str | None, failures: bool) -> None:
    """Print what a search has found: the best configuration at each budget.

    STUDY is a file that was saved or exported, a directory of HpBandSter's results, a checkpoint
    file with one study in it, or, with --storage, the name of a study. A search that is running is
    not disturbed.
    """
    source = find_source(study, storage)
    if source.result.history:
        click.echo(str(source.result))
    click.echo(str(source))
    for e in source.result.failures if failures else ():
        reason = clean(e.error or "nothing is known of why", keep="\n\t").rstrip()
        click.echo(
            f"\nJob {e.job} (trial {e.trial}, budget {format_budget(e.budget)}), "
            f"{e.status.value}{' at ' + clean(e.worker) if e.worker else ''}:\n{reason}"
        )
    for retried in source.result.retries if failures else ():
        at = f" at {clean(retried.worker)}" if retried.worker else ""
        click.echo(
            f"\nJob {retried.job.number} (trial {retried.job.trial}, budget "
            f"{format_budget(retried.job.budget)}), attempt {retried.job.attempt}{at}, "
            f"tried again:\n{clean(retried.reason, keep=chr(10)).rstrip()}"
        )
