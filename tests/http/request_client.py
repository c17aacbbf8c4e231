# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Members of the token-request API, people before its hosted page, and Ed25519 in plain integers."""

import base64
import copy
import hashlib
import json
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import client
from appliance import Appliance

STORE = 'store { file = "symbolon.db" }'
LIFE_S = 3600
DEMO = """
    client "demo-payments" { id = 81  apis = {"requests"}  permissions = {"tokenize", "read"}
                             display_name = "Café <Payments> & Söhne" }
    client "demo-payments-2" { id = 82  apis = {"requests"}  permissions = {"tokenize", "read", "detokenize"} }
    client "demo-asker" { id = 83  apis = {"requests"}  permissions = {"tokenize"} }
    client "demo-auditor" { id = 84  apis = {"requests"}  permissions = {"read"} }
    client "demo-hasty" { id = 85  apis = {"requests"}  permissions = {"tokenize", "read"}  rate = 2 }
    client "demo-desk" { id = 86  apis = {"operations"}  permissions = {"approve"} }
"""
OTHER = """
    client "other-payments" { id = 87  apis = {"requests"}  permissions = {"tokenize", "read"} }
    client "other-desk" { id = 88  apis = {"operations"}  permissions = {"approve"} }
"""
NAMES = ("demo-payments", "demo-payments-2", "demo-asker", "demo-auditor", "other-payments")
IBAN = "DE02120300000000202051"


def with_requests(appliance: Appliance, life_s: int = LIFE_S) -> Appliance:
    """Before it is started: members and operators of token requests, and a store."""
    if "store {" not in appliance.top:
        appliance.top += f"\n{STORE}"
    appliance.top += (f'\nrequests {{ public_url = "https://localhost:{appliance.port}"  realm = "tokn"'
                      f'  lifetime = {life_s} }}')
    appliance.tenants = (appliance.tenants
                         .replace('    client "demo-cards" {', DEMO + '    client "demo-cards" {', 1)
                         .replace('    client "other-cards" {', OTHER + '    client "other-cards" {', 1))
    return appliance


class Members:
    """What clients of the API, operators and people may send to one appliance."""

    def __init__(self, appliance: Appliance):
        self.appliance = appliance

    def credential(self, name: str) -> dict:
        return self.appliance.credential(name)["requests"]

    def member_id(self, name: str = "demo-payments") -> str:
        return self.credential(name)["member_id"].replace("-", ":")

    def basic(self, name: str = "demo-payments") -> dict[str, str]:
        credential = self.credential(name)
        pair = f"{credential['member_id']}:{credential['api_key']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    # ---- documents ----

    def payload(self, name: str = "demo-payments", **changes) -> dict:
        """A transfer's payload; a change to None takes the member out."""
        payload = {
            "refId": "inv-2030-0007", "to": {"id": self.member_id(name)}, "redirectUrl": "https://shop.example/cb",
            "callbackState": 's-"91"', "description": "Order 7",
            "transferBody": {"currency": "EUR", "instructions": {"transferDestinations": [
                {"sepa": {"iban": IBAN}, "customerData": {"legalNames": ["Shop Ltd"]}}]}, "lifetimeAmount": "25.00"}}
        payload.update(changes)
        return {key: value for key, value in payload.items() if value is not None}

    def body(self, name: str = "demo-payments", **changes) -> dict:
        return {"requestOptions": {"bankId": "bank-a"}, "requestPayload": self.payload(name, **changes)}

    def with_card(self, pan: str, name: str = "demo-payments") -> dict:
        body = copy.deepcopy(self.body(name))
        body["requestPayload"]["transferBody"]["instructions"]["source"] = {
            "accountIdentifier": {"pan": {"pan": pan}}}
        return body

    # ---- members ----

    def post(self, body=None, name: str = "demo-payments", headers: dict | None = None) -> client.Reply:
        headers = {"Content-Type": "application/json", **(headers if headers is not None else self.basic(name))}
        return self.appliance.main.request("POST", "/token-requests", headers,
                                           client.encode(body if body is not None else self.body(name)))

    def make(self, body=None, name: str = "demo-payments") -> str:
        reply = self.post(body, name)
        assert reply.status == 200, reply.body
        return reply.json()["tokenRequest"]["id"]

    def get(self, request_id: str, name: str = "demo-payments", what: str = "") -> client.Reply:
        return self.appliance.main.request("GET", f"/token-requests/{quote(request_id, safe=':%')}{what}",
                                           self.basic(name))

    def result(self, request_id: str, name: str = "demo-payments") -> dict:
        reply = self.get(request_id, name, "/result")
        assert reply.status == 200, reply.body
        return reply.json()

    # ---- operators ----

    def decide(self, request_id: str, decision: str, reason: str | None = None, name: str = "demo-desk",
               body=None) -> client.Reply:
        document = {"decision": decision} | ({"reason": reason} if reason is not None else {})
        token = self.appliance.credential(name)["operations"]["token"]
        return self.appliance.operations.request(
            "POST", f"/operations/token-requests/{request_id}",
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            client.encode(body if body is not None else document))

    # ---- people ----

    def open_page(self, request_id: str) -> "Page":
        return Page(self.appliance.main.request("GET", f"/app/request-token/{request_id}"))

    def press(self, request_id: str, fields: dict | bytes, headers: dict | None = None) -> "Page":
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return Page(self.appliance.main.request("POST", f"/app/request-token/{request_id}", headers, body))


class Page(HTMLParser):
    """A reply of the hosted page, as far as a test looks at it."""

    def __init__(self, reply: client.Reply):
        super().__init__()
        self.reply = reply
        self.fields: dict[str, str] = {}
        self.actions: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        if reply.media_type == "text/html; charset=utf-8":
            self.feed(reply.body.decode())

    @property
    def status(self) -> int:
        return self.reply.status

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.tags.append(tag)
        if tag == "input":
            self.fields[named["name"]] = named["value"]
        if tag == "form":
            self.actions.append(named["action"])
        if tag == "a":
            self.links.append(named["href"])

    def handle_data(self, data):
        self.text += data

    @property
    def way_back(self) -> tuple[str, dict[str, str]]:
        """Of a redirect: where to, without the query, and its parameters."""
        parts = urlsplit(self.reply.headers["Location"])
        return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(parse_qsl(parts.query, strict_parsing=True))


# ---- Ed25519, RFC 8032, 5.1 ----------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def _recover_x(y: int, sign: int) -> int:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        raise ValueError("no point of the curve")
    return P - x if x & 1 != sign else x


def _point(encoded: bytes) -> tuple[int, int, int, int]:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = _recover_x(y, sign)
    return x, y, 1, x * y % P


def _add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number: int, point):
    result = (0, 1, 1, 0)
    while number > 0:
        if number & 1:
            result = _add(result, point)
        point = _add(point, point)
        number >>= 1
    return result


def _equal(p, q) -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


_BASE_Y = 4 * pow(5, -1, P) % P
BASE = _point((_BASE_Y).to_bytes(32, "little"))


def ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if len(public_key) != 32 or len(signature) != 64:
        return False
    try:
        a, r = _point(public_key), _point(signature[:32])
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    return _equal(_times(s, BASE), _add(r, _times(h, a)))


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed_text(state: str, token_id: str) -> bytes:
    """What a result's signature covers."""
    return json.dumps({"state": state, "tokenId": token_id}, separators=(",", ":"), sort_keys=True,
                      ensure_ascii=False).encode()
