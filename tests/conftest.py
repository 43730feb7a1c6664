"""What every test gets: a home of its own, no windows, reproducible properties, no leaks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from leaks import Snapshot

# Before anything imports it: the asserts of the suites in it then say what they compared.
pytest.register_assert_rewrite("bandmaster.testing")

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).resolve().parent.parent
# Where threads, processes and sockets are made: their tests must leave none behind.
WATCHED = ("e2e", "examples", "faults", "unit/asynccomm", "unit/runners")
# They start processes and wait for them: apart from the tests that keep every core busy.
PROCESSES = ("e2e", "faults")


def _folder(path: Path) -> str:
    return path.relative_to(ROOT / "tests").parent.as_posix()


def _below(path: Path, folders: tuple[str, ...]) -> bool:
    folder = _folder(path)
    return any(folder == f or folder.startswith(f + "/") for f in folders)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of whole runs."""
    for item in items:
        if _below(item.path, PROCESSES):
            item.add_marker(pytest.mark.processes)


@pytest.fixture(autouse=True)
def bandmaster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test its own place for connection files."""
    home = tmp_path / "bandmaster-home"
    monkeypatch.setenv("BANDMASTER_HOME", str(home))
    for name in [n for n in os.environ if n.startswith("BANDMASTER_") and n != "BANDMASTER_HOME"]:
        monkeypatch.delenv(name)
    return home


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest, bandmaster_home: Path) -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or an open file or socket behind."""
    if not _below(request.path, WATCHED):
        yield
        return
    before = Snapshot.take()
    yield
    leaked = before.leaks(within=5.0)
    if leaked:
        pytest.fail("the test left behind:\n" + "\n".join(leaked))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return ROOT
