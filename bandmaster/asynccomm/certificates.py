"""The certificates of a run with TLS: the user's own, or one that is made for the run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bandmaster.errors import ConfigurationError, MissingExtraError

__all__ = ["ANY_CERTIFICATE", "Certificate", "TlsOption", "check_tls", "fingerprint_of"]

TlsOption = bool | tuple[str | os.PathLike[str], str | os.PathLike[str]] | None
"""The argument ``tls``: a certificate's and its private key's PEM file; True for one that is made
for the run; False for none; None for what the run's connection file says."""

ANY_CERTIFICATE = "any"
"""In place of a fingerprint: the run's key alone vouches for the certificate."""

_VALID = timedelta(days=3650)
_PEM_BEGIN, _PEM_END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key.

    Parameters
    ----------
    pem : str
        The certificate, perhaps followed by those that signed it.
    private_key : str
        Likewise in PEM, not encrypted. Not shown by repr.

    Raises
    ------
    ConfigurationError
        When they are not a certificate and its private key.
    """

    pem: str = field(repr=False)
    private_key: str = field(repr=False)

    def __post_init__(self) -> None:
        self.context()

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, hexadecimal."""
        begin, end = self.pem.find(_PEM_BEGIN), self.pem.find(_PEM_END)
        return fingerprint_of(ssl.PEM_cert_to_DER_cert(self.pem[begin : end + len(_PEM_END)]))

    def context(self) -> ssl.SSLContext:
        """Return the settings of a server that shows this certificate; TLS 1.3 only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # Tickets would arrive at a client that takes anything unasked for the server's end.
        context.num_tickets = 0
        try:
            with _files(self.pem, self.private_key) as paths:
                context.load_cert_chain(paths[0], paths[1], password="")
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"these are no certificate and its private key in PEM, not encrypted: {error}"
            ) from error
        return context

    @classmethod
    def load(
        cls, certificate: str | os.PathLike[str], private_key: str | os.PathLike[str]
    ) -> Certificate:
        """Read a certificate's and its private key's PEM file.

        Raises
        ------
        ConfigurationError
            When a file cannot be read or holds something else.
        """
        try:
            return cls(
                Path(certificate).read_text(encoding="ascii"),
                Path(private_key).read_text(encoding="ascii"),
            )
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the certificate cannot be read: {error}") from error
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{os.fspath(certificate)}, {os.fspath(private_key)}: {error}"
            ) from error

    @classmethod
    def make(cls, name: str) -> Certificate:
        """Make one that is signed by itself, for 10 years.

        Parameters
        ----------
        name : str
            Whose, up to 64 characters; for people who look at it.

        Raises
        ------
        MissingExtraError
            When the `cryptography` package is not installed.
        """
        try:
            from cryptography import x509
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import ec
        except ImportError as error:
            raise MissingExtraError("a certificate that is made for the run", "tls") from error
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))  # clocks differ; nobody checks it anyway
            .not_valid_after(now + _VALID)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return cls(
            certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
            private.decode("ascii"),
        )


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 of a certificate's DER form, hexadecimal."""
    return hashlib.sha256(der).hexdigest()


def check_tls(tls: TlsOption) -> TlsOption:
    """Return `tls` if it is one of the values that it may have.

    Raises
    ------
    ConfigurationError
    """
    if tls is None or isinstance(tls, bool):
        return tls
    if isinstance(tls, tuple) and len(tls) == 2:
        return tls
    raise ConfigurationError(
        f"tls is True, False, or the files (certificate, private_key), got {tls!r}"
    )


@contextlib.contextmanager
def _files(*contents: str) -> Iterator[list[str]]:
    """Write texts to files that only this user can read: OpenSSL takes nothing else."""
    with tempfile.TemporaryDirectory(prefix="bandmaster-") as folder:  # mode 0700
        paths = []
        for number, content in enumerate(contents):
            path = os.path.join(folder, str(number))
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(content)
            paths.append(path)
        yield paths
