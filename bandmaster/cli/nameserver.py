"""``bandmaster nameserver``: where the processes of a run find each other."""

from __future__ import annotations

import threading

import click

from bandmaster.cli.options import make_tls, security_options

__all__ = ["nameserver"]


@click.command()
@click.option("--run-id", envvar="BANDMASTER_RUN_ID", help="Default: a new one, which is printed.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The interface to listen on; 0.0.0.0 when workers run on other machines.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Default: 9090, or the next free one; 0 is any.",
)
@security_options
@click.option(
    "--new-key",
    is_flag=True,
    help="Make a new key also for a run whose name server died; by default its key stays.",
)
def nameserver(
    *,
    run_id: str | None,
    host: str,
    port: int | None,
    new_key: bool,
    tls: bool,
    certificate: tuple[str, str] | None,
    insecure: bool,
) -> None:
    """Start the name server of a run and serve until Ctrl-C.

    It makes the run's key and writes it, with host and port, to a connection file that only you
    can read: masters and workers of yours need the run id alone.
    """
    from bandmaster.asynccomm.nameserver import NameServer

    with NameServer(
        run_id=run_id,
        host=host,
        port=port,
        new_key=new_key,
        tls=make_tls(tls, certificate),
        insecure=insecure,
    ) as server:
        click.echo(f"run id:          {server.run_id}")
        click.echo(f"name server:     {server.address}")
        click.echo(f"connection file: {server.connection_file}")
        threading.Event().wait()
