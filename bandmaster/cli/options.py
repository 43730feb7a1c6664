"""Options that the commands share, and how their values are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import click

from bandmaster.interrupts import SIGTERM_GRACE

__all__ = [
    "connection_options",
    "make_run_id",
    "make_tls",
    "number",
    "security_options",
    "sigterm_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


def number(value: str) -> int | float:
    """Read a positive number, also as a fraction: ``27``, ``0.25``, ``1/4``, ``1e3``.

    Returns
    -------
    int or float
        An int where the value is whole.

    Raises
    ------
    click.BadParameter
        When it is none.
    """
    try:
        exact = Fraction(str(value).strip().replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"{value!r} is no number such as 27, 0.25 or 1/4") from None
    if exact <= 0:
        raise click.BadParameter(f"{value!r} is not above zero")
    return int(exact) if exact.denominator == 1 else float(exact)


def connection_options(command: Command) -> Command:
    """Add what says where the run is: --run-id, --host, --port, --connection-file, --tls, …"""
    command = security_options(command)
    for option in (
        click.option(
            "--connection-file",
            type=click.Path(exists=True, dir_okay=False),
            help="The run's connection file, when it is not in the home directory.",
        ),
        click.option("--port", type=click.IntRange(1, 65535), help="The name server's port."),
        click.option("--host", help="The name server's host."),
        click.option(
            "--run-id",
            envvar="BANDMASTER_RUN_ID",
            help="The name that the processes of a run share. Default: that of the connection "
            "file, or of the only run of yours there is.",
        ),
    ):
        command = option(command)
    return command


def security_options(command: Command) -> Command:
    """Add what protects a run: --tls, --certificate, --insecure."""
    for option in (
        click.option(
            "--insecure",
            is_flag=True,
            help="Do without a key, also where other machines may connect from.",
        ),
        click.option(
            "--certificate",
            nargs=2,
            type=click.Path(exists=True, dir_okay=False),
            metavar="CERTIFICATE KEY",
            help="Use TLS with this certificate and private key (PEM files) instead of one that is "
            "made for the run.",
        ),
        click.option(
            "--tls",
            is_flag=True,
            help="Encrypt all connections. Masters and workers do it by themselves when the name "
            "server does; with this they insist.",
        ),
    ):
        command = option(command)
    return command


def make_tls(tls: bool, certificate: tuple[str, str] | None) -> bool | tuple[str, str] | None:
    """Return the argument ``tls`` for what --tls and --certificate say."""
    return certificate or (True if tls else None)


def make_run_id(run_id: str | None, connection_file: str | os.PathLike[str] | None) -> str:
    """Return the run's id: as given, or as the connection file says, or of the only run here.

    The file may be named by ``BANDMASTER_CONNECTION_FILE``.

    Raises
    ------
    NameServerError
        When that is not there.
    click.UsageError
        When it is not clear.
    """
    from bandmaster.asynccomm import connection_file as files

    if run_id is not None:
        return run_id
    named = connection_file or os.environ.get("BANDMASTER_CONNECTION_FILE")
    if named:
        return files.read_named(named).run_id
    runs = [info.run_id for info in files.list_runs()]
    if len(runs) == 1:
        return runs[0]
    there = f"there are {', '.join(runs)}" if runs else "and no run of this user was found"
    raise click.UsageError(f"say which run: --run-id is missing, {there}")


def sigterm_option(what: str, or_else: str = "") -> Callable[[Command], Command]:
    """Return what adds --sigterm-grace; None when it is not given.

    Parameters
    ----------
    what : str
        To which SIGTERM leaves the time.
    or_else : str, default ""
        What else the default may be.
    """
    return click.option(
        "--sigterm-grace",
        type=click.FloatRange(min=0),
        show_default=f"{SIGTERM_GRACE:g}{or_else}",
        help=f"Seconds that SIGTERM leaves to {what}.",
    )
