# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""A client of the serial-token API, and what an appliance needs for it."""

import itertools
import json
import time

from appliance import TENANTS, Appliance
from client import Reply

JSON_API = "application/vnd.api+json"
STORE = 'store { file = "store.db" }'
CLIENTS = """    client "demo-serial" { id = 31  apis = {"serial"}  permissions = {"produce", "read"} }
    client "demo-serial-2" { id = 32  apis = {"serial"}  permissions = {"produce", "read"} }
    client "demo-serial-reader" { id = 33  apis = {"serial"}  permissions = {"read"} }
    client "demo-serial-maker" { id = 34  apis = {"serial"}  permissions = {"produce"} }
    client "demo-serial-none" { id = 35  apis = {"serial"}  permissions = {"tokenize"} }
"""
OTHER_CLIENTS = """    client "other-serial" { id = 41  apis = {"serial"}  permissions = {"produce", "read"} }
"""
NAMES = ("demo-serial", "demo-serial-2", "demo-serial-reader", "demo-serial-maker", "demo-serial-none", "other-serial")

PAYMENT_ID = "0d9e6c44-7a11-4f0e-8b1c-2f6f0f9a7d31"

_idents = itertools.count(1)


def fresh_ident() -> str:
    return f"pi_{next(_idents):024d}"


def with_serials(appliance: Appliance, serial: str = "") -> Appliance:
    """Gives it a store and clients of the API."""
    appliance.top = f"{STORE}\n{serial}"
    demo, other = '    client "demo-gifts"', '    client "other-gifts"'
    appliance.tenants = TENANTS.replace(demo, CLIENTS + demo, 1).replace(other, OTHER_CLIENTS + other, 1)
    return appliance


def order_body(size="1000", digits="10", alphabet="UPPER_HEX", ident: str | None = None, **meta) -> dict:
    payment = {"id": PAYMENT_ID, "ident": ident or fresh_ident(), "type": "transaction"}
    body = {"data": {"attributes": {"size": size, "digits": digits, "alphabet": alphabet}, "type": "tokens",
                     "relationships": {"payment": {"data": payment}}}}
    return {**body, "meta": meta} if meta else body


class Client:
    def __init__(self, appliance: Appliance, name: str = "demo-serial"):
        self.appliance = appliance
        self.api_key = appliance.credential(name)["serial"]["api_key"]
        self.session_key: str | None = None

    def open_session(self) -> "Client":
        reply = self.keyed("POST", "/api/sessions", {"data": {"type": "session", "attributes": {}}})
        assert reply.status == 201, reply
        self.session_key = reply.json()["data"]["id"]
        return self

    def send(self, method: str, target: str, headers: dict, body=None) -> Reply:
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if sent is not None:
            headers = {"Content-Type": JSON_API} | headers
        return self.appliance.main.request(method, target, {k: v for k, v in headers.items() if v is not None}, sent)

    def keyed(self, method: str, target: str, body=None, **headers) -> Reply:
        return self.send(method, target, {"Api-Key": self.api_key, "Accept": JSON_API} | headers, body)

    def call(self, method: str, target: str, body=None, headers: dict | None = None) -> Reply:
        return self.send(method, target, {"Session-Key": self.session_key, "Accept": JSON_API} | (headers or {}), body)

    def get(self, target: str, **headers) -> Reply:
        return self.call("GET", target, None, headers)

    def order(self, **what) -> dict:
        """Posts an order that is taken; the data object."""
        reply = self.call("POST", "/api/tokens", order_body(**what))
        assert reply.status == 201, reply
        return reply.json()["data"]

    def finished(self, id: str) -> dict:
        """The attributes of a line, once it is finished."""
        while True:
            reply = self.get(f"/api/tokens/{id}")
            assert reply.status == 200, reply
            attributes = reply.json()["data"]["attributes"]
            if attributes["status"] == "finished":
                return attributes
            time.sleep(0.01)

    def data(self, id: str, query: str = "", **headers) -> Reply:
        return self.get(f"/api/tokens/{id}/data{query}", **headers)

    def tokens(self, id: str) -> list[str]:
        self.finished(id)
        reply = self.data(id)
        assert reply.status == 200, reply
        return reply.body.decode().split("\n")

    def produce(self, **what) -> tuple[str, bytes]:
        """A new line and its file."""
        id = self.order(**what)["id"]
        self.finished(id)
        return id, self.data(id).body

    def capacity(self, alphabet: str, digits: int) -> tuple[str, str]:
        attributes = self.get(f"/api/alphabets/{alphabet}/{digits}").json()["data"]["attributes"]
        return attributes["available"], attributes["reachable"]
