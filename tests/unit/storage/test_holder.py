"""Who holds a study, and who is surely dead."""

import dataclasses
import os
import subprocess
import sys

from bandmaster.storage.holder import Holder


def test_it_comes_back_from_its_text():
    """What is stored names host, process, its start and the user's own word for it."""
    me = Holder.me("the night run")
    assert me == Holder.from_text(me.to_text())
    assert "the night run, pid" in str(me)
    assert f"pid {os.getpid()} on " in str(me)
    me.retire()


def test_unreadable_text_is_somebody():
    """A holder that a newer version wrote is unknown, and not taken for dead."""
    for text in ("", "{}", "[1]", '{"host": "a", "pid": 1, "new": 2}'):
        assert not Holder.from_text(text).surely_dead


def test_a_process_that_ended_is_dead():
    """One of this machine that is gone, or not yet reaped, is surely dead; one alive is not."""
    program = (
        "from bandmaster.storage.holder import Holder\n"
        "print(Holder.me().to_text(), flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        other = Holder.from_text(process.stdout.readline())
        assert not other.surely_dead
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, not reaped
        assert other.surely_dead
    assert other.surely_dead


def test_a_process_number_that_was_given_again_is_dead():
    """The same number with another start is another process."""
    me = Holder.me()
    assert dataclasses.replace(me, started=me.started - 1).surely_dead
    me.retire()


def test_nobody_knows_of_other_machines():
    """A process of another machine, boot or container may be alive whatever runs here."""
    me = Holder.me()
    elsewhere = dataclasses.replace(me, pid=2**22 + 1)
    assert elsewhere.surely_dead
    assert not dataclasses.replace(elsewhere, realm="another boot").surely_dead
    assert not dataclasses.replace(elsewhere, realm="").surely_dead
    me.retire()


def test_a_journal_of_ours_that_failed_is_dead():
    """Within one process, a holder that retired holds no more; the others do."""
    one, two = Holder.me(), Holder.me()
    one.retire()
    assert (True, False) == (one.surely_dead, two.surely_dead)
    two.retire()


def test_a_process_that_the_kernel_hides_from_us_is_not_dead(monkeypatch):
    """Where /proc shows only one's own processes, another user's may be alive."""

    def kill(pid, signum):
        raise PermissionError

    me = Holder.me()
    hidden = dataclasses.replace(me, pid=2**22 + 1)
    monkeypatch.setattr("os.kill", kill)
    assert not hidden.surely_dead
    me.retire()
