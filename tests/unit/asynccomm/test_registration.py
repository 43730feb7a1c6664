"""Keeping a name at the name server, and giving it back."""

from __future__ import annotations

import pytest

from bandmaster.asynccomm import registration
from bandmaster.asynccomm.registration import Registration
from bandmaster.asynccomm.wire import Address
from bandmaster.errors import ConfigurationError, NameServerError


class Names:
    """Stands for the connection to a name server."""

    refuses = False
    made: list[Names]

    def __init__(self, address: Address, *, key: bytes | None) -> None:
        self.made.append(self)
        self.closed = False

    def register(self, name: str, address: str, *, lasting: bool) -> None:
        if self.refuses:
            raise NameServerError("refused")

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("refused_by", ["the name server", "the process that is registered"])
def test_a_registration_that_is_refused_leaves_no_connection(
    refused_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who refuses makes no difference: the name lives as long as the connection, so both go."""
    monkeypatch.setattr(Names, "made", [], raising=False)
    monkeypatch.setattr(Names, "refuses", refused_by == "the name server")
    monkeypatch.setattr(registration, "Names", Names)

    def refuse(key: bytes | None) -> None:
        raise ConfigurationError("no key, and open to all")

    address = Address("127.0.0.1", 1)
    tried = Registration(lambda: (address, None), "name", str(address), refuse)
    with pytest.raises((NameServerError, ConfigurationError)):
        tried.start(insist=True)
    assert [True] == [names.closed for names in Names.made]
