"""More than a thousand connections at once."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from unit.asynccomm.wire_helpers import KEY, serving

NUMBER = 1200

CROWD = """
import sys, threading
from bandmaster.asynccomm.limits import raise_open_files_limit
from bandmaster.asynccomm.wire import Address, Client
raise_open_files_limit()
def park():
    with Client(Address.parse(sys.argv[1]), "echo", key=sys.argv[2].encode()) as client:
        client.call("park", b"100")
threads = [threading.Thread(target=park) for _ in range(int(sys.argv[3]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def resident() -> int:
    """Return the memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def test_a_crowd_connects_parks_and_dies(root: Path) -> None:
    """1,200 callers connect at once, park in less than 100 MB, and are all missed when killed."""
    with serving() as (address, echo, server):
        before = resident()
        process = subprocess.Popen(
            [sys.executable, "-c", CROWD, str(address), KEY.decode(), str(NUMBER)],
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        try:
            for _ in range(NUMBER):
                assert echo.parked.acquire(timeout=30)
            assert server.connections == NUMBER
            assert resident() - before < 100e6
            process.kill()
            begin = time.monotonic()
            for _ in range(NUMBER):
                assert echo.someone_left.acquire(timeout=10)
            assert time.monotonic() - begin < 10
        finally:
            process.kill()
            process.wait()
        assert server.connections == 0
    assert echo.ended == ["gone"] * NUMBER
    assert len(set(echo.left)) == NUMBER
