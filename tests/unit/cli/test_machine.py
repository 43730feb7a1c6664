"""`bandmaster doctor` without a run: what a machine needs for a search."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from bandmaster import Study
from bandmaster.cli import machine, main
from bandmaster.cli.finding import Finding
from bandmaster.cli.machine import check_machine, check_storage
from bandmaster.errors import ConfigurationError


def found() -> dict[str, Finding]:
    """Return the findings by subject."""
    return {finding.subject: finding for finding in check_machine()}


def test_without_a_run_the_machine_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """All is well here, and the exit code is 0."""
    assert 0 == main(["doctor", "--storage", "search.db"])
    out = capsys.readouterr().out
    subjects = [
        "libraries", "home", "loopback", "Unix sockets", "processes", "processors", "storage",
        "here", "open files", "run",
    ]  # fmt: skip
    assert subjects == [line[6:21].strip() for line in out.splitlines()[:-1] if line[:6].strip()]
    assert {"ok"} == set(re.findall(r"^(ok|warn|fail) ", out, re.M)), out
    assert "not looked at: none" in out


def test_a_library_that_is_missing_or_of_another_version_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an extra needs may be missing."""
    lines = ["numpy>=1.24", "Pyro5<5.18,>=5.15", "absent[x]>=2", "gone; extra == 'tls'"]
    monkeypatch.setattr(machine, "requires", lambda name: lines)
    versions = {"numpy": "1.22.4", "Pyro5": "5.18"}
    monkeypatch.setattr(machine, "_version", versions.get)
    finding = found()["libraries"]
    assert "fail" == finding.level
    assert "absent is missing" in finding.found
    assert "numpy 1.22.4 (needed: >=1.24)" in finding.found
    assert "Pyro5 5.18 (needed: <5.18,>=5.15)" in finding.found
    assert "gone" not in finding.found
    versions |= {"numpy": "2.0.0rc1", "Pyro5": "5.17.1", "absent": "2"}
    assert "ok" == found()["libraries"].level


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a file here, which not even root can write into."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("BANDMASTER_HOME", str(tmp_path / "file"))
    finding = found()["home"]
    assert ("fail", True) == (finding.level, "BANDMASTER_HOME" in finding.advice)


def test_sockets_that_a_sandbox_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind has its own finding."""

    def refused(*args: object, **options: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    def none() -> None:
        raise ConfigurationError("there is no directory /tmp for the sockets of a local run")

    monkeypatch.setattr(socket, "create_server", refused)
    monkeypatch.setattr(machine, "short_socket_dir", none)
    findings = found()
    assert ("fail", "fail") == (findings["loopback"].level, findings["Unix sockets"].level)
    assert "Operation not permitted" in findings["loopback"].found
    assert "TMPDIR" in findings["Unix sockets"].advice


def test_processes_that_cannot_be_started_or_start_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one is a failure, the other a warning."""

    def refused(*args: object, **options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(machine, "_SLOW_START", 0.0)
    assert "warn" == found()["processes"].level
    monkeypatch.setattr(subprocess, "run", refused)
    finding = found()["processes"]
    assert ("fail", True) == (finding.level, "ulimit -u" in finding.advice)


def test_the_limits_of_a_container_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may see more processors than it has time of."""
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{2**31}\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    finding = found()["processors"]
    expected = "8 of 64 for this process, 2 GiB of memory by its cgroup, time of 1.5 by its cgroup"
    assert expected == finding.found
    assert "n_jobs=-1 starts 8 workers, but there is time for 1" == finding.advice
    for text in ("max 100000\n", "nonsense"):
        (tmp_path / "cpu.max").write_text(text)
        (tmp_path / "memory.max").write_text("max\n")
        assert "8 of 64 for this process" == found()["processors"].found


def test_a_storage_is_read_and_nothing_is_made(tmp_path: Path) -> None:
    """Its studies are counted, and who writes one is named."""
    path = tmp_path / "search.db"
    assert "it can be made" in check_storage(str(path)).found
    assert not path.exists()
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    with Study(space, name="a", storage=f"sqlite:///{path}"):
        finding = check_storage(f"sqlite:///{path}")
        assert "1 studies, written now: a (by " in finding.found
    assert ("ok", "1 studies") == ("ok", check_storage(str(path)).found.rpartition(": ")[2])
    assert "fail" == check_storage(str(tmp_path / "no" / "search.db")).level
    path.write_text("no database")
    assert "fail" == check_storage(str(path)).level


@pytest.mark.parametrize(
    ("storage", "why"),
    [
        ("sqlite:///:memory:", "give memory://"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///new.db?synchronus=full", "no option 'synchronus'"),
        ("nosql://host/new", "no storage for 'nosql'"),
    ],
)
def test_a_storage_that_no_search_would_take_is_refused(storage: str, why: str) -> None:
    """For the reason that the search would give, although such a file could be made."""
    finding = check_storage(storage)
    assert "fail" == finding.level
    assert why in finding.found


def test_a_file_that_is_given_with_options_can_be_made(tmp_path: Path) -> None:
    """They are no part of its name."""
    finding = check_storage(f"sqlite:///{tmp_path}/new.db?synchronous=normal")
    found = finding.level, finding.found
    assert ("ok", f"there is no {tmp_path}/new.db yet; it can be made") == found
    assert [] == list(tmp_path.iterdir())


def test_a_password_is_not_shown() -> None:
    """A database that cannot be reached is named without it."""
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/x?connect_timeout=1&retry=0"
    finding = check_storage(url)
    assert "fail" == finding.level
    assert "secret" not in str(finding)
