"""Certificates of an authority that lives as long as a test."""

from __future__ import annotations

from pathlib import Path

import trustme


class Authority:
    """An authority and the files of what it has issued."""

    def __init__(self, folder: Path, name: str) -> None:
        """Writes its own certificate to `folder`/NAME-ca.pem."""
        self._ca = trustme.CA(organization_name=name, key_type=trustme.KeyType.ECDSA)
        self._folder = folder
        self.file = folder / f"{name}-ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Returns the files of a certificate, for localhost by default, and its key; the name's old ones go."""
        issued = self._ca.issue_cert(*(hosts or ("localhost", "127.0.0.1")), key_type=trustme.KeyType.ECDSA)
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        key.write_bytes(issued.private_key_pem.bytes())
        certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        return certificate, key
