"""``bandmaster export``: a result as a file."""

from __future__ import annotations

import click

from bandmaster.cli.sources import check_output, find_source, source_arguments

__all__ = ["export"]


@click.command()
@source_arguments
@click.option(
    "--output",
    "-o",
    required=True,
    help="A .jsonl, .parquet or .pkl file, which keep all; a .csv file, which keeps the "
    "evaluations; or a directory, for HpBandSter's configs.json and results.json.",
)
def export(study: str, storage: str | None, output: str) -> None:
    """Write a result in another format.

    STUDY is what `bandmaster show` takes. A file that is there is replaced.
    """
    check_output(output)
    source = find_source(study, storage)
    source.result.save(output)
    click.echo(f"{source}; saved to {output}", err=True)
