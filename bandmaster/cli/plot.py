"""``bandmaster plot``: pictures of a result."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bandmaster.cli.options import number
from bandmaster.cli.sources import find_source, make_folder, source_arguments
from bandmaster.errors import BandmasterError, ConfigurationError

__all__ = ["plot", "print_kinds"]


def print_kinds(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the names of the plots and end, if that is wanted."""
    from bandmaster.plotting.files import kinds

    if wanted and not context.resilient_parsing:
        click.echo("\n".join(kinds()))
        context.exit()


@click.command()
@source_arguments
@click.option("--kind", metavar="NAME", help="Which plot; --list says which there are.")
@click.option("--output", "-o", help="The picture: .png, .pdf, .svg, …")
@click.option("--all", "folder", metavar="DIR", help="Draw every plot into this folder.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_kinds,
    help="Print the names of the plots.",
)
@click.option("--budget", type=number, help="Draw this budget, in plots of one.")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    help="Draw this parameter, in plots of some; may be given several times.",
)
@click.option(
    "--size", nargs=2, type=click.FloatRange(0.5, 100), metavar="WIDTH HEIGHT", help="In inches."
)
@click.option(
    "--dpi",
    type=click.IntRange(20, 1200),
    default=150,
    show_default=True,
    help="Dots an inch, in pictures that are made of dots.",
)
def plot(
    *,
    study: str,
    storage: str | None,
    kind: str | None,
    output: str | None,
    folder: str | None,
    budget: float | None,
    parameters: tuple[str, ...],
    size: tuple[float, float] | None,
    dpi: int,
) -> None:
    """Draw a result.

    STUDY is what `bandmaster show` takes. Give --kind and --output for one plot, or --all for all
    that have something to show.
    """
    os.environ["MPLBACKEND"] = "agg"  # pictures only: this process needs no screen
    from bandmaster.plotting.files import check_kind, check_picture, kinds, save_plot

    if folder is None:
        if kind is None or output is None:
            raise click.UsageError(
                "say what to draw: --kind NAME --output FILE, or --all DIR; --list names the plots"
            )
        check_kind(kind)
        check_picture(output)
        source = find_source(study, storage)
        save_plot(
            source.result, kind, output,
            budget=budget, parameters=parameters, size=size, dpi=dpi,
        )  # fmt: skip
        click.echo(f"{source}; drawn to {output}", err=True)
        return
    if kind is not None or output is not None or budget is not None or parameters:
        raise click.UsageError("--all draws every plot as it is by default: leave the rest out")
    source = find_source(study, storage)
    if not source.result.history:
        raise ConfigurationError(f"{source}: there is nothing to draw")
    place = make_folder(folder)
    failed = 0
    for name in kinds():
        try:
            save_plot(source.result, name, place / f"{name}.png", size=size, dpi=dpi)
        except BandmasterError as error:  # one that this study has nothing for is no reason to stop
            failed += 1
            click.echo(f"{name}: {error}", err=True)
    drawn = len(kinds()) - failed
    left = f", {failed} left out" if failed else ""
    click.echo(f"{source}; {drawn} plots drawn to {Path(folder)}{left}", err=True)
