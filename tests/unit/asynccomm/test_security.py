"""Keys as text, and which servers need one."""

from __future__ import annotations

import pytest

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import Certificate
from bandmaster.asynccomm.security import check_access, decode_key, encode_key, make_key
from bandmaster.errors import AuthenticationError, ConfigurationError


def test_keys_are_text_and_back() -> None:
    """A key that was made is read as it was written, white space around it or not."""
    key = make_key()
    assert 32 == len(key)
    assert key == decode_key(f" {encode_key(key)}\n")
    assert key != make_key()


@pytest.mark.parametrize("text", ["secret words", "ab" * 15, ""])
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    """A wrong text may be a right secret: the error does not show it."""
    with pytest.raises(AuthenticationError) as caught:
        decode_key(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_loopback_needs_no_key(host: str) -> None:
    """Who listens to this machine only may do without."""
    check_access(Address(host, 0), None, None, insecure=False)
    check_access(Address.unix("/tmp/x"), None, None, insecure=False)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.7", "head-node", "192.0.2.1"])
def test_beyond_loopback_it_takes_a_key_or_a_word(host: str) -> None:
    """Without a key the error says what there is to do; with one, or insecure, it is fine."""
    with pytest.raises(ConfigurationError, match=r"BANDMASTER_KEY.*127\.0\.0\.1.*insecure=True"):
        check_access(Address(host, 0), None, None, insecure=False)
    check_access(Address(host, 0), None, None, insecure=True)
    check_access(Address(host, 0), make_key(), None, insecure=False)


def test_tls_takes_a_key() -> None:
    """The key vouches for certificates; without it TLS would prove nothing."""
    certificate = Certificate.make("x")
    check_access(Address("0.0.0.0", 0), make_key(), certificate, insecure=False)
    for insecure in (False, True):
        with pytest.raises(ConfigurationError, match="TLS needs the run's key"):
            check_access(Address("127.0.0.1", 0), None, certificate, insecure=insecure)
