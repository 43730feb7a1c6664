"""A worker that starts before its name server lets in nobody until it knows the run's key."""

from __future__ import annotations

import time

import pytest

from bandmaster import NameServer, Worker
from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.control import call_worker
from bandmaster.asynccomm.naming import Names
from bandmaster.asynccomm.wire import Client
from bandmaster.errors import AuthenticationError


def test_its_control_server_asks_for_the_key_of_the_run() -> None:
    """Once registered it hears the master, who has the key, and refuses who has none."""
    worker = Worker(run_id="later")
    worker.initialize(lambda config: 1.0)
    worker.run(background=True)
    try:
        with NameServer(run_id="later", port=0) as nameserver:
            with Names(nameserver.address, key=nameserver.key) as names:
                deadline = time.monotonic() + 20
                while not (found := names.addresses("bandmaster.later.worker")):
                    assert time.monotonic() < deadline, "the worker did not register"
                    time.sleep(0.05)
            (address,) = found
            with (
                pytest.raises(AuthenticationError),
                Client(address, protocol.CONTROL, key=None) as client,
            ):
                client.call("wake")
            assert call_worker(address, nameserver.key, "shutdown", "enough")
    finally:
        worker.shutdown()
