"""Two machines and the cable between them, on one: network namespaces joined by a veth pair.

It takes root, or a system that lets users make namespaces (most do; containers often need
``--cap-add SYS_ADMIN --cap-add NET_ADMIN`` or ``--privileged``), and the programs ``ip``
(iproute2), ``unshare`` and ``nsenter`` (util-linux). Where that is missing the tests that need it
fail and say so: a promise that nobody checks is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack

_HELP = (
    "the tests of broken links need network namespaces: run them as root (in a container with "
    "--privileged, or CAP_SYS_ADMIN and CAP_NET_ADMIN) or where users may make namespaces (sysctl "
    "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0), and "
    "install iproute2 and util-linux"
)


def own_network() -> list[str]:
    """Return what to put before a command that shall have a network of its own, lo down."""
    return ["unshare", "-n" if os.geteuid() == 0 else "-rn", "--"]


def own_machine() -> list[str]:
    """Return what gives a command a network of its own, and ends all it started when it ends."""
    *unshare, end = own_network()
    return [*unshare, "--pid", "--fork", "--kill-child", "--mount-proc", end]


class Lab:
    """Two machines that share all but the network; `near` and `far` are put before commands.

    Parameters
    ----------
    here : bool, default False
        This process is on the near machine already (by `own_machine`).
    """

    NEAR, FAR = "10.99.0.1", "10.99.0.2"

    def __init__(self, *, here: bool = False) -> None:
        self._here = here
        self._stack = ExitStack()
        self.near: list[str] = []
        self.far: list[str] = []

    def __enter__(self) -> Lab:
        missing = [name for name in ("ip", "unshare", "nsenter") if not shutil.which(name)]
        assert not missing, f"{', '.join(missing)} not found: {_HELP}"
        try:
            if not self._here:
                self.near = self._machine(own_network())
            self.far = self._machine([*self.near, "unshare", "-n", "--"])
            holder = self.far[self.far.index("-t") + 1]
            _run(self.near, "ip link set lo up")
            _run(self.far, "ip link set lo up")
            _run(self.near, f"ip link add cable0 type veth peer name cable1 netns {holder}")
            for machine, address, end in ((self.near, self.NEAR, 0), (self.far, self.FAR, 1)):
                _run(machine, f"ip address add {address}/24 dev cable{end}")
                _run(machine, f"ip link set cable{end} up")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()  # networks end with their last process, and the cable with them

    def cut(self) -> None:
        """Pull the cable out of the far machine."""
        _run(self.far, "ip link set cable1 down")

    def mend(self) -> None:
        """Put it in again."""
        _run(self.far, "ip link set cable1 up")

    def _machine(self, command: list[str]) -> list[str]:
        """Start what keeps a network alive; return what to put before commands that use it."""
        process = self._stack.enter_context(
            subprocess.Popen([*command, "sleep", "infinity"], stderr=subprocess.PIPE, text=True)
        )
        self._stack.callback(process.kill)
        deadline = time.monotonic() + 10
        while not _is_sleeping(process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(f"{process.communicate()[1].strip()}: {_HELP}")
            time.sleep(0.01)
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        return ["nsenter", *user, "-n", "-t", str(process.pid), "--"]


def _is_sleeping(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().startswith(b"sleep\0")
    except OSError:
        return False


def _run(machine: list[str], command: str) -> None:
    done = subprocess.run([*machine, *command.split()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.strip()}: {_HELP}"
