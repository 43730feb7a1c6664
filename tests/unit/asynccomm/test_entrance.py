"""A run that uses TLS goes on with it, whoever forgets to say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandmaster.asynccomm import connection_file
from bandmaster.asynccomm.certificates import Certificate
from bandmaster.asynccomm.entrance import Entrance
from bandmaster.asynccomm.nameserver import NameServer
from bandmaster.errors import ConfigurationError, NameServerError


def kill(names: NameServer) -> None:
    """End a name server as a signal does: its connection file stays."""
    assert names._server is not None
    names._server.close()
    names._server = None


@pytest.fixture
def entrance() -> Entrance:
    """The way in of a process that has used TLS; the name server has died since."""
    names = NameServer("run", port=0, tls=True)
    names.start()
    entrance = Entrance("run", None, None, connection_file=None)
    assert entrance.find()[0].tls
    kill(names)
    return entrance


def test_a_name_server_goes_on_with_the_tls_of_the_last_one(entrance: Entrance) -> None:
    """Started again without a word of TLS it shows the same certificate."""
    before = connection_file.read("run")
    assert before is not None
    with NameServer("run", port=0) as names:
        assert before.tls == names.address.tls
        with entrance.names() as (known, _):
            assert {} == known.list()


def test_who_has_used_tls_says_nothing_in_the_clear(entrance: Entrance) -> None:
    """A name server that was told to do without meets nobody of before; new ones follow it."""
    with NameServer("run", port=0, tls=False) as names:
        assert "" == names.address.tls
        with pytest.raises(NameServerError, match="has used TLS"):
            entrance.find()
        assert "" == Entrance("run", None, None, connection_file=None).find()[0].tls


def test_a_certificate_of_ones_own_has_to_be_given_again(tmp_path: Path) -> None:
    """It is not in the connection file, and without it there would be no TLS."""
    own = Certificate.make("mine")
    files = (tmp_path / "cert.pem", tmp_path / "key.pem")
    files[0].write_text(own.pem, encoding="ascii")
    files[1].write_text(own.private_key, encoding="ascii")
    pair = (str(files[0]), str(files[1]))
    first = NameServer("run", port=0, tls=pair)
    first.start()
    kill(first)
    with pytest.raises(ConfigurationError, match="certificate of its own"):
        NameServer("run", port=0).start()
    with NameServer("run", port=0, tls=pair) as names:
        assert own.fingerprint == names.address.tls
