"""Who is connected."""

from __future__ import annotations

from bandmaster.asynccomm.protocol import Hello
from bandmaster.asynccomm.sessions import Held, Session, Sessions
from bandmaster.testing.fake_workers import FakePeer


def test_a_second_hello_takes_the_place_of_the_first() -> None:
    """Also under another name; the job stays with the connection, and nothing is left of both."""
    sessions, peer = Sessions(), FakePeer()
    held = Held(3, 0, 3, 1.0)
    for name in ("a", "b", "b"):
        session = Session(peer, Hello("r", name, "h", 1))
        assert sessions.add(session) is None
        assert name != "a" or sessions.assign(session, held)
    assert (1, [(session, held)]) == (len(sessions), sessions.running())
    assert (session, held) == sessions.remove(peer)
    assert ({}, 0) == (sessions._last, len(sessions))
    session.waiter.close()
    peer.free()


def test_the_last_connection_of_a_worker_is_told() -> None:
    """A new one takes the place of one whose end has not been noticed."""
    sessions, old, new = Sessions(), FakePeer(), FakePeer()
    first = Session(old, Hello("r", "w", "h", 1))
    assert sessions.add(first) is None
    assert sessions.add(Session(new, Hello("r", "w", "h", 1))) is first
    for peer in (old, new):
        sessions.remove(peer)
        peer.free()
