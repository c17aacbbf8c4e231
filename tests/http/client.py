# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""A client that sends exactly what a test wants: requests of each API, and raw bytes.

Every request comes on a connection of its own from a loopback address of its own, so that a test which
fails to authenticate on purpose does not slow down the next one.
"""

import base64
import hashlib
import http.client
import itertools
import json
import socket
import ssl
import time
from dataclasses import dataclass, field
from email.message import Message

TIMEOUT_S = 120  # only ends a test that hangs; nothing is measured

CARD_PATH = "/v2/tokens"

_sources = itertools.count(2)


def fresh_source() -> str:
    """A loopback address that nobody used before."""
    number = next(_sources)
    return f"127.{1 + number // 60000 % 250}.{number // 250 % 240}.{1 + number % 250}"


@dataclass
class Reply:
    status: int
    headers: Message
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def media_type(self) -> str | None:
        return self.headers.get("Content-Type")


def read_reply(connection: socket.socket, method: str = "GET") -> Reply:
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return Reply(response.status, response.headers, response.read())


def read_to_end(connection: socket.socket) -> bytes:
    """All bytes until the peer closes, which it must do without a reset before the first byte."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        if not received:
            raise
    return received


def end_of_sending(connection: socket.socket) -> None:
    """Says that no byte will follow (TLS: close_notify); replies can still be read."""
    if not isinstance(connection, ssl.SSLSocket):
        connection.shutdown(socket.SHUT_WR)
        return
    connection.setblocking(False)
    try:
        connection.unwrap()
    except ssl.SSLWantReadError:
        pass  # said; what the peer still has to say is read by the caller
    connection.settimeout(TIMEOUT_S)


@dataclass
class Listener:
    """One address of an appliance. `authority` is the file with its certificate; None: plain HTTP."""

    port: int
    authority: str | None = None
    _context: ssl.SSLContext | None = field(default=None, init=False)

    def connect(self, source: str | None = None) -> socket.socket:
        address = (source or fresh_source(), 0)
        raw = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S, address)
        if self.authority is None:
            return raw
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self.authority)
        return self._context.wrap_socket(raw, server_hostname="127.0.0.1")

    def request(self, method: str, target: str, headers: dict | None = None, body: bytes | None = None,
                source: str | None = None) -> Reply:
        with self.connect(source) as connection:
            connection.sendall(request_bytes(method, target, headers, body))
            return read_reply(connection, method)

    def raw(self, sent: bytes) -> bytes:
        """Sends bytes as they are and returns everything that comes back until the server closes."""
        with self.connect() as connection:
            try:
                connection.sendall(sent)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all was sent: the answer tells
            return read_to_end(connection)


def request_bytes(method: str, target: str, headers: dict | None, body: bytes | None) -> bytes:
    """A Content-Length stands in front of a body unless `headers` say how long it is."""
    lines = {"Host": "localhost", **(headers or {})}
    names = {name.lower() for name in lines}
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines["Content-Length"] = str(len(body))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode("latin-1") + b"\r\n" + (body or b"")


def encode(value) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


# ---- POST /v2/tokens ---------------------------------------------------------------------------------


def wp3_digest(credential: dict, timestamp: str, path: str, body: bytes) -> str:
    signed = (credential["merchant_key"] + timestamp + credential["authenticity_token"] + path).encode() + body
    return hashlib.sha512(signed).hexdigest()


def wp3_authorization(credential: dict, body: bytes, *, timestamp: str | None = None, path: str = CARD_PATH,
                      scheme: str = "WP3-v2.1") -> str:
    timestamp = timestamp if timestamp is not None else str(int(time.time()))
    digest = wp3_digest(credential, timestamp, path, body)
    return f"{scheme} {credential['authenticity_token']} {timestamp} {digest}"


def card_headers(credential: dict, body: bytes, **how) -> dict:
    return {"Authorization": wp3_authorization(credential, body, **how), "Content-Type": "application/json"}


def card_body(pan: str = "4242424242424242", expiration_date: str = "6802", **more) -> dict:
    return {"type": "card", "card": {"pan": pan, "expiration_date": expiration_date}, **more}


def post_card(listener: Listener, credential: dict, body, **how) -> Reply:
    """Signs and posts a body (bytes as they are, anything else as JSON)."""
    sent = encode(body)
    return listener.request("POST", CARD_PATH, card_headers(credential, sent, **how), sent)


# ---- POST /v1/Token ----------------------------------------------------------------------------------


def basic_authorization(credential: dict) -> dict:
    pair = f"{credential['username']}:{credential['password']}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


# ---- /v1/transform -----------------------------------------------------------------------------------


def vault(listener: Listener, token: str, operation: str, role: str, body, method: str = "POST") -> Reply:
    target = f"/v1/transform/{operation}/{role}"
    return listener.request(method, target, {"X-Vault-Token": token}, encode(body))


def vault_get(listener: Listener, token: str, path: str) -> Reply:
    return listener.request("GET", "/v1/" + path, {"X-Vault-Token": token})


# ---- numbers -----------------------------------------------------------------------------------------


def luhn_sum(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10


def with_check_digit(digits: str) -> str:
    """The digits and one more, so that all pass the Luhn check."""
    return digits + str((10 - luhn_sum(digits + "0")) % 10)
