# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""A member's key pair, made and used by the openssl command line, and the detached JWS that it signs."""

import base64
import hashlib
import json
from pathlib import Path

from appliance import run

KINDS = {  # what openssl genpkey is told, by the algorithm of the JWS
    "EdDSA": ("-algorithm", "ED25519"),
    "ES256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "RS256": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
}


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def raw_ecdsa(der: bytes) -> bytes:
    """R and S of 32 bytes each (RFC 7518, 3.4), from the sequence of two integers that openssl writes."""
    parts, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        parts.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(parts)


class MemberKey:
    """A key pair of one algorithm; NAME.pem in the folder is the public half, which is registered."""

    def __init__(self, folder: Path, name: str, algorithm: str):
        self.algorithm, self.folder, self.file = algorithm, folder, f"{name}.pem"
        self._private = folder / f"{name}.key"
        run("openssl", "genpkey", *KINDS[algorithm], "-out", self._private)
        run("openssl", "pkey", "-in", self._private, "-pubout", "-out", folder / self.file)
        run("openssl", "pkey", "-in", self._private, "-pubout", "-outform", "DER", "-out", folder / f"{name}.der")
        self.pem, self.der = (folder / self.file).read_bytes(), (folder / f"{name}.der").read_bytes()

    @property
    def raw(self) -> bytes:
        """What the key id is a digest of: an Ed25519 key alone, SubjectPublicKeyInfo of the others."""
        return self.der[-32:] if self.algorithm == "EdDSA" else self.der

    @property
    def kid(self) -> str:
        return b64url(hashlib.sha256(self.raw).digest())[:16]

    def sign(self, message: bytes) -> bytes:
        there, made = self.folder / "message", self.folder / "signature"
        there.write_bytes(message)
        if self.algorithm == "EdDSA":
            run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self._private, "-in", there, "-out", made)
        else:
            run("openssl", "dgst", "-sha256", "-sign", self._private, "-out", made, there)
        return raw_ecdsa(made.read_bytes()) if self.algorithm == "ES256" else made.read_bytes()


def signing_input(header: bytes, body: bytes) -> bytes:
    return f"{b64url(header)}.{b64url(body)}".encode()


def detached(header: dict | bytes, body: bytes, sign) -> str:
    """<header>..<signature>, whose payload is the body (RFC 7515, appendix F)."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return f"{b64url(header)}..{b64url(sign(signing_input(header, body)))}"
