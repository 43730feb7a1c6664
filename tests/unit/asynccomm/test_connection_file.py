"""The connection file: private, whole, and the way to a run by its name alone."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from bandmaster.asynccomm import connection_file
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import ANY_CERTIFICATE, Certificate
from bandmaster.asynccomm.connection_file import (
    ConnectionInfo,
    explained,
    find_certificate,
    find_nameserver,
    list_runs,
    new_run_id,
    path_of,
    read,
    read_file,
    remove,
    write,
)
from bandmaster.asynccomm.naming import check_run_id
from bandmaster.asynccomm.security import encode_key
from bandmaster.errors import AuthenticationError, ConfigurationError, NameServerError

KEY = b"k" * 32
INFO = ConnectionInfo("tuning", "0.0.0.0", 9123, KEY)


def test_round_trip(bandmaster_home: Path) -> None:
    """What is written is read, from $BANDMASTER_HOME/runs, by this user only."""
    path = write(INFO)
    assert path == bandmaster_home / "runs" / "tuning.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert read("tuning") == INFO
    assert read_file(path) == INFO
    assert [p.name for p in path.parent.iterdir()] == ["tuning.json"]


def test_without_key() -> None:
    """A run without a key has a file too."""
    info = ConnectionInfo("open", "127.0.0.1", 1, None)
    write(info)
    assert read("open") == info


def test_missing_file() -> None:
    """A run without a file is None, not an error."""
    assert read("nobody") is None
    assert list_runs() == []


def test_default_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without BANDMASTER_HOME the files are in ~/.bandmaster/runs."""
    monkeypatch.delenv("BANDMASTER_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of("r") == tmp_path / ".bandmaster" / "runs" / "r.json"


def test_round_trip_with_tls() -> None:
    """The certificate that was made for a run, and its fingerprint, are read as written."""
    certificate = Certificate.make("tuning")
    info = dataclasses.replace(INFO, tls=certificate.fingerprint, certificate=certificate)
    write(info)
    assert info == read("tuning")
    assert certificate.fingerprint == info.address.tls
    assert certificate == find_certificate("tuning", None)
    assert certificate == find_certificate("tuning", True)
    assert Address("127.0.0.1", 9123, tls=info.tls) == find_nameserver("tuning")[0]
    assert Address("127.0.0.1", 9123) == find_nameserver("tuning", tls=False)[0]
    assert Address("10.0.0.7", 9123, tls=info.tls) == find_nameserver("tuning", "10.0.0.7")[0]


def test_a_file_of_a_run_without_tls() -> None:
    """One from before there was TLS is read; who insists on TLS expects any certificate."""
    path = write(INFO)
    content = json.loads(path.read_text())
    del content["tls"], content["certificate"]
    path.write_text(json.dumps(content))
    assert INFO == read("tuning")
    assert ANY_CERTIFICATE == find_nameserver("tuning", tls=True)[0].tls


@pytest.mark.parametrize(("text", "tls"), [("1", "any"), ("yes", "any"), ("0", ""), ("", "")])
def test_tls_of_the_environment(text: str, tls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """BANDMASTER_TLS counts where there is no file; another word is an error."""
    monkeypatch.setenv("BANDMASTER_TLS", text)
    assert tls == find_nameserver("tuning")[0].tls
    write(INFO)
    assert "" == find_nameserver("tuning")[0].tls
    monkeypatch.setenv("BANDMASTER_TLS", "perhaps")
    with pytest.raises(ConfigurationError, match="BANDMASTER_TLS is 1 or 0"):
        connection_file.environment_tls()


def test_key_is_not_shown() -> None:
    """repr does not show the key."""
    assert "key" not in repr(INFO)
    assert encode_key(KEY) not in repr(INFO)


def test_loose_permissions_are_refused() -> None:
    """A file that others may read or write is refused."""
    path = write(INFO)
    for mode in (0o604, 0o640, 0o602, 0o620):
        path.chmod(mode)
        with pytest.raises(AuthenticationError, match="chmod 600"):
            read("tuning")
    assert list_runs() == []


def test_files_of_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another user is refused."""
    write(INFO)
    monkeypatch.setattr(connection_file.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(AuthenticationError, match="another user"):
        read("tuning")


def test_links_and_pipes_are_refused(tmp_path: Path) -> None:
    """A link, a pipe or a directory in the place of the file is refused, without waiting."""
    path = write(INFO)
    elsewhere = tmp_path / "elsewhere.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(NameServerError, match="cannot be read"):
        read("tuning")
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(NameServerError, match="regular file"):
        read("tuning")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"port": "9090"},
        {"port": 0},
        {"port": 70000},
        {"key": "xyz"},
        {"key": 7},
        {"host": None},
        {"run_id": "../x"},
        {"pid": None},
        {"tls": "ab"},
        {"tls": None},
        {"certificate": {"pem": "x"}},
        {"certificate": {"pem": "x", "private_key": "y"}},
    ],
)
def test_malformed_content(change: dict[str, object]) -> None:
    """Content that is not what we write is a NameServerError that names the file."""
    path = write(INFO)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(NameServerError, match=r"tuning\.json is malformed"):
        read("tuning")


@pytest.mark.parametrize("text", ["", "[]", "{}", "\xff"])
def test_malformed_file(text: str) -> None:
    """A file that is no JSON object of ours is a NameServerError."""
    path = write(INFO)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(NameServerError, match="malformed"):
        read("tuning")


def test_remove_only_if_ours() -> None:
    """A file that another name server has replaced stays."""
    newer = ConnectionInfo("tuning", "0.0.0.0", 9999, KEY)
    write(INFO)
    write(newer)
    assert not remove(INFO)
    assert read("tuning") == newer
    assert remove(newer)
    assert read("tuning") is None
    assert not remove(newer)


def test_list_runs() -> None:
    """All readable runs are listed by name; others are left out."""
    names = ["b", "a", "c"]
    for name in names:
        write(ConnectionInfo(name, "127.0.0.1", 1, KEY))
    path_of("c").write_text("{")
    assert [info.run_id for info in list_runs()] == ["a", "b"]


def test_writing_is_atomic() -> None:
    """Readers see one whole file or another while it is replaced many times."""
    infos = [ConnectionInfo("tuning", "127.0.0.1", port, KEY) for port in (1, 2)]
    write(infos[0])
    done = threading.Event()

    def writer() -> None:
        for i in range(200):
            write(infos[i % 2])
        done.set()

    thread = threading.Thread(target=writer)
    thread.start()
    while not done.is_set():
        assert read("tuning") in infos
    thread.join()


def test_find_by_run_id_alone() -> None:
    """The connection file of the run gives host, port and key."""
    write(INFO)
    assert find_nameserver("tuning") == (Address("127.0.0.1", 9123), KEY)


def test_find_with_host_and_port_takes_the_key_from_the_file() -> None:
    """Arguments win over the file, and the file still gives the key."""
    write(INFO)
    assert find_nameserver("tuning", "0.0.0.0", 9123) == (Address("127.0.0.1", 9123), KEY)
    assert find_nameserver("tuning", "0.0.0.0") == (Address("127.0.0.1", 9123), KEY)
    assert find_nameserver("tuning", None, 9200) == (Address("127.0.0.1", 9200), KEY)
    assert find_nameserver("tuning", "10.0.0.7", 9200) == (Address("10.0.0.7", 9200), KEY)


def test_find_with_a_named_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is named wins over that of the run; the environment may name it too."""
    path = tmp_path / "elsewhere.json"
    write(INFO).rename(path)
    found = (Address("127.0.0.1", 9123), KEY)
    assert find_nameserver("other", connection_file=path) == found
    monkeypatch.setenv("BANDMASTER_CONNECTION_FILE", str(path))
    assert find_nameserver("other") == found
    write(ConnectionInfo("other", "127.0.0.1", 7, b"o" * 32))
    assert find_nameserver("other") == (Address("127.0.0.1", 7), b"o" * 32)
    with pytest.raises(NameServerError, match="there is no connection file"):
        find_nameserver("other", connection_file=tmp_path / "nothing.json")


def test_find_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the environment gives host, port and key."""
    monkeypatch.setenv("BANDMASTER_NAMESERVER", "node-1:9300")
    monkeypatch.setenv("BANDMASTER_KEY", encode_key(KEY))
    assert find_nameserver("tuning") == (Address("node-1", 9300), KEY)
    assert find_nameserver("tuning", "node-2") == (Address("node-2", 9300), KEY)


def test_find_nothing() -> None:
    """With nothing at all it is port 9090 on loopback, without a key."""
    assert find_nameserver("tuning") == (Address("127.0.0.1", 9090), None)
    assert find_nameserver("tuning", "0.0.0.0") == (Address("127.0.0.1", 9090), None)


def test_shared_home_of_many_nodes() -> None:
    """A wildcard written by another node means that node."""
    info = ConnectionInfo("tuning", "0.0.0.0", 9123, KEY, hostname="node-1.cluster")
    assert info.hostname != socket.gethostname()
    assert info.address == Address("node-1.cluster", 9123)


def test_run_ids() -> None:
    """New run ids are unique and legal; ids that could leave the directory are refused."""
    assert len({check_run_id(new_run_id()) for _ in range(100)}) == 100
    for wrong in ("", ".", "..", "a/b", "../x", "a b", "ü", "x" * 65, 7):
        with pytest.raises(ConfigurationError, match="run_id"):
            check_run_id(wrong)  # type: ignore[arg-type]  # also what is no string


def test_a_wrong_run_id_is_explained() -> None:
    """Refused or nobody there: the runs that there are are named, and the error stays its kind."""
    with (
        pytest.raises(NameServerError, match=r"^there is no .* 'eror' \(runs here: none\); gone$"),
        explained("eror"),
    ):
        raise NameServerError("gone")
    write(INFO)
    for kind in (AuthenticationError, NameServerError):
        with (
            pytest.raises(
                kind,
                match=r"^there is no connection file of run 'eror' \(runs here: tuning\); refused$",
            ),
            explained("eror"),
        ):
            raise kind("refused")


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (("tuning", None, None), None),
        (("eror", None, "some.json"), None),
        (("eror", None, None), "BANDMASTER_KEY"),
        (("eror", None, None), "BANDMASTER_CONNECTION_FILE"),
        (("eror", None, None), "BANDMASTER_NAMESERVER"),
        (("eror", "head-node", None), None),
    ],
)
def test_what_needs_no_connection_file_is_left_alone(
    arguments: tuple[str, str | None, str | None],
    variable: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run with a file, and whoever was told key or place by other means, miss none."""
    write(INFO)
    if variable is not None:
        monkeypatch.setenv(variable, encode_key(KEY))
    run_id, host, file = arguments
    with (
        pytest.raises(NameServerError, match=r"^gone$"),
        explained(run_id, host, connection_file=file),
    ):
        raise NameServerError("gone")


def test_a_refusal_without_a_file_is_explained_wherever_it_comes_from() -> None:
    """Host and port alone do not give the key."""
    with (
        pytest.raises(AuthenticationError, match="no connection file of run 'eror'"),
        explained("eror", "head-node"),
    ):
        raise AuthenticationError("refused")
