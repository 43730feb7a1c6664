"""``bandmaster doctor``: what is wrong with a run, seen from here."""

from __future__ import annotations

import click

from bandmaster.cli.options import connection_options, make_run_id, make_tls
from bandmaster.errors import BandmasterError

__all__ = ["EXIT_UNWELL", "doctor"]

EXIT_UNWELL = 1
"""A check has failed."""


@click.command()
@connection_options
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=3.0,
    show_default=True,
    help="Seconds for each connection.",
)
def doctor(
    *,
    run_id: str | None,
    host: str | None,
    port: int | None,
    connection_file: str | None,
    tls: bool,
    certificate: tuple[str, str] | None,
    insecure: bool,
    timeout: float,
) -> None:
    """Check whether this machine can take part in a run, and say what to do if not.

    Call it where a master or a worker does not get in, with the options that you gave to it. The
    exit code is 1 when a check fails.
    """
    from bandmaster.cli.checks import Checkup, Finding

    try:
        run_id = make_run_id(run_id, connection_file)
    except BandmasterError as error:
        click.echo(str(Finding("fail", "connection file", str(error))))
        raise SystemExit(EXIT_UNWELL) from None
    checkup = Checkup(
        run_id,
        host,
        port,
        connection_file=connection_file,
        tls=make_tls(tls, certificate),
        insecure=insecure,
        timeout=timeout,
    )
    levels = []
    for finding in checkup.run():
        click.echo(str(finding))
        levels.append(finding.level)
    bad, odd = levels.count("fail"), levels.count("warn")
    click.echo(f"{len(levels)} checks: {bad} failed, {odd} with a warning")
    if bad:
        raise SystemExit(EXIT_UNWELL)
