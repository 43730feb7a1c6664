"""``bandmaster doctor``: what is wrong with this machine or a run, seen from here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from bandmaster.cli.exits import EXIT_FAILED
from bandmaster.cli.finding import Finding
from bandmaster.cli.options import connection_options, make_run_id, make_tls
from bandmaster.errors import BandmasterError

if TYPE_CHECKING:
    from bandmaster.asynccomm.connection_file import ConnectionInfo

__all__ = ["doctor"]

_NAMING = ("BANDMASTER_NAMESERVER", "BANDMASTER_KEY", "BANDMASTER_CONNECTION_FILE")


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

    Call it where a master or a worker does not get in, with the options and the environment that
    you gave to it. When neither names a run, the only one of yours is looked at: of those whose
    name server has not died, if there are any. Where that is none, or one of several, only the
    machine is looked at. The exit code is 1 when a check fails.
    """
    from bandmaster.asynccomm.connection_file import list_runs
    from bandmaster.cli.checks import Checkup
    from bandmaster.cli.machine import check_limits, check_machine, check_process, check_storage

    def findings() -> Iterator[Finding]:
        yield from check_machine()
        if storage is not None:
            yield check_storage(storage)
        unnamed = (run_id, host, port, connection_file) == (None, None, None, None)
        if unnamed and not any(map(os.environ.get, _NAMING)):
            only, others = _choose(list_runs())
            if only is None:
                yield check_process()
                yield check_limits()
                yield Finding("ok", "run", f"not looked at: {others or 'none'}")
                return
            if others:
                yield Finding("ok", "other runs", f"not looked at: {others}")
            chosen = only
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
        raise SystemExit(EXIT_FAILED)


def _choose(runs: Sequence[ConnectionInfo]) -> tuple[str | None, str]:
    """Return the run to look at when none was named, and words for those that are not."""
    alive = [info.run_id for info in runs if not info.surely_dead]
    dead = [info.run_id for info in runs if info.surely_dead]
    dead_ones = [f"{name} (its name server has died)" for name in dead]
    if len(alive) == 1:
        return alive[0], ", ".join(dead_ones)
    if not alive and len(dead) == 1:
        return dead[0], ""
    there = ", ".join([*alive, *dead_ones])
    return None, f"there are {there}: name one with --run-id" if there else ""
