"""The program: its commands, its logging, its exit codes."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence

import click

import bandmaster
from bandmaster.cli.doctor import doctor
from bandmaster.cli.dropped import sent_again
from bandmaster.cli.exits import EXIT_ERROR, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED
from bandmaster.cli.export import export
from bandmaster.cli.master import master
from bandmaster.cli.nameserver import nameserver
from bandmaster.cli.plot import plot
from bandmaster.cli.show import show
from bandmaster.cli.studies import studies
from bandmaster.cli.worker import worker
from bandmaster.errors import BandmasterError
from bandmaster.interrupts import Interrupted, terminate

__all__ = ["app", "main"]

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OPTIONS = {
    "standby=True": "--standby",
    "force=True": "--force",
    "max_initial_failures=": "--max-initial-failures ",
    "`metrics=`": "--metric",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(bandmaster.__version__, prog_name="bandmaster")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to every job.")
@click.option("-q", "--quiet", is_flag=True, help="Log warnings and errors only.")
def app(verbose: bool, quiet: bool) -> None:
    """Search for the best configuration with many workers.

    Three programs make a run, on one machine or on many: a name server, a master with the search
    space, and any number of workers. They find each other by the run's id.
    """
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logging.basicConfig(level=level, format=_FORMAT, datefmt="%H:%M:%S", stream=sys.stderr)


app.add_command(doctor)
app.add_command(nameserver)
app.add_command(worker)
app.add_command(master)
app.add_command(studies)
app.add_command(show)
app.add_command(plot)
app.add_command(export)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        0; 1 (`EXIT_FAILED`) when it ran, and the user's code raised, no evaluation succeeded or a
        check of ``doctor`` failed; 2 (`EXIT_ERROR`) when it cannot be done; 130 and 143
        (`EXIT_INTERRUPTED`, `EXIT_TERMINATED`) after Ctrl-C and SIGTERM.
    """
    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        with sent_again():
            app.main(arguments, prog_name="bandmaster", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_ERROR
    except BandmasterError as error:
        click.echo(f"Error: {_in_options(str(error))}", err=True)
        logging.getLogger(__name__).debug("where it was raised", exc_info=True)
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        return _farewell(EXIT_INTERRUPTED)
    except Interrupted as error:
        return _farewell(error.exit_code)
    except SystemExit as error:  # a worker's way to end, once it has given its job back
        return _farewell(error.code if isinstance(error.code, int) else EXIT_FAILED)
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _in_options(text: str) -> str:
    """Return a message that names Python's arguments with the names of the options."""
    ours, newline, traceback = text.partition("\n")  # behind it may be the user's own code
    for argument, option in _OPTIONS.items():
        ours = ours.replace(argument, option)
    return ours + newline + traceback


def _farewell(code: int) -> int:
    words = {EXIT_INTERRUPTED: "Interrupted.", EXIT_TERMINATED: "Terminated."}
    if code in words:
        click.echo(words[code], err=True)
    return code
