"""Write a study until the end: prints ``open``, each acknowledged position, or the error.

    python storage_writer.py URL NAME LEASE_SECONDS [standby]

Each event is a note with its number, so that a reader can tell what is missing.
"""

import itertools
import logging
import sys

from bandmaster.core.events import Noted
from bandmaster.errors import StorageError
from bandmaster.storage import open_storage


def main() -> None:
    """Write."""
    logging.basicConfig(level=logging.INFO)
    url, name, lease, *rest = sys.argv[1:]
    try:
        with open_storage(url) as storage:
            journal = storage.open_journal(
                name, create=True, lease_seconds=float(lease), standby=rest == ["standby"]
            )
            start = sum(1 for _ in journal.read())
            print("open", start, flush=True)
            for number in itertools.count(start):
                journal.wait(journal.append([Noted(0.0, str(number))]))
                print("ack", number + 1, flush=True)
    except StorageError as error:
        print("error", type(error).__name__, error, flush=True)


if __name__ == "__main__":
    main()
