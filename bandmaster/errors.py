"""Every error Bandmaster raises on purpose.

The tree (each also inherits the builtin that fits, so ``except ValueError`` works)::

    BandmasterError
    ├── ConfigurationError (ValueError)   wrong arguments, options that do not fit together
    │   └── MissingExtraError (ImportError)  an optional library is not installed
    ├── SpaceError (ValueError)           a malformed search space or HDL
    │   ├── IllegalConfigurationError     a configuration that does not fit its space
    │   └── SpaceExhaustedError     no unseen configuration is left
    ├── StudyError (RuntimeError)         a transition the study does not allow
    │   ├── AllFailedError                nothing but failures since the run began
    │   ├── UnknownJobError (LookupError) no such job
    │   └── StudyPoisonedError            the journal refused an append; reload the study
    ├── CodecError (ValueError)           a value that cannot be sent, bytes that cannot be read
    ├── CheckpointError (OSError)         a checkpoint is gone, damaged, or cannot be kept
    ├── StorageError (OSError)            the journal cannot be read or written
    │   └── StudyBusyError                another process writes this study
    └── CommError (ConnectionError)       anything on the network side
        ├── AuthenticationError (PermissionError)  wrong or missing run key
        ├── ProtocolError                 malformed frame, other protocol version
        │   └── ProtocolVersionError      the peer speaks another version
        ├── NameServerError               the name server is not reachable, or lacks the name
        ├── MasterLostError               the connection to the master broke
        └── CommTimeoutError (TimeoutError)  no answer in time
"""

from __future__ import annotations

__all__ = [
    "AllFailedError",
    "AuthenticationError",
    "BandmasterError",
    "CheckpointError",
    "CodecError",
    "CommError",
    "CommTimeoutError",
    "ConfigurationError",
    "IllegalConfigurationError",
    "MasterLostError",
    "MissingExtraError",
    "NameServerError",
    "ProtocolError",
    "ProtocolVersionError",
    "SpaceError",
    "SpaceExhaustedError",
    "StorageError",
    "StudyBusyError",
    "StudyError",
    "StudyPoisonedError",
    "UnknownJobError",
]


class BandmasterError(Exception):
    """The root of all errors that Bandmaster raises on purpose."""


class ConfigurationError(BandmasterError, ValueError):
    """Arguments that are wrong or do not fit together."""


class MissingExtraError(ConfigurationError, ImportError):
    """An optional library is needed and not installed.

    Parameters
    ----------
    what : str
        What needs it, e.g. ``"the automl example"``.
    extra : str
        The name of the extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs an optional library: install it with pip install 'bandmaster[{extra}]'"
        )
        self.what = what
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle by what it was made from: the default would pass the whole message."""
        return type(self), (self.what, self.extra)


class SpaceError(BandmasterError, ValueError):
    """A search space that is malformed."""


class IllegalConfigurationError(SpaceError):
    """A configuration that does not fit its space."""


class SpaceExhaustedError(SpaceError):
    """Every configuration of a finite space has been proposed."""


class StudyError(BandmasterError, RuntimeError):
    """A transition that the study does not allow."""


class AllFailedError(StudyError):
    """The first evaluations of a run have all failed, so it was ended; the study can go on.

    Parameters
    ----------
    count : int
        How many.
    last : str
        The error of the last one, a traceback as a rule.
    """

    def __init__(self, count: int, last: str) -> None:
        super().__init__(
            f"the first {count} evaluations have all failed, so the search was ended "
            f"(max_initial_failures={count}); the last error:\n{last.rstrip()}"
        )
        self.count = count
        self.last = last

    def __reduce__(self) -> tuple[type[AllFailedError], tuple[int, str]]:
        """Pickle by what it was made from."""
        return type(self), (self.count, self.last)


class UnknownJobError(StudyError, LookupError):
    """A job number that this study never issued."""


class StudyPoisonedError(StudyError):
    """The journal refused an append, so memory and journal differ: reload the study."""


class CodecError(BandmasterError, ValueError):
    """A value that cannot be stored or sent, or bytes that cannot be read."""


class CheckpointError(BandmasterError, OSError):
    """A checkpoint that is not there, is not what was saved, or cannot be kept."""


class StorageError(BandmasterError, OSError):
    """The journal cannot be read or written."""


class StudyBusyError(StorageError):
    """Another process writes this study; the message says which and until when."""


class CommError(BandmasterError, ConnectionError):
    """Something went wrong between two processes."""


class AuthenticationError(CommError, PermissionError):
    """The peer does not know the run's key, or we do not know its key."""


class ProtocolError(CommError):
    """A frame that is malformed or not allowed."""


class ProtocolVersionError(ProtocolError):
    """The peer speaks another version of the protocol."""


class NameServerError(CommError):
    """The name server cannot be reached, or does not know the name."""


class MasterLostError(CommError):
    """The connection to the master broke."""


class CommTimeoutError(CommError, TimeoutError):
    """No answer in time."""
