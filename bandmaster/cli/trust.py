"""Why one end of a connection does not trust the other: keys, and TLS at one end only."""

from __future__ import annotations

import os
from dataclasses import dataclass

from bandmaster.asynccomm.certificates import TlsOption
from bandmaster.asynccomm.connection_file import ConnectionInfo

__all__ = ["Told"]


@dataclass(frozen=True, slots=True)
class Told:
    """What says here whether a run uses TLS, as `find_nameserver` would take it.

    Parameters
    ----------
    tls : bool, (path, path) or None
        What was given with the command.
    info : ConnectionInfo or None
        What stands in the connection file.
    path : str
        Where that is, or would be.
    """

    tls: TlsOption
    info: ConnectionInfo | None
    path: str

    def advise(self, role: str, error: str) -> tuple[str, str, str] | None:
        """Return the subject, what was found, and what to do; None if it is not about TLS.

        Parameters
        ----------
        role : {"name server", "master"}
            Who is at the other end.
        error : str
            Why there is no connection.
        """
        if "wants TLS" in error:
            return "TLS", f"the {role} uses TLS, and here {self._said(False)}", self._to_use_it()
        if "does not use TLS" in error:
            return (
                "TLS",
                f"the {role} does not use TLS, and here {self._said(True)}",
                self._to_leave_it(role),
            )
        if "another certificate" in error:
            return "TLS", error, self._to_renew(role)
        return None

    def _said(self, tls: bool) -> str:
        if self.tls is not None:
            return "--tls insists on it" if tls else "it was told not to"
        if self.info is not None:
            verb = "does" if tls else "does not"
            return f"the connection file {self.path} says that the run {verb}"
        set_to = os.environ.get("BANDMASTER_TLS", "").strip()
        if set_to:
            return f"BANDMASTER_TLS is {set_to}"
        return "nothing says so: there is no connection file, no --tls, and no BANDMASTER_TLS"

    def _to_use_it(self) -> str:
        if self.tls is not None:
            return "say nothing of TLS here: the connection file does"
        if self.info is not None:
            return (
                f"the file is older than that name server: copy it anew from the name server's "
                f"machine{self._there}; or, to trust it without, give --tls to masters and workers "
                "here"
            )
        return (
            "set BANDMASTER_TLS=1, or give --tls, to masters and workers here; better, copy the "
            "connection file from the name server's machine: it also says which certificate to "
            "expect"
        )

    def _to_leave_it(self, role: str) -> str:
        start = (
            "start the name server with --tls, and then masters and workers anew"
            if role == "name server"
            else "start the master anew: it is of before the name server used TLS"
        )
        if self.tls is not None:
            return f"{start}; or leave out --tls here"
        if self.info is not None:
            return (
                f"{start}; or, if the run is to go without, copy the connection file anew from the "
                f"name server's machine{self._there}"
            )
        return f"{start}; or set BANDMASTER_TLS=0 here"

    def _to_renew(self, role: str) -> str:
        if role == "master":
            return "start the master anew, with the present connection file"
        return (
            f"if the name server was started anew, copy the connection file from its machine"
            f"{self._there} to {self.path}; if it was not, do not: somebody may stand between"
        )

    @property
    def _there(self) -> str:
        return "" if self.info is None else f" ({self.info.hostname})"
