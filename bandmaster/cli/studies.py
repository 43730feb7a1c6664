"""``bandmaster studies``: what a storage holds."""

from __future__ import annotations

import time

import click

__all__ = ["studies"]


@click.group()
def studies() -> None:
    """List or delete stored searches.

    STORAGE is a checkpoint file, or a URL such as postgresql+psycopg://user@host/database.
    """


@studies.command("list")
@click.argument("storage")
def list_(storage: str) -> None:
    """Print the studies of a storage: name, when created, events, who writes it now."""
    from bandmaster.facade import Study
    from bandmaster.storage import checkpoint_url

    found = Study.list_studies(checkpoint_url(storage))
    if not found:
        click.echo("no studies", err=True)
        return
    width = max(len("name"), *(len(study.name) for study in found))
    click.echo(f"{'name':{width}}  {'created':19}  {'events':>8}  written by")
    for study in found:
        created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(study.created))
        click.echo(f"{study.name:{width}}  {created}  {study.n_events:8d}  {study.writer or '-'}")


@studies.command()
@click.argument("storage")
@click.argument("name")
@click.option("--force", is_flag=True, help="Delete it even if a process writes it.")
def delete(storage: str, name: str, force: bool) -> None:
    """Delete a study with all that happened in it, and its checkpoints."""
    from bandmaster.facade import Study
    from bandmaster.storage import checkpoint_url

    Study.delete_study(name, checkpoint_url(storage), force=force)
    click.echo(f"deleted study {name!r}", err=True)
