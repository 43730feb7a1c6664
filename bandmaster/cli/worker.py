"""``bandmaster worker``: evaluate configurations for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bandmaster.cli.options import connection_options, make_run_id, make_tls, sigterm_option
from bandmaster.cli.targets import load_target, own_traceback
from bandmaster.core.isolation import isolation_of
from bandmaster.errors import ConfigurationError

if TYPE_CHECKING:
    from bandmaster.asynccomm.certificates import TlsOption
    from bandmaster.asynccomm.worker import Worker

__all__ = ["make_worker", "worker"]


@click.command()
@click.argument("target")
@connection_options
@click.option("--worker-id", help="A name for the log; by default the process's number.")
@click.option("--isolate", is_flag=True, help="Evaluate in a child process, which may die.")
@click.option("--time-limit", type=float, help="Seconds for an evaluation, with --isolate.")
@click.option("--memory-limit", help="Memory for an evaluation, e.g. 2GiB, with --isolate.")
@sigterm_option("the evaluation, before its job goes back", ", or what the worker's class says")
def worker(
    *,
    target: str,
    run_id: str | None,
    host: str | None,
    port: int | None,
    connection_file: str | None,
    tls: bool,
    certificate: tuple[str, str] | None,
    insecure: bool,
    worker_id: str | None,
    isolate: bool,
    time_limit: float | None,
    memory_limit: str | None,
    sigterm_grace: float | None,
) -> None:
    """Evaluate configurations until the master ends the run, or Ctrl-C.

    The first Ctrl-C lets the evaluation end and hands its outcome over; the second one leaves at
    once, and its job goes to another worker.

    TARGET is module:name or path.py:name, of a function that takes a configuration (and a budget),
    or of a subclass of bandmaster.Worker. The worker may start before the name server
    and the master. Without --run-id it joins the only run of yours there is.
    """
    isolation = isolation_of(isolate, time_limit, memory_limit)
    run_id = make_run_id(run_id, connection_file)
    with own_traceback():
        made = make_worker(
            load_target(target),
            run_id=run_id,
            nameserver=host,
            nameserver_port=port,
            connection_file=connection_file,
            tls=make_tls(tls, certificate),
            insecure=insecure,
            worker_id=worker_id,
        )
    if isolation is not None:
        made.isolation = isolation
    if sigterm_grace is not None:
        made.sigterm_grace = sigterm_grace
    made.run(background=False)


def make_worker(
    thing: Any,
    *,
    run_id: str,
    nameserver: str | None,
    nameserver_port: int | None,
    connection_file: str | None,
    worker_id: str | None,
    tls: TlsOption = None,
    insecure: bool = False,
) -> Worker:
    """Return a worker that runs a function, or one of the given class.

    Raises
    ------
    ConfigurationError
        When the thing is neither a function nor a subclass of Worker.
    """
    from bandmaster.asynccomm.worker import Worker

    is_worker_class = isinstance(thing, type) and issubclass(thing, Worker)
    if not is_worker_class and (isinstance(thing, type) or not callable(thing)):
        raise ConfigurationError(
            f"{thing!r} evaluates nothing: expected a function of a configuration or a subclass "
            "of bandmaster.Worker"
        )
    # Only what was asked for: a subclass may have a constructor of its own.
    security: dict[str, Any] = {} if tls is None else {"tls": tls}
    if insecure:
        security["insecure"] = True
    made: Worker = (thing if is_worker_class else Worker)(
        run_id=run_id,
        nameserver=nameserver,
        nameserver_port=nameserver_port,
        connection_file=connection_file,
        worker_id=worker_id,
        **security,
    )
    if not is_worker_class:
        made.initialize(thing)
    return made
