"""``bandmaster doctor``: what is wrong with this machine or a run, seen from here."""

from __future__ import annotations

from collections.abc import Iterator

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
@click.option("--storage", help="Look at this checkpoint file, or URL of a storage, too.")
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
    storage: str | None,
) -> None:
    """Check this machine, and whether it can take part in a run; say what to do if not.

    Call it where a master or a worker does not get in, with the options that you gave to it. When
    no run is named and none of yours is found, only the machine is looked at. The exit code is 1
    when a check fails.
    """
    from bandmaster.asynccomm.connection_file import list_runs
    from bandmaster.cli.checks import Checkup
    from bandmaster.cli.finding import Finding
    from bandmaster.cli.machine import check_limits, check_machine, check_process, check_storage

    def findings() -> Iterator[Finding]:
        yield from check_machine()
        if storage is not None:
            yield check_storage(storage)
        if (run_id, host, port, connection_file) == (None, None, None, None):
            runs = [info.run_id for info in list_runs() if not info.surely_dead]
            if len(runs) != 1:
                yield check_process()
                yield check_limits()
                there = f"there are {', '.join(runs)}: name one with --run-id" if runs else "none"
                yield Finding("ok", "run", f"not looked at: {there}")
                return
            chosen = runs[0]
        else:
            try:
                chosen = make_run_id(run_id, connection_file)
            except BandmasterError as error:
                yield Finding("fail", "connection file", str(error))
                return
        checkup = Checkup(
            chosen,
            host,
            port,
            connection_file=connection_file,
            tls=make_tls(tls, certificate),
            insecure=insecure,
            timeout=timeout,
        )
        yield from checkup.run()

    levels = []
    for finding in findings():
        click.echo(str(finding))
        levels.append(finding.level)
    bad, odd = levels.count("fail"), levels.count("warn")
    click.echo(f"{len(levels)} checks: {bad} failed, {odd} with a warning")
    if bad:
        raise SystemExit(EXIT_UNWELL)
